using System;
using System.Threading;

namespace OpenHearth
{
    /// <summary>What kind of fault a <see cref="HearthException"/> is.</summary>
    public enum Status
    {
        /// <summary>None.</summary>
        Ok = 0,
        /// <summary>The call makes no sense: an argument, an option's value.</summary>
        Usage = 1,
        /// <summary>A file, text or JSON from outside is at fault.</summary>
        BadInput = 2,
        /// <summary>A file or key is not there.</summary>
        NotFound = 3,
        /// <summary>Understood, and not something the library or this model can do.</summary>
        Unsupported = 4,
        /// <summary>Does not fit: a prompt longer than its context.</summary>
        TooLong = 5,
        /// <summary>Memory is used up.</summary>
        OutOfMemory = 6,
        /// <summary>The system refused a read or a write.</summary>
        Io = 7,
        /// <summary>A callback asked to stop, and there is no result.</summary>
        Cancelled = 8,
        /// <summary>A fault of the library: please report it.</summary>
        Internal = 9,
        /// <summary>The session is in use by another call.</summary>
        Busy = 10,
        /// <summary>The model, session or adapter was disposed.</summary>
        Closed = 11
    }

    /// <summary>What the library refuses: one line that says what, where, and what to do.</summary>
    public sealed class HearthException : Exception
    {
        internal HearthException(Status status, string message) : base(message) { Status = status; }

        /// <summary>The kind of fault.</summary>
        public Status Status { get; }

        internal static HearthException Usage(string message) { return new HearthException(Status.Usage, message); }

        internal static void Check(Status status, IntPtr error)
        {
            if (status == Status.Ok) return;
            var message = Utf8.Read(Native.hearth_error_message(error));
            Native.hearth_error_free(error);
            throw new HearthException(status, message);
        }

        /// <summary>The same, where a token may be what stopped the call: then .NET's own exception, with ours inside.</summary>
        internal static void Check(Status status, IntPtr error, CancellationToken cancellation)
        {
            try { Check(status, error); }
            catch (HearthException fault) when (fault.Status == Status.Cancelled && cancellation.IsCancellationRequested)
            {
                throw new OperationCanceledException(fault.Message, fault, cancellation);
            }
        }
    }
}
