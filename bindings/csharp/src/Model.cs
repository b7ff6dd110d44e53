using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Linq;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace OpenHearth
{
    /// <summary>A model file, opened; immutable, and for several threads at once. Sessions and adapters outlive it.</summary>
    public sealed partial class Model : IDisposable
    {
        readonly Handle handle;

        Model(IntPtr number) { handle = new Handle(number, Native.hearth_model_close); }

        internal HandleRef Self { get { return new HandleRef(this, handle.Number); } }

        /// <summary>Opens a GGUF file (the first part of a split one).</summary>
        public static Model Open(string path, [AllowNull] ModelOptions options = null, CancellationToken cancellation = default(CancellationToken))
        {
            var o = (options ?? new ModelOptions()).Fill();
            using (var heard = new Listener<double>(options?.OnProgress))
            using (var stop = new Cancellation(cancellation))
            {
                if (heard.Listens) o.OnProgress = Callbacks.Progress;
                o.User = heard.User;
                o.Cancellation = stop.Handle;
                var status = Native.hearth_model_open(Utf8.Whole(path, "path"), ref o, out var number, out var error);
                var model = status == Status.Ok ? new Model(number) : null;
                heard.Rethrow();
                HearthException.Check(status, error, cancellation);
                return model;
            }
        }

        /// <summary>The same on a thread of its own.</summary>
        public static Task<Model> OpenAsync(string path, [AllowNull] ModelOptions options = null, CancellationToken cancellation = default(CancellationToken))
        {
            return Background.Run(() => Open(path, options, cancellation), cancellation);
        }

        /// <summary>Releases the model once its sessions are disposed too. Again is harmless.</summary>
        public void Dispose() { handle.Dispose(); }

        /// <summary>What it is.</summary>
        public ModelInfo Info
        {
            get
            {
                var info = new Native.ModelInfo { StructSize = Native.SizeOf<Native.ModelInfo>() };
                HearthException.Check(Native.hearth_model_get_info(Self, ref info, out var error), error);
                return new ModelInfo(info);
            }
        }

        /// <summary>The keys of the file's metadata, in its order.</summary>
        public IReadOnlyList<string> MetadataKeys
        {
            get
            {
                HearthException.Check(Native.hearth_model_metadata_count(Self, out var count, out var error), error);
                var keys = new string[checked((int)(ulong)count)];
                for (var i = 0; i < keys.Length; i++)
                {
                    HearthException.Check(Native.hearth_model_metadata_key(Self, (UIntPtr)(uint)i, out var key, out error), error);
                    keys[i] = Utf8.Take(key);
                }
                return keys;
            }
        }

        /// <summary>The value of a key, as JSON.</summary>
        public string Metadata(string key)
        {
            HearthException.Check(Native.hearth_model_metadata_get(Self, Utf8.Whole(key, "key"), out var json, out var error), error);
            return Utf8.Take(json);
        }

        /// <summary>All metadata as one JSON object; an array of more than so many elements is {"length", "first"}; 0: whole.</summary>
        public string MetadataSummary(int mostElements)
        {
            var most = (UIntPtr)Numbers.Unsigned("most_elements", mostElements);
            HearthException.Check(Native.hearth_model_metadata_json(Self, most, out var json, out var error), error);
            return Utf8.Take(json);
        }

        static uint Flags(bool addSpecial, bool parseSpecial) { return (addSpecial ? 1u : 0) | (parseSpecial ? 2u : 0); }

        /// <summary>Text to tokens.</summary>
        /// <param name="text">Any text.</param>
        /// <param name="addSpecial">BOS, EOS and their like, where the model's file asks for them.</param>
        /// <param name="parseSpecial">"&lt;|im_end|&gt;" in the text is that token, not its letters.</param>
        public int[] Tokenize(string text, bool addSpecial = true, bool parseSpecial = false)
        {
            var bytes = Utf8.Text(text, "text");
            HearthException.Check(Native.hearth_tokenize(Self, bytes, Utf8.Length(bytes), Flags(addSpecial, parseSpecial),
                out var tokens, out var count, out var error), error);
            try { return Utf8.Tokens(tokens, count); }
            finally { Native.hearth_free(tokens); }
        }

        /// <summary>How many they are.</summary>
        public int CountTokens(string text, bool addSpecial = true, bool parseSpecial = false)
        {
            var bytes = Utf8.Text(text, "text");
            HearthException.Check(Native.hearth_count_tokens(Self, bytes, Utf8.Length(bytes), Flags(addSpecial, parseSpecial),
                out var count, out var error), error);
            return checked((int)(ulong)count);
        }

        /// <summary>Tokens to text; control tokens are left out unless special.</summary>
        public string Detokenize(IEnumerable<int> tokens, bool special = false)
        {
            var array = tokens?.ToArray();
            HearthException.Check(Native.hearth_detokenize(Self, array, (UIntPtr)(array?.Length ?? 0), Numbers.Flag(special),
                out var text, out var length, out var error), error);
            return Encoding.UTF8.GetString(Utf8.Take(text, length));
        }

        /// <summary>The bytes one token stands for; perhaps a part of a character.</summary>
        public byte[] TokenBytes(int token)
        {
            HearthException.Check(Native.hearth_token_bytes(Self, token, out var bytes, out var length, out var error), error);
            return Utf8.Take(bytes, length);
        }

        /// <summary>The text that the model's template makes of a conversation, all JSON.</summary>
        /// <param name="messages">An array of messages.</param>
        /// <param name="tools">An array of tool definitions in OpenAI's form, or null.</param>
        /// <param name="variables">An object of what the template sees besides, or null.</param>
        public string RenderChat(string messages, [AllowNull] string tools = null, [AllowNull] string variables = null)
        {
            HearthException.Check(Native.hearth_render_chat(Self, Utf8.Whole(messages, "messages"), Utf8.Whole(tools, "tools"),
                Utf8.Whole(variables, "variables"), out var text, out var length, out var error), error);
            return Encoding.UTF8.GetString(Utf8.Take(text, length));
        }

        /// <summary>The same for messages of role and content.</summary>
        public string RenderChat(IEnumerable<Message> messages, [AllowNull] string tools = null, [AllowNull] string variables = null)
        {
            return RenderChat(Message.Json(messages), tools, variables);
        }

        /// <summary>Opens a session: one conversation, or one text.</summary>
        /// <param name="system">The conversation's system message, or null.</param>
        /// <param name="contextLength">Tokens it holds; 0: the model's.</param>
        public Session NewSession([AllowNull] string system = null, int contextLength = 0)
        {
            HearthException.Check(Native.hearth_session_options_init(out var o, Native.SizeOf<Native.SessionOptions>(), out var error), error);
            o.ContextLength = Numbers.Unsigned("context_length", contextLength);
            HearthException.Check(Native.hearth_session_open(Self, ref o, out var number, out error), error);
            var session = new Session(number);
            try { if (!string.IsNullOrEmpty(system)) session.SetSystem(system); }
            catch
            {
                session.Dispose();
                throw;
            }
            return session;
        }

        /// <summary>Opens a LoRA adapter in GGUF for this model.</summary>
        public Adapter OpenAdapter(string path)
        {
            HearthException.Check(Native.hearth_adapter_open(Self, Utf8.Whole(path, "path"), out var number, out var error), error);
            return new Adapter(number);
        }
    }

    /// <summary>A LoRA adapter, opened for one model: see Session.SetAdapters.</summary>
    public sealed class Adapter : IDisposable
    {
        readonly Handle handle;

        internal Adapter(IntPtr number) { handle = new Handle(number, Native.hearth_adapter_close); }

        internal IntPtr Number { get { return handle.Number; } }

        /// <summary>Sessions that use it go on. Again is harmless.</summary>
        public void Dispose() { handle.Dispose(); }
    }
}
