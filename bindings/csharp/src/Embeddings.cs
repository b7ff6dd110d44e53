using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Linq;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;

namespace OpenHearth
{
    /// <summary>What becomes of a text that is longer than the model reads at once.</summary>
    public enum LongText
    {
        /// <summary>An error, with the numbers.</summary>
        Refuse = 0,
        /// <summary>Its beginning counts.</summary>
        Truncate = 1,
        /// <summary>Its pieces are embedded one by one, the mean of their vectors is taken.</summary>
        Mean = 2
    }

    /// <summary>How texts are embedded; null is the library's default.</summary>
    public sealed class EmbedOptions
    {
        /// <summary>Put before each text, as it stands.</summary>
        [AllowNull, MaybeNull] public string Prefix { get; set; }
        /// <summary>Keep the first so many numbers, for models made for it; 0: all.</summary>
        public int? Dimensions { get; set; }
        /// <summary>What becomes of a long text.</summary>
        public LongText? LongText { get; set; }
        /// <summary>To length 1, which is the default.</summary>
        public bool? Normalise { get; set; }
        /// <summary>Hears how far it is, from 0 to 1; false stops it.</summary>
        [AllowNull, MaybeNull] public Func<double, bool> OnProgress { get; set; }

        internal Native.EmbedOptions Fill(Memory memory)
        {
            HearthException.Check(Native.hearth_embed_options_init(out var o, Native.SizeOf<Native.EmbedOptions>(), out var error), error);
            o.Prefix = memory.Whole(Prefix, "prefix");
            if (Dimensions is int dimensions) o.Dimensions = Numbers.Unsigned("dimensions", dimensions);
            o.LongText = (int?)LongText ?? o.LongText;
            if (Normalise is bool normalise) o.Normalise = Numbers.Flag(normalise);
            return o;
        }
    }

    /// <summary>One vector a text, in their order.</summary>
    public sealed class Embeddings
    {
        internal Embeddings(IntPtr found)
        {
            var e = (Native.Embeddings)Marshal.PtrToStructure(found, typeof(Native.Embeddings));
            var vectors = new float[checked((int)(ulong)e.Count)][];
            var width = checked((int)(ulong)e.Width);
            for (var i = 0; i < vectors.Length; i++)
            {
                vectors[i] = new float[width];
                Marshal.Copy(new IntPtr(e.Values.ToInt64() + (long)i * width * sizeof(float)), vectors[i], 0, width);
            }
            Vectors = vectors;
            PromptTokens = checked((int)(ulong)e.PromptTokens);
        }

        /// <summary>The vectors.</summary>
        public IReadOnlyList<float[]> Vectors { get; }
        /// <summary>Tokens of all texts.</summary>
        public int PromptTokens { get; }
    }

    public sealed partial class Model
    {
        /// <summary>Turns texts to vectors, with an embedding model.</summary>
        public Embeddings Embed(IEnumerable<string> texts, [AllowNull] EmbedOptions options = null, CancellationToken cancellation = default(CancellationToken))
        {
            if (texts == null) throw HearthException.Usage("texts is null");
            var bytes = texts.Select(text => Utf8.Text(text, "a text")).ToArray();
            using (var memory = new Memory())
            using (var heard = new Listener<double>(options?.OnProgress))
            using (var stop = new Cancellation(cancellation))
            {
                var o = (options ?? new EmbedOptions()).Fill(memory);
                if (heard.Listens) o.OnProgress = Callbacks.Progress;
                o.User = heard.User;
                o.Cancellation = stop.Handle;
                var status = Native.hearth_embed(Self, memory.Pointers(bytes), bytes.Select(Utf8.Length).ToArray(), (UIntPtr)bytes.Length,
                    ref o, out var found, out var error);
                try
                {
                    heard.Rethrow();
                    HearthException.Check(status, error, cancellation);
                    return new Embeddings(found);
                }
                finally { Native.hearth_embeddings_free(found); }
            }
        }

        /// <summary>The same on a thread of its own.</summary>
        public Task<Embeddings> EmbedAsync(IEnumerable<string> texts, [AllowNull] EmbedOptions options = null, CancellationToken cancellation = default(CancellationToken))
        {
            return Background.Run(() => Embed(texts, options, cancellation), cancellation);
        }
    }
}
