// Runs bindings/conformance/cases.json (see the README there), then C#'s own tests.
using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;
using OpenHearth;

static class Conformance
{
    static int Main(string[] arguments)
    {
        if (arguments.Length == 1) return Own.Leave(arguments[0]);
        CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        var file = (JsonObject)Json.Read(File.ReadAllText(Path.Combine(Operations.Folder, "cases.json"), Encoding.UTF8));
        int passed = 0, failed = 0;
        Action<string, List<string>> count = (name, found) =>
        {
            if (found.Count == 0) passed++;
            else failed++;
            if (found.Count == 0) Console.WriteLine("passed " + name);
            else Console.Error.WriteLine(name + ": " + string.Join("; ", found));
        };
        foreach (JsonObject one in file.List("cases")) count(one.Text("name"), Run(one));
        foreach (var test in Own.Tests) count(test.Key, Run(test.Value));
        Console.WriteLine("csharp: " + passed + " passed, " + failed + " failed");
        return failed == 0 ? 0 : 1;
    }

    static List<string> Run(JsonObject one)
    {
        var found = new List<string>();
        try { Faults(one["expected"], Perform(one), one["tolerance"] as double? ?? 0.001, "", found); }
        catch (Exception broken) { found.Add(broken.ToString()); }
        return found;
    }

    static List<string> Run(Action test)
    {
        try { test(); }
        catch (Exception broken) { return new List<string> { broken.ToString() }; }
        return new List<string>();
    }

    static JsonObject Perform(JsonObject one)
    {
        try { return Operations.All[one.Text("operation")](one.Text("model"), one.Object("arguments")); }
        catch (HearthException fault) { return Failure(fault); }
        catch (OperationCanceledException stopped) when (stopped.InnerException is HearthException fault) { return Failure(fault); }
    }

    public static JsonObject Failure(HearthException fault)
    {
        return new JsonObject { { "error", new JsonObject { { "status", Library.NameOf(fault.Status) }, { "message", fault.Message } } } };
    }

    static void Faults(object expected, object came, double tolerance, string where, List<string> found)
    {
        Action differ = () => found.Add(where + ": " + Json.Write(came) + ", not " + Json.Write(expected));
        if (expected is JsonObject members)
        {
            if (!(came is JsonObject other)) differ();
            else foreach (var one in members)
                if (one.Key == "says")
                {
                    foreach (string part in (List<object>)one.Value)
                        if (other.Text("message")?.Contains(part) != true) found.Add(where + ": the message '" + other.Text("message") + "' does not say '" + part + "'");
                }
                else if (!other.Has(one.Key)) found.Add(where + "." + one.Key + " is absent from " + Json.Write(came));
                else Faults(one.Value, other[one.Key], tolerance, where + "." + one.Key, found);
        }
        else if (expected is List<object> elements)
        {
            var others = came is string || came is JsonObject ? null : (came as IEnumerable)?.Cast<object>().ToList();
            if (others == null || others.Count != elements.Count) differ();
            else for (var i = 0; i < elements.Count; i++) Faults(elements[i], others[i], tolerance, where + "[" + i + "]", found);
        }
        else if (expected is double number)
        {
            var isNumber = came is IConvertible && !(came is string) && !(came is bool);
            if (!isNumber || !(Math.Abs(Convert.ToDouble(came) - number) <= tolerance)) differ();
        }
        else if (!Equals(expected, came)) differ();
    }
}
