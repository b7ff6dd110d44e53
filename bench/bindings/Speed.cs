using System;
using System.Diagnostics;
using System.Globalization;
using OpenHearth;

static class Speed
{
    static void Main(string[] arguments)
    {
        int tokens = int.Parse(arguments[1]);
        double best = 0;
        using (var model = Model.Open(arguments[0]))
        using (var session = model.NewSession())
            for (int i = 0; i < 3; i++)
            {
                Stopwatch watch = null;
                foreach (var text in session.StreamComplete("Once upon a time", new GenerationOptions { Temperature = 0, IgnoreEnd = true, MaxTokens = tokens }))
                    watch = watch ?? Stopwatch.StartNew();
                best = Math.Max(best, (tokens - 1) / watch.Elapsed.TotalSeconds);
            }
        Console.WriteLine(best.ToString("F2", CultureInfo.InvariantCulture));
    }
}
