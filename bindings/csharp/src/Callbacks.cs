using System;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Threading;

namespace OpenHearth
{
    /// <summary>What one call hears from the library. C gets one of two functions that live as long as the process, and this
    /// object as their `user`. An exception of the listener stops the call and is thrown again once C has returned.</summary>
    internal sealed class Listener<T> : IDisposable
    {
        readonly Func<T, bool> hear;
        GCHandle self;
        ExceptionDispatchInfo thrown;

        internal Listener(Func<T, bool> hear)
        {
            this.hear = hear;
            if (hear != null) self = GCHandle.Alloc(this);
        }

        internal bool Listens { get { return hear != null; } }

        internal IntPtr User { get { return Listens ? GCHandle.ToIntPtr(self) : IntPtr.Zero; } }

        internal static int Tell(IntPtr user, Func<T> what)
        {
            var listener = (Listener<T>)GCHandle.FromIntPtr(user).Target;
            try { return listener.hear(what()) ? 0 : 1; }
            catch (Exception exception)
            {
                listener.thrown = ExceptionDispatchInfo.Capture(exception);
                return 1;
            }
        }

        internal void Rethrow() { if (thrown != null) thrown.Throw(); }

        public void Dispose() { if (Listens) self.Free(); }
    }

    internal static class Callbacks
    {
        internal static readonly Native.OnPiece Piece = (text, length, token, user) =>
            Listener<Piece>.Tell(user, () => new Piece(Utf8.Read(text, length), token));

        static readonly Native.OnProgress progress = (fraction, user) => Listener<double>.Tell(user, () => fraction);

        internal static readonly IntPtr Progress = Marshal.GetFunctionPointerForDelegate(progress);
    }

    /// <summary>A CancellationToken, as the library wants it, for one call.</summary>
    internal sealed class Cancellation : IDisposable
    {
        readonly CancellationTokenRegistration registration;

        internal Cancellation(CancellationToken token)
        {
            if (!token.CanBeCanceled) return;
            HearthException.Check(Native.hearth_cancellation_new(out var handle, out var error), error);
            Handle = handle;
            registration = token.Register(() => Native.hearth_cancel(handle)); // at once where it was cancelled before
        }

        internal IntPtr Handle { get; }

        public void Dispose()
        {
            registration.Dispose();
            Native.hearth_cancellation_close(Handle);
        }
    }
}
