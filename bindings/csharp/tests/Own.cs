using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;
using OpenHearth;

/// <summary>What only C# has: streams, tasks, exceptions in callbacks, collection.</summary>
static class Own
{
    public static readonly Dictionary<string, Action> Tests = new Dictionary<string, Action>
    {
        { "a stream gives the whole answer in pieces", Stream },
        { "a stream left early stops the model", LeftEarly },
        { "a stream is enumerated once", Once },
        { "a stream throws what went wrong", StreamThrows },
        { "an exception in a callback comes out of the call", CallbackThrows },
        { "an exception in a stream's callback comes out of the enumeration", StreamCallbackThrows },
        { "an exception while opening comes out of Open", ProgressThrows },
        { "tasks", Tasks },
        { "a token says so", TokenSaysSo },
        { "messages", Messages },
        { "null is usage, not a crash", Nulls },
        { "numbers and texts that do not fit", DoNotFit },
        { "what is forgotten is closed", Forgotten },
        { "the process ends in the middle of an answer", EndOfTheProcess },
    };

    static Session New() { return Operations.ModelOf("tiny").NewSession(); }

    static GenerationOptions Greedy(int most) { return new GenerationOptions { MaxTokens = most, Temperature = 0, IgnoreEnd = true }; }

    static void Is(bool holds, string what) { if (!holds) throw new Exception("not so: " + what); }

    static T Throws<T>(Action call) where T : Exception
    {
        try { call(); }
        catch (T expected) { return expected; }
        throw new Exception("nothing was thrown");
    }

    static void Throws(Status status, string says, Action call)
    {
        var fault = Throws<HearthException>(call);
        Is(fault.Status == status && fault.Message.Contains(says), status + " with " + says + ": " + fault.Status + ", " + fault.Message);
    }

    static void Stream()
    {
        using (var session = New())
        {
            var stream = session.StreamComplete("the low", Greedy(12));
            Is(stream.Result == null, "no result before");
            var pieces = stream.ToList();
            Is(pieces.Count > 1 && string.Concat(pieces) == stream.Result.Text && stream.Result.GeneratedTokens == 12, "whole");
            Is(stream.Result.Text == session.Complete("the low", Greedy(12)).Text, "the same as at once");
        }
    }

    static void LeftEarly()
    {
        using (var model = Model.Open(Operations.PathOf("tiny"), new ModelOptions { ContextLength = 400000, Threads = 2 })) // an answer without end
        using (var session = model.NewSession())
        {
            var stream = session.StreamComplete("the low", new GenerationOptions { Temperature = 0, IgnoreEnd = true });
            foreach (var piece in stream) break;
            Is(stream.Result.FinishReason == FinishReason.Cancelled, "stopped");
            Is(session.Complete("the low", Greedy(3)).GeneratedTokens == 3, "usable");
        }
    }

    static void Once()
    {
        using (var session = New())
        {
            var stream = session.StreamComplete("the low", Greedy(2));
            Is(stream.Count() > 0, "pieces");
            Throws<InvalidOperationException>(() => stream.Count());
        }
    }

    static void StreamThrows()
    {
        using (var session = New()) Throws(Status.Usage, "top-p", () => session.StreamComplete("x", new GenerationOptions { TopP = 2 }).Count());
    }

    // It comes out as it is, after one piece, and the session goes on.
    static void ThrowsFromPiece(Action<Session, GenerationOptions> call)
    {
        using (var session = New())
        {
            var options = Greedy(50);
            var heard = 0;
            options.OnPiece = piece =>
            {
                heard++;
                throw new InvalidDataException("mine");
            };
            Is(Throws<InvalidDataException>(() => call(session, options)).Message == "mine" && heard == 1, "mine");
            Is(session.Complete("the low", Greedy(3)).GeneratedTokens == 3, "usable");
        }
    }

    static void CallbackThrows() { ThrowsFromPiece((session, options) => session.Complete("the low", options)); }

    static void StreamCallbackThrows() { ThrowsFromPiece((session, options) => session.StreamComplete("the low", options).Count()); }

    static void ProgressThrows()
    {
        var options = new ModelOptions { OnProgress = fraction => throw new InvalidDataException("mine") };
        Throws<InvalidDataException>(() => Model.Open(Operations.PathOf("tiny"), options));
    }

    static void Tasks()
    {
        using (var model = Model.OpenAsync(Operations.PathOf("tiny"), new ModelOptions { Threads = 2 }).GetAwaiter().GetResult())
        using (var one = model.NewSession())
        using (var other = model.NewSession())
        {
            var both = Task.WhenAll(one.CompleteAsync("the low", Greedy(8)), other.CompleteAsync("the low", Greedy(8))).GetAwaiter().GetResult();
            Is(both[0].Text == both[1].Text && both[0].GeneratedTokens == 8, "the same");
            Is(model.ScoreAsync("the", new[] { " low" }).GetAwaiter().GetResult().Length == 1, "scored");
        }
    }

    static void TokenSaysSo()
    {
        var ended = new CancellationToken(true);
        var model = Operations.ModelOf("tiny");
        var stopped = Throws<OperationCanceledException>(() => model.Score("the", new[] { " low" }, ended));
        Is(((HearthException)stopped.InnerException).Status == Status.Cancelled && stopped.CancellationToken == ended, "with ours inside");
        var task = Model.OpenAsync(Operations.PathOf("tiny"), null, ended);
        Throws<OperationCanceledException>(() => task.GetAwaiter().GetResult());
        Is(task.IsCanceled, "the task is cancelled");
        using (var session = New())
        using (var soon = new CancellationTokenSource())
        {
            var options = Greedy(400);
            options.OnPiece = piece =>
            {
                soon.Cancel();
                return true;
            };
            Is(session.CompleteAsync("the low", options, soon.Token).GetAwaiter().GetResult().FinishReason == FinishReason.Cancelled, "so far");
            Is(session.StreamComplete("the low", Greedy(400), ended).Count() == 0, "nothing");
        }
    }

    static void Messages()
    {
        var said = new[] { new Message("user", "a \"quote\", a \\, a\nline, Örebro \u0001") };
        using (var session = New())
        {
            session.SetMessages(said);
            var back = (JsonObject)((List<object>)Json.Read(session.GetMessages()))[0];
            Is(back.Text("content") == said[0].Content && back.Text("role") == "user", "as said");
            Is(session.Chat(said, Greedy(2)).GeneratedTokens == 2 && session.UsedTokens > 0 && !session.IsBusy && session.ContextLength == 512, "answered");
        }
        Is(Operations.ModelOf("tiny").RenderChat(said).Contains("Örebro"), "rendered");
    }

    static void Nulls()
    {
        var model = Operations.ModelOf("tiny");
        Throws(Status.Usage, "", () => Model.Open(null));
        Throws(Status.Usage, "", () => model.Metadata(null));
        Throws(Status.Usage, "", () => model.Embed(null));
        Throws(Status.Usage, "", () => model.Embed(new string[] { null }));
        Throws(Status.Usage, "", () => model.Tokenize(null));
        Throws(Status.Usage, "", () => model.Score(null, new[] { "x" }));
        Throws(Status.Usage, "", () => model.Score("x", null));
        Throws(Status.Usage, "", () => model.Score("x", new string[] { null }));
        Throws(Status.Usage, "", () => model.ScoreTokens(null, 1));
        Throws(Status.Usage, "", () => model.RenderChat((string)null));
        Throws(Status.Usage, "", () => model.OpenAdapter(null));
        Throws(Status.Usage, "", () => Library.RenderTemplate(null, null));
        using (var session = New())
        {
            Throws(Status.Usage, "", () => session.CompleteTokens(null));
            Throws(Status.Usage, "", () => session.Complete(null));
            Throws(Status.Usage, "", () => session.Say(null));
            Throws(Status.Usage, "", () => session.Chat((string)null));
            Throws(Status.Usage, "", () => session.SetMessages((string)null));
            Throws(Status.Usage, "", () => session.Complete("x", new GenerationOptions { Stop = new string[] { null } }));
            Throws(Status.Usage, "", () => session.SetAdapters(new Adapter[] { null }));
        }
    }

    static void DoNotFit()
    {
        using (var session = New())
        {
            Throws(Status.Usage, "max_tokens", () => session.Complete("x", new GenerationOptions { MaxTokens = -1 }));
            Throws(Status.BadInput, "grammar", () => session.Complete("x", new GenerationOptions { Grammar = "root ::= \"\0\"" }));
            Throws(Status.BadInput, "messages holds half", () => session.Chat(new[] { new Message("user", "\ud800") }));
            Throws(Status.BadInput, "stop holds half", () => session.Complete("x", new GenerationOptions { Stop = new[] { "\ud800" } }));
            Throws(Status.Usage, "scales", () => session.SetAdapters(new Adapter[0], new[] { 1f }));
        }
        Throws(Status.BadInput, "path", () => Model.Open("a\0b"));
        Throws(Status.BadInput, "text holds half", () => Operations.ModelOf("tiny").Tokenize("\ud800"));
    }

    static void Forgotten()
    {
        var before = Mapped();
        Forget();
        for (var i = 0; i < 3000 && Mapped() > before; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            Thread.Sleep(20);
        }
        Is(Mapped() <= before, "the model's file is no longer mapped");
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    static void Forget()
    {
        var worker = new Thread(() => // with a stack of its own, which the collector no longer sees
        {
            for (var i = 0; i < 4; i++) Operations.Open("tiny-other").NewSession().Complete("the", Greedy(1));
        });
        worker.Start();
        worker.Join();
    }

    // A program that leaves a stream open, started by the test.
    public static int Leave(string path)
    {
        var session = Model.Open(path, new ModelOptions { ContextLength = 400000 }).NewSession();
        session.StreamComplete("the low", new GenerationOptions { Temperature = 0, IgnoreEnd = true }).GetEnumerator().MoveNext();
        return 7;
    }

    static void EndOfTheProcess()
    {
        var start = new ProcessStartInfo("mono", typeof(Own).Assembly.Location + " " + Operations.PathOf("tiny"))
        {
            UseShellExecute = false, RedirectStandardError = true,
        };
        using (var process = Process.Start(start))
        {
            var said = process.StandardError.ReadToEnd();
            process.WaitForExit();
            Is(process.ExitCode == 7 && said == "", process.ExitCode + ": " + said);
        }
    }

    static int Mapped() { return File.ReadLines("/proc/self/maps").Count(line => line.Contains("tiny-other.gguf")); }
}
