using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.InteropServices;
using System.Text;

namespace OpenHearth
{
    /// <summary>Text between .NET and C.</summary>
    internal static class Utf8
    {
        static readonly Encoding strict = new UTF8Encoding(false, true);

        /// <summary>UTF-8 and a NUL, for calls that are told the length: <see cref="Length"/>.</summary>
        internal static byte[] Text(string text, string name)
        {
            if (text == null) throw HearthException.Usage(name + " is null");
            try
            {
                var bytes = new byte[strict.GetByteCount(text) + 1];
                strict.GetBytes(text, 0, text.Length, bytes, 0);
                return bytes;
            }
            catch (EncoderFallbackException) { throw new HearthException(Status.BadInput, name + " holds half a surrogate pair"); }
        }

        internal static UIntPtr Length(byte[] text) { return (UIntPtr)((ulong)text.Length - 1); }

        /// <summary>The same for calls that read to the first NUL: one inside would cut the text short. Null of null.</summary>
        internal static byte[] Whole(string text, string name)
        {
            if (text != null && text.IndexOf('\0') >= 0) throw new HearthException(Status.BadInput, name + " has a NUL in it");
            return text == null ? null : Text(text, name);
        }

        internal static byte[] Bytes(IntPtr memory, UIntPtr length)
        {
            var bytes = new byte[checked((int)(ulong)length)];
            if (bytes.Length > 0) Marshal.Copy(memory, bytes, 0, bytes.Length);
            return bytes;
        }

        internal static string Read(IntPtr text, UIntPtr length) { return Encoding.UTF8.GetString(Bytes(text, length)); }

        internal static string Read(IntPtr text)
        {
            if (text == IntPtr.Zero) return null;
            uint length = 0;
            while (Marshal.ReadByte(text, (int)length) != 0) length++;
            return Read(text, (UIntPtr)length);
        }

        /// <summary>Copies what the library gave, and gives it back.</summary>
        internal static string Take(IntPtr text)
        {
            try { return Read(text); }
            finally { Native.hearth_free(text); }
        }

        internal static byte[] Take(IntPtr bytes, UIntPtr length)
        {
            try { return Bytes(bytes, length); }
            finally { Native.hearth_free(bytes); }
        }

        internal static int[] Tokens(IntPtr tokens, UIntPtr count)
        {
            var copied = new int[checked((int)(ulong)count)];
            if (copied.Length > 0) Marshal.Copy(tokens, copied, 0, copied.Length);
            return copied;
        }
    }

    /// <summary>What a call's structs point to: held in place until disposed.</summary>
    internal sealed class Memory : IDisposable
    {
        readonly List<GCHandle> pinned = new List<GCHandle>();

        internal IntPtr Pin(object array)
        {
            if (array == null) return IntPtr.Zero;
            var handle = GCHandle.Alloc(array, GCHandleType.Pinned);
            pinned.Add(handle);
            return handle.AddrOfPinnedObject();
        }

        internal IntPtr Whole(string text, string name) { return Pin(Utf8.Whole(text, name)); }

        /// <summary>An array of pointers to NUL-terminated texts.</summary>
        internal IntPtr Pointers(IEnumerable<byte[]> texts) { return Pin(texts.Select(text => Pin(text)).ToArray()); }

        public void Dispose()
        {
            foreach (var handle in pinned) handle.Free();
            pinned.Clear();
        }
    }

    /// <summary>Numbers that C has without a sign.</summary>
    internal static class Numbers
    {
        internal static uint Unsigned(string name, int value)
        {
            if (value < 0) throw HearthException.Usage(name + " is " + value + ": it cannot be negative");
            return (uint)value;
        }

        internal static int Flag(bool on) { return on ? 1 : 0; }
    }

    /// <summary>A handle that is closed once: when told, or when it is collected. Calls take its number, so that one may be
    /// closed while another thread, or its own callback, uses it: the library sees to that, and names what is closed.</summary>
    internal sealed class Handle : SafeHandle
    {
        readonly Action<IntPtr> close;

        internal Handle(IntPtr number, Action<IntPtr> close) : base(IntPtr.Zero, true)
        {
            this.close = close;
            SetHandle(number);
        }

        internal IntPtr Number { get { return handle; } }

        public override bool IsInvalid { get { return handle == IntPtr.Zero; } }

        protected override bool ReleaseHandle()
        {
            close(handle);
            return true;
        }
    }
}
