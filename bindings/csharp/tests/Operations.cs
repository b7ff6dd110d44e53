using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Threading;
using OpenHearth;

/// <summary>The operations of bindings/conformance/README.md.</summary>
static class Operations
{
    public static readonly string Folder = Environment.GetEnvironmentVariable("HEARTH_CONFORMANCE");
    static readonly Dictionary<string, Model> models = new Dictionary<string, Model>();

    public static string PathOf(string name) { return Path.Combine(Folder, name + ".gguf"); }

    public static readonly Dictionary<string, Func<string, JsonObject, JsonObject>> All = new Dictionary<string, Func<string, JsonObject, JsonObject>>
    {
        { "library", (model, a) => new JsonObject { { "version", Library.Version }, { "level_is_known", Library.CpuLevels.Contains(Library.ActiveCpuLevel) } } },
        { "open", OpenAnew },
        { "metadata", (model, a) => new JsonObject { { "value", Json.Read(ModelOf(model).Metadata(a.Text("key"))) } } },
        { "all_metadata", (model, a) => new JsonObject {
            { "count", ModelOf(model).MetadataKeys.Count }, { "keys", ModelOf(model).MetadataKeys },
            { "summary", Json.Read(ModelOf(model).MetadataSummary(a.Number("most_elements"))) } } },
        { "tokenize", (model, a) => new JsonObject {
            { "tokens", ModelOf(model).Tokenize(a.Text("text"), a.Truth("add_special", true), a.Truth("parse_special")) },
            { "count", ModelOf(model).CountTokens(a.Text("text"), a.Truth("add_special", true), a.Truth("parse_special")) } } },
        { "detokenize", (model, a) => new JsonObject { { "text", ModelOf(model).Detokenize(a.Tokens("tokens"), a.Truth("special")) } } },
        { "token_bytes", (model, a) => new JsonObject { { "bytes", ModelOf(model).TokenBytes(a.Number("token")) } } },
        { "render_chat", (model, a) => new JsonObject { { "text", ModelOf(model).RenderChat(a.Json("messages"), a.Json("tools"), a.Json("variables")) } } },
        { "render_template", (model, a) => new JsonObject { { "text", Library.RenderTemplate(a.Text("source"), a.Json("context")) } } },
        { "generate", Generate },
        { "conversation", Conversation },
        { "score", (model, a) => Likelihoods(ModelOf(model).Score(a.Text("context"), a.Texts("continuations"))) },
        { "score_tokens", (model, a) => Likelihoods(ModelOf(model).ScoreTokens(a.Tokens("tokens"), a.Number("start"))) },
        { "embed", Embed },
        { "busy", Busy },
        { "closed", Closed },
        { "outlives", Outlives },
        { "together", Together },
        { "other_adapter", OtherAdapter },
        { "cycles", Cycles },
        { "estimates", Estimates },
    };

    public static Model Open(string name, JsonObject options = null, Func<double, bool> progress = null, CancellationToken stop = default(CancellationToken))
    {
        var settings = new ModelOptions { ContextLength = 512, Threads = 2, OnProgress = progress };
        foreach (var one in options ?? new JsonObject())
            switch (one.Key)
            {
                case "context_length": settings.ContextLength = (int)(double)one.Value; break;
                case "threads": settings.Threads = (int)(double)one.Value; break;
                case "batch_tokens": settings.BatchTokens = (int)(double)one.Value; break;
                case "preload": settings.Preload = (bool)one.Value; break;
                case "shift": settings.Shift = (bool)one.Value; break;
                case "all_logits": settings.AllLogits = (bool)one.Value; break;
                case "cache_type": settings.CacheType = (CacheType)Enum.Parse(typeof(CacheType), (string)one.Value, true); break;
                default: throw new ArgumentException("no model option " + one.Key);
            }
        return Model.Open(PathOf(name), settings, stop);
    }

    public static Model ModelOf(string name)
    {
        if (!models.ContainsKey(name)) models[name] = Open(name);
        return models[name];
    }

    static GenerationOptions Options(JsonObject arguments)
    {
        var given = arguments.Object("options");
        var o = new GenerationOptions();
        foreach (var one in given)
        {
            var number = (float)(one.Value as double? ?? 0);
            switch (one.Key)
            {
                case "max_tokens": o.MaxTokens = given.Number(one.Key); break;
                case "temperature": o.Temperature = number; break;
                case "top_k": o.TopK = given.Number(one.Key); break;
                case "top_p": o.TopP = number; break;
                case "min_p": o.MinP = number; break;
                case "typical_p": o.TypicalP = number; break;
                case "repeat_penalty": o.RepeatPenalty = number; break;
                case "frequency_penalty": o.FrequencyPenalty = number; break;
                case "presence_penalty": o.PresencePenalty = number; break;
                case "penalty_window": o.PenaltyWindow = given.Number(one.Key); break;
                case "seed": o.Seed = (ulong)(double)one.Value; break;
                case "parse_special": o.ParseSpecial = (bool)one.Value; break;
                case "special_text": o.SpecialText = (bool)one.Value; break;
                case "ignore_end": o.IgnoreEnd = (bool)one.Value; break;
                case "stop": o.Stop = given.Texts(one.Key); break;
                case "grammar": o.Grammar = (string)one.Value; break;
                case "json_schema": o.JsonSchema = given.Json(one.Key); break;
                case "tools": o.Tools = given.Json(one.Key); break;
                case "template_variables": o.TemplateVariables = given.Json(one.Key); break;
                case "logit_bias":
                    o.LogitBias = given.Object(one.Key).ToDictionary(bias => int.Parse(bias.Key),
                        bias => bias.Value is double by ? (float)by : float.NegativeInfinity);
                    break;
                default: throw new ArgumentException("no generation option " + one.Key);
            }
        }
        return o;
    }

    static Result GenerateIn(Session session, JsonObject a, Func<Piece, bool> hear = null, CancellationToken stop = default(CancellationToken))
    {
        var options = Options(a);
        options.OnPiece = hear;
        if (a.Has("messages")) return session.Chat(a.Json("messages"), options, stop);
        if (a.Has("tokens")) return session.CompleteTokens(a.Tokens("tokens"), options, stop);
        return session.Complete(a.Text("prompt"), options, stop);
    }

    static JsonObject ResultOf(Result r)
    {
        return new JsonObject {
            { "text", r.Text }, { "tokens", r.Tokens }, { "finish_reason", r.FinishReason.ToString().ToLowerInvariant() }, { "stop_text", r.StopText },
            { "seed", r.Seed }, { "prompt_tokens", r.PromptTokens }, { "cached_tokens", r.CachedTokens }, { "generated_tokens", r.GeneratedTokens } };
    }

    static JsonObject OpenAnew(string name, JsonObject a)
    {
        var fractions = new List<double>();
        using (var stop = new CancellationTokenSource())
        {
            if (a.Text("cancel") == "cancellation") stop.Cancel();
            using (var model = Open(name, a.Object("options"), fraction =>
            {
                fractions.Add(fraction);
                return a.Text("cancel") != "progress";
            }, stop.Token))
            {
                var i = model.Info;
                return new JsonObject {
                    { "parameter_count", i.ParameterCount }, { "file_bytes", i.FileBytes }, { "context_length", i.ContextLength },
                    { "trained_context", i.TrainedContext }, { "vocabulary_size", i.VocabularySize }, { "embedding_length", i.EmbeddingLength },
                    { "layer_count", i.LayerCount }, { "threads", i.Threads }, { "bos_token", i.BosToken }, { "eos_token", i.EosToken },
                    { "is_encoder", i.IsEncoder }, { "has_tokenizer", i.HasTokenizer }, { "has_chat_template", i.HasChatTemplate },
                    { "progress_rises", fractions.SequenceEqual(fractions.OrderBy(fraction => fraction)) }, { "progress_ends", fractions.Last() } };
            }
        }
    }

    static JsonObject Generate(string name, JsonObject a)
    {
        var model = ModelOf(name);
        var how = a.Object("cancel").Text("how");
        using (var stop = new CancellationTokenSource())
        using (var session = model.NewSession(contextLength: a.Number("context_length")))
        {
            var adapters = a.List("adapters").Cast<JsonObject>().ToList();
            if (a.Has("adapters"))
                session.SetAdapters(adapters.Select(one => model.OpenAdapter(PathOf(one.Text("model")))), adapters.Select(one => (float)(double)one["scale"]));
            if (how == "before") stop.Cancel();
            var texts = new HashSet<string>();
            Result result;
            string joined;
            var rounds = 0;
            do
            {
                joined = "";
                var heard = 0;
                result = GenerateIn(session, a, piece =>
                {
                    joined += piece.Text;
                    if (++heard != a.Object("cancel").Number("after")) return true;
                    switch (how)
                    {
                        case "session": session.Cancel(); break;
                        case "cancellation": stop.Cancel(); break;
                        case "close": session.Dispose(); break;
                        case "thread":
                            var other = new Thread(session.Cancel);
                            other.Start();
                            other.Join();
                            break;
                    }
                    return how != "callback";
                }, stop.Token);
                texts.Add(result.Text);
            } while (++rounds < a.Number("repeat"));
            var o = ResultOf(result);
            o.Add("streamed", joined == result.Text);
            o.Add("same", texts.Count == 1);
            return o;
        }
    }

    static JsonObject Conversation(string name, JsonObject a)
    {
        using (var session = ModelOf(name).NewSession(a.Text("system")))
        {
            if (a.Has("messages")) session.SetMessages(a.Json("messages"));
            var answers = a.Texts("turns").Select(turn => session.Say(turn, Options(a)).Text).ToList();
            if (a.Truth("reset")) session.Reset();
            return new JsonObject { { "answers", answers }, { "messages", Json.Read(session.GetMessages()) } };
        }
    }

    static JsonObject Likelihoods(params Likelihood[] found)
    {
        return new JsonObject { { "likelihoods", found.Select(one => new JsonObject {
            { "log_likelihood", one.LogLikelihood }, { "token_count", one.TokenCount }, { "greedy", one.Greedy } }).ToList() } };
    }

    static JsonObject Embed(string name, JsonObject a)
    {
        var o = a.Object("options");
        var settings = new EmbedOptions { Prefix = o.Text("prefix"), OnProgress = fraction => a.Text("cancel") != "progress" };
        if (o.Has("dimensions")) settings.Dimensions = o.Number("dimensions");
        if (o.Has("normalise")) settings.Normalise = o.Truth("normalise");
        if (o.Has("long_text")) settings.LongText = (LongText)Enum.Parse(typeof(LongText), o.Text("long_text"), true);
        using (var stop = new CancellationTokenSource())
        {
            if (a.Text("cancel") == "cancellation") stop.Cancel();
            var found = ModelOf(name).Embed(a.Texts("texts"), settings, stop.Token);
            Func<float[], float[], double> product = (left, right) => left.Zip(right, (x, y) => (double)x * y).Sum();
            return new JsonObject {
                { "count", found.Vectors.Count }, { "width", found.Vectors[0].Length }, { "prompt_tokens", found.PromptTokens },
                { "beginnings", found.Vectors.Select(vector => vector.Take(4).ToList()).ToList() },
                { "lengths", found.Vectors.Select(vector => Math.Sqrt(product(vector, vector))).ToList() },
                { "products", found.Vectors.Select(vector => product(found.Vectors[0], vector)).ToList() } };
        }
    }

    static JsonObject Busy(string name, JsonObject a)
    {
        using (var session = ModelOf(name).NewSession())
        {
            JsonObject inner = null;
            var outer = GenerateIn(session, a, piece =>
            {
                if (inner != null) return true;
                try { inner = ResultOf(GenerateIn(session, a)); }
                catch (HearthException fault) { inner = Conformance.Failure(fault); }
                return true;
            });
            return new JsonObject { { "inner", inner }, { "outer", ResultOf(outer) } };
        }
    }

    static JsonObject Closed(string name, JsonObject a)
    {
        using (var model = Open(name))
        using (var session = model.NewSession())
        using (var adapter = model.OpenAdapter(PathOf("tiny-adapter")))
            switch (a.Text("what"))
            {
                case "model":
                    model.Dispose();
                    model.Tokenize("x");
                    break;
                case "model_twice":
                    model.Dispose();
                    model.Dispose();
                    return new JsonObject { { "harmless", true } };
                case "session":
                    session.Dispose();
                    session.Complete("x");
                    break;
                default:
                    adapter.Dispose();
                    session.SetAdapters(adapter);
                    break;
            }
        return new JsonObject();
    }

    static JsonObject Outlives(string name, JsonObject a)
    {
        var model = Open(name);
        using (var session = model.NewSession())
        {
            model.Dispose();
            return new JsonObject { { "text", GenerateIn(session, a).Text } };
        }
    }

    static JsonObject Together(string name, JsonObject a)
    {
        var all = a.Texts("prompts").Select(prompt => new { prompt, session = ModelOf(name).NewSession() }).ToList();
        var tasks = all.Select(one => one.session.CompleteAsync(one.prompt, Options(a))).ToList();
        var texts = tasks.Select(task => task.GetAwaiter().GetResult().Text).ToList();
        foreach (var one in all) one.session.Dispose();
        return new JsonObject { { "texts", texts } };
    }

    static JsonObject OtherAdapter(string name, JsonObject a)
    {
        ModelOf(name).OpenAdapter(PathOf(a.Text("adapter"))).Dispose();
        return new JsonObject();
    }

    static JsonObject Cycles(string name, JsonObject a)
    {
        long warm = 0;
        var count = a.Number("count");
        for (var i = 1; i <= count; i++)
        {
            using (var model = Open(name))
            using (var session = model.NewSession()) GenerateIn(session, a);
            if (i == count / 4) warm = Resident();
        }
        return new JsonObject { { "flat", Resident() - warm <= a.Number("growth") } };
    }

    static JsonObject Estimates(string name, JsonObject a)
    {
        using (var model = Open(name, a.Has("model_options") ? (JsonObject)a["model_options"] : null))
        using (var session = model.NewSession())
        {
            var before = Private();
            GenerateIn(session, a);
            return new JsonObject { { "grown", Private() - before > a.Number("growth") } };
        }
    }

    static long Resident(int field = 1) { return long.Parse(File.ReadAllText("/proc/self/statm").Split(' ')[field]) * Environment.SystemPageSize; }

    static long Private() { return Resident() - Resident(2); } // without mapped files
}
