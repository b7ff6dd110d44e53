using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Linq;
using System.Runtime.InteropServices;

namespace OpenHearth
{
    /// <summary>One conversation with a model, or one text, and what was computed of it. It does one thing at a time:
    /// <see cref="Status.Busy"/> otherwise.</summary>
    public sealed partial class Session : IDisposable
    {
        readonly Handle handle;

        internal Session(IntPtr number) { handle = new Handle(number, Native.hearth_session_close); }

        HandleRef Self { get { return new HandleRef(this, handle.Number); } }

        /// <summary>Cancels what runs in the session and releases it. Again is harmless.</summary>
        public void Dispose() { handle.Dispose(); }

        /// <summary>Ends the generation that runs in the session, from whatever thread.</summary>
        public void Cancel() { Native.hearth_session_cancel(Self); }

        Native.SessionInfo Info
        {
            get
            {
                var info = new Native.SessionInfo { StructSize = Native.SizeOf<Native.SessionInfo>() };
                HearthException.Check(Native.hearth_session_get_info(Self, ref info, out var error), error);
                return info;
            }
        }

        /// <summary>Tokens it can hold.</summary>
        public int ContextLength { get { return checked((int)Info.ContextLength); } }

        /// <summary>Tokens it holds; while it is busy, those before.</summary>
        public int UsedTokens { get { return checked((int)Info.UsedTokens); } }

        /// <summary>Whether a call is using it.</summary>
        public bool IsBusy { get { return Info.Busy != 0; } }

        /// <summary>The conversation as JSON, the system message first where there is one.</summary>
        public string GetMessages()
        {
            HearthException.Check(Native.hearth_session_messages(Self, out var json, out var error), error);
            return Utf8.Take(json);
        }

        /// <summary>Replaces the conversation, system message and all: a JSON array.</summary>
        public void SetMessages(string json)
        {
            HearthException.Check(Native.hearth_session_set_messages(Self, Utf8.Whole(json, "messages"), out var error), error);
        }

        /// <summary>The same for messages of role and content.</summary>
        public void SetMessages(IEnumerable<Message> messages) { SetMessages(Message.Json(messages)); }

        /// <summary>Sets the system message; null or "": none.</summary>
        public void SetSystem([AllowNull] string text)
        {
            HearthException.Check(Native.hearth_session_set_system(Self, Utf8.Whole(text, "system"), out var error), error);
        }

        /// <summary>Forgets the conversation, but for its system message, and all that was computed.</summary>
        public void Reset() { HearthException.Check(Native.hearth_session_reset(Self, out var error), error); }

        /// <summary>What the session computes from now on is with these, each at full scale; none: without.</summary>
        public void SetAdapters(params Adapter[] adapters) { SetAdapters(adapters, null); }

        /// <summary>The same, each with its scale.</summary>
        public void SetAdapters([AllowNull] IEnumerable<Adapter> adapters, [AllowNull] IEnumerable<float> scales)
        {
            var all = (adapters ?? new Adapter[0]).ToArray();
            var by = scales?.ToArray();
            if (by != null && by.Length != all.Length) throw HearthException.Usage(all.Length + " adapters, but " + by.Length + " scales");
            var numbers = all.Select(one => one == null ? IntPtr.Zero : one.Number).ToArray();
            HearthException.Check(Native.hearth_session_set_adapters(Self, numbers, by, (UIntPtr)all.Length, out var error), error);
            GC.KeepAlive(all);
        }
    }
}
