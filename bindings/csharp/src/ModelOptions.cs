using System;
using System.Diagnostics.CodeAnalysis;

namespace OpenHearth
{
    /// <summary>How sessions keep what they have read.</summary>
    public enum CacheType
    {
        /// <summary>Half precision.</summary>
        F16 = 0,
        /// <summary>Single precision.</summary>
        F32 = 1,
        /// <summary>About half of F16.</summary>
        Q8_0 = 2,
        /// <summary>About a quarter, less exact.</summary>
        Q4_0 = 3
    }

    /// <summary>How a model is opened; null is the library's default.</summary>
    public sealed class ModelOptions
    {
        /// <summary>Threads; 0: one a physical core.</summary>
        public int? Threads { get; set; }
        /// <summary>Tokens a session holds unless it says otherwise; 0: what the model was trained for.</summary>
        public int? ContextLength { get; set; }
        /// <summary>Prompt tokens that are computed at a time.</summary>
        public int? BatchTokens { get; set; }
        /// <summary>How sessions keep what they have read.</summary>
        public CacheType? CacheType { get; set; }
        /// <summary>Read the file while opening, so that the first prompt does not wait for the disk.</summary>
        public bool? Preload { get; set; }
        /// <summary>A full context goes on, half of its oldest tokens forgotten.</summary>
        public bool? Shift { get; set; }
        /// <summary>Do not estimate logits that cannot be drawn; slower.</summary>
        public bool? AllLogits { get; set; }
        /// <summary>Hears how far opening is, from 0 to 1; false stops it.</summary>
        [AllowNull, MaybeNull] public Func<double, bool> OnProgress { get; set; }

        internal Native.ModelOptions Fill()
        {
            HearthException.Check(Native.hearth_model_options_init(out var o, Native.SizeOf<Native.ModelOptions>(), out var error), error);
            if (Threads is int threads) o.Threads = Numbers.Unsigned("threads", threads);
            if (ContextLength is int context) o.ContextLength = Numbers.Unsigned("context_length", context);
            if (BatchTokens is int batch) o.BatchTokens = Numbers.Unsigned("batch_tokens", batch);
            o.CacheType = (int?)CacheType ?? o.CacheType;
            if (Preload is bool preload) o.Preload = Numbers.Flag(preload);
            if (Shift is bool shift) o.Shift = Numbers.Flag(shift);
            if (AllLogits is bool all) o.AllLogits = Numbers.Flag(all);
            return o;
        }
    }

    /// <summary>An open model.</summary>
    public sealed class ModelInfo
    {
        internal ModelInfo(Native.ModelInfo i)
        {
            ParameterCount = checked((long)i.ParameterCount);
            FileBytes = checked((long)i.FileBytes);
            ContextLength = checked((int)i.ContextLength);
            TrainedContext = checked((int)i.TrainedContext);
            VocabularySize = checked((int)i.VocabularySize);
            EmbeddingLength = checked((int)i.EmbeddingLength);
            LayerCount = checked((int)i.LayerCount);
            Threads = checked((int)i.Threads);
            BosToken = i.BosToken < 0 ? (int?)null : i.BosToken;
            EosToken = i.EosToken < 0 ? (int?)null : i.EosToken;
            IsEncoder = i.IsEncoder != 0;
            HasTokenizer = i.HasTokenizer != 0;
            HasChatTemplate = i.HasChatTemplate != 0;
        }

        /// <summary>Weights.</summary>
        public long ParameterCount { get; }
        /// <summary>Bytes of the file, of all its parts.</summary>
        public long FileBytes { get; }
        /// <summary>Tokens a session holds unless it says otherwise.</summary>
        public int ContextLength { get; }
        /// <summary>Tokens the model was trained for.</summary>
        public int TrainedContext { get; }
        /// <summary>Tokens of the vocabulary.</summary>
        public int VocabularySize { get; }
        /// <summary>Numbers in the vector of a token, or of a text.</summary>
        public int EmbeddingLength { get; }
        /// <summary>Layers.</summary>
        public int LayerCount { get; }
        /// <summary>Threads it computes with.</summary>
        public int Threads { get; }
        /// <summary>Begins a text; null where there is none.</summary>
        public int? BosToken { get; }
        /// <summary>Ends it; null where there is none.</summary>
        public int? EosToken { get; }
        /// <summary>Gives embeddings, and no text.</summary>
        public bool IsEncoder { get; }
        /// <summary>If not, it takes and gives tokens only.</summary>
        public bool HasTokenizer { get; }
        /// <summary>If not, Chat and Say do not work.</summary>
        public bool HasChatTemplate { get; }
    }
}
