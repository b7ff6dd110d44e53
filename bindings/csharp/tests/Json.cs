using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;

/// <summary>A JSON object, whose members keep their order and, when read, how they are written.</summary>
sealed class JsonObject : IEnumerable<KeyValuePair<string, object>>
{
    readonly List<KeyValuePair<string, object>> members = new List<KeyValuePair<string, object>>();
    readonly Dictionary<string, string> written = new Dictionary<string, string>();

    public void Add(string key, object value) { members.Add(new KeyValuePair<string, object>(key, value)); }

    public void Add(string key, object value, string source)
    {
        Add(key, value);
        written[key] = source;
    }

    public bool Has(string key) { return members.Any(one => one.Key == key); }
    public object this[string key] { get { return members.LastOrDefault(one => one.Key == key).Value; } }

    public string Text(string key) { return this[key] as string; }
    public bool Truth(string key, bool otherwise = false) { return this[key] as bool? ?? otherwise; }
    public int Number(string key) { return (int)(this[key] as double? ?? 0); }
    public JsonObject Object(string key) { return this[key] as JsonObject ?? new JsonObject(); }
    public List<object> List(string key) { return this[key] as List<object> ?? new List<object>(); }
    public string[] Texts(string key) { return List(key).Cast<string>().ToArray(); }
    public int[] Tokens(string key) { return List(key).Select(one => (int)(double)one).ToArray(); }

    /// <summary>The JSON text of a member as the file has it; of a text, that text; null of null and of what is not there.</summary>
    public string Json(string key) { return this[key] == null ? null : this[key] as string ?? written[key]; }

    public IEnumerator<KeyValuePair<string, object>> GetEnumerator() { return members.GetEnumerator(); }
    IEnumerator IEnumerable.GetEnumerator() { return GetEnumerator(); }
}

/// <summary>JSON to objects, lists, strings, doubles, booleans and null; and back, to say what came.</summary>
sealed class Json
{
    readonly string source;
    int at;

    Json(string source) { this.source = source; }

    public static object Read(string source)
    {
        var reader = new Json(source);
        var value = reader.Value();
        if (reader.Next() != '\0') throw reader.Wrong();
        return value;
    }

    public static string Write(object value)
    {
        if (value == null) return "null";
        if (value is bool truth) return truth ? "true" : "false";
        if (value is string text) return Quoted(text);
        if (value is JsonObject o) return "{" + string.Join(", ", o.Select(one => Quoted(one.Key) + ": " + Write(one.Value))) + "}";
        if (value is IEnumerable list) return "[" + string.Join(", ", list.Cast<object>().Select(Write)) + "]";
        return Convert.ToDouble(value).ToString("R", CultureInfo.InvariantCulture);
    }

    static string Quoted(string text)
    {
        var json = new StringBuilder("\"");
        foreach (var c in text)
            if (c == '"' || c == '\\') json.Append('\\').Append(c);
            else if (c < ' ') json.AppendFormat("\\u{0:x4}", (int)c);
            else json.Append(c);
        return json.Append('"').ToString();
    }

    FormatException Wrong() { return new FormatException("no JSON at " + at); }

    char Next()
    {
        while (at < source.Length && char.IsWhiteSpace(source[at])) at++;
        return at < source.Length ? source[at] : '\0';
    }

    bool Skip(char c)
    {
        if (Next() != c) return false;
        at++;
        return true;
    }

    void Expect(char c) { if (!Skip(c)) throw Wrong(); }

    object Value()
    {
        switch (Next())
        {
            case '{': return Members();
            case '[': return Elements();
            case '"': return Text();
            case 't': return Word("true", true);
            case 'f': return Word("false", false);
            case 'n': return Word("null", null);
        }
        var start = at;
        while (at < source.Length && "+-.0123456789eE".IndexOf(source[at]) >= 0) at++;
        return double.Parse(source.Substring(start, at - start), CultureInfo.InvariantCulture);
    }

    object Word(string word, object value)
    {
        if (string.CompareOrdinal(source, at, word, 0, word.Length) != 0) throw Wrong();
        at += word.Length;
        return value;
    }

    JsonObject Members()
    {
        var all = new JsonObject();
        Expect('{');
        if (Skip('}')) return all;
        do
        {
            Next();
            var key = Text();
            Expect(':');
            Next();
            var start = at;
            var value = Value();
            all.Add(key, value, source.Substring(start, at - start));
        } while (Skip(','));
        Expect('}');
        return all;
    }

    List<object> Elements()
    {
        var all = new List<object>();
        Expect('[');
        if (Skip(']')) return all;
        do all.Add(Value()); while (Skip(','));
        Expect(']');
        return all;
    }

    string Text()
    {
        var text = new StringBuilder();
        Expect('"');
        for (; source[at] != '"'; at++)
        {
            if (source[at] != '\\')
            {
                text.Append(source[at]);
                continue;
            }
            var c = source[++at];
            var escaped = "\"\\/bfnrt".IndexOf(c);
            if (escaped >= 0) text.Append("\"\\/\b\f\n\r\t"[escaped]);
            else
            {
                text.Append((char)int.Parse(source.Substring(at + 1, 4), NumberStyles.HexNumber));
                at += 4;
            }
        }
        at++;
        return text.ToString();
    }
}
