using System;
using System.IO;
using OpenHearth;

static class Chat
{
    static void Main()
    {
        var home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        var path = Path.Combine(home, ".local/share/hearth/models/SmolLM2-135M-Instruct.Q4_1.gguf");
        using (var model = Model.Open(path))
        using (var session = model.NewSession())
        {
            var answer = session.StreamSay("What is the capital of France?", new GenerationOptions { Temperature = 0, MaxTokens = 40 });
            foreach (var text in answer) Console.Write(text);
            Console.WriteLine("\n" + answer.Result.GeneratedTokens + " tokens, " + answer.Result.FinishReason);
        }
    }
}
