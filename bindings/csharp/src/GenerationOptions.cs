using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Linq;

namespace OpenHearth
{
    /// <summary>How one answer is written; null is the library's default. JSON is given as text.</summary>
    public sealed class GenerationOptions
    {
        /// <summary>Ends the answer after so many; 0: when it ends or the context is full.</summary>
        public int? MaxTokens { get; set; }
        /// <summary>0: always the likeliest token.</summary>
        public float? Temperature { get; set; }
        /// <summary>Draw from the so many likeliest; 0: all.</summary>
        public int? TopK { get; set; }
        /// <summary>Draw from the likeliest that make up so much; 1: all.</summary>
        public float? TopP { get; set; }
        /// <summary>Drop what is less likely than this times the likeliest; 0: nothing.</summary>
        public float? MinP { get; set; }
        /// <summary>Locally typical sampling; 1: off.</summary>
        public float? TypicalP { get; set; }
        /// <summary>1: off.</summary>
        public float? RepeatPenalty { get; set; }
        /// <summary>0: off.</summary>
        public float? FrequencyPenalty { get; set; }
        /// <summary>0: off.</summary>
        public float? PresencePenalty { get; set; }
        /// <summary>Last tokens that penalties look at; -1: all.</summary>
        public int? PenaltyWindow { get; set; }
        /// <summary>Draws the same answer again; 0: a new one each time.</summary>
        public ulong? Seed { get; set; }
        /// <summary>Special tokens in the text of Complete are those tokens, not their letters.</summary>
        public bool? ParseSpecial { get; set; }
        /// <summary>Control tokens appear in the text.</summary>
        public bool? SpecialText { get; set; }
        /// <summary>Go on past the end of the answer, to MaxTokens.</summary>
        public bool? IgnoreEnd { get; set; }
        /// <summary>Texts that end the answer and do not belong to it.</summary>
        [AllowNull, MaybeNull] public IEnumerable<string> Stop { get; set; }
        /// <summary>Added to the logits of tokens; minus infinity bans one.</summary>
        [AllowNull, MaybeNull] public IReadOnlyDictionary<int, float> LogitBias { get; set; }
        /// <summary>GBNF that the answer follows.</summary>
        [AllowNull, MaybeNull] public string Grammar { get; set; }
        /// <summary>JSON Schema: the answer is JSON of it. Not with a grammar.</summary>
        [AllowNull, MaybeNull] public string JsonSchema { get; set; }
        /// <summary>For Chat and Say: an array of tool definitions in OpenAI's form.</summary>
        [AllowNull, MaybeNull] public string Tools { get; set; }
        /// <summary>For Chat and Say: an object of what the template sees besides.</summary>
        [AllowNull, MaybeNull] public string TemplateVariables { get; set; }
        /// <summary>Hears the answer while it is written, on the thread of the call; false stops it.</summary>
        [AllowNull, MaybeNull] public Func<Piece, bool> OnPiece { get; set; }

        internal Native.GenerationOptions Fill(Memory memory)
        {
            HearthException.Check(Native.hearth_generation_options_init(out var o, Native.SizeOf<Native.GenerationOptions>(), out var error), error);
            if (MaxTokens is int most) o.MaxTokens = Numbers.Unsigned("max_tokens", most);
            o.Temperature = Temperature ?? o.Temperature;
            o.TopK = TopK ?? o.TopK;
            o.TopP = TopP ?? o.TopP;
            o.MinP = MinP ?? o.MinP;
            o.TypicalP = TypicalP ?? o.TypicalP;
            o.RepeatPenalty = RepeatPenalty ?? o.RepeatPenalty;
            o.FrequencyPenalty = FrequencyPenalty ?? o.FrequencyPenalty;
            o.PresencePenalty = PresencePenalty ?? o.PresencePenalty;
            o.PenaltyWindow = PenaltyWindow ?? o.PenaltyWindow;
            o.Seed = Seed ?? o.Seed;
            if (ParseSpecial is bool parse) o.ParseSpecial = Numbers.Flag(parse);
            if (SpecialText is bool special) o.SpecialText = Numbers.Flag(special);
            if (IgnoreEnd is bool ignore) o.IgnoreEnd = Numbers.Flag(ignore);
            if (Stop != null)
            {
                var texts = Stop.Select(text => Utf8.Whole(text, "stop")).ToArray();
                o.Stop = memory.Pointers(texts);
                o.StopCount = (UIntPtr)texts.Length;
            }
            if (LogitBias != null)
            {
                var biases = LogitBias.Select(one => new Native.LogitBias { Token = one.Key, Bias = one.Value }).ToArray();
                o.LogitBias = memory.Pin(biases);
                o.LogitBiasCount = (UIntPtr)biases.Length;
            }
            o.Grammar = memory.Whole(Grammar, "grammar");
            o.JsonSchema = memory.Whole(JsonSchema, "json_schema");
            o.Tools = memory.Whole(Tools, "tools");
            o.TemplateVariables = memory.Whole(TemplateVariables, "template_variables");
            return o;
        }

        internal GenerationOptions With(Func<Piece, bool> onPiece)
        {
            var copy = (GenerationOptions)MemberwiseClone();
            copy.OnPiece = onPiece;
            return copy;
        }
    }
}
