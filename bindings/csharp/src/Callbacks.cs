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
        readonly CancellationTokenRegistration registration, ending;

        internal Cancellation(CancellationToken token)
        {
            HearthException.Check(Native.hearth_cancellation_new(out var handle, out var error), error);
            Handle = handle;
            Ending.CallBegins();
            registration = token.Register(() => Native.hearth_cancel(handle)); // at once where it was cancelled before
            ending = Ending.Token.Register(() => Native.hearth_cancel(handle));
        }

        internal IntPtr Handle { get; }

        public void Dispose()
        {
            registration.Dispose();
            ending.Dispose();
            Native.hearth_cancellation_close(Handle);
            Ending.CallEnds();
        }
    }

    /// <summary>The end of the process: what other threads have under way is cancelled and waited for. Mono crashes or hangs where it
    /// takes away a thread that C calls back on.</summary>
    internal static class Ending
    {
        static readonly CancellationTokenSource source = new CancellationTokenSource();
        static int underWay;
        [ThreadStatic] static int own; // a callback may end the process

        static Ending()
        {
            AppDomain.CurrentDomain.ProcessExit += (sender, arguments) =>
            {
                source.Cancel();
                for (var i = 0; i < 60000 && Volatile.Read(ref underWay) > own; i++) Thread.Sleep(1);
            };
        }

        internal static CancellationToken Token { get { return source.Token; } }

        internal static void CallBegins()
        {
            own++;
            Interlocked.Increment(ref underWay);
        }

        internal static void CallEnds()
        {
            own--;
            Interlocked.Decrement(ref underWay);
        }
    }
}
