using System;
using System.Diagnostics.CodeAnalysis;
using System.Collections;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Threading;

namespace OpenHearth
{
    /// <summary>An answer while it is written, to be enumerated once: foreach (var text in session.StreamSay("Hello")).
    /// The model starts with the enumeration, keeps pace with its reader, and stops when it is left.</summary>
    public sealed class AnswerStream : IEnumerable<string>
    {
        readonly GenerationOptions options;
        readonly CancellationToken cancellation;
        readonly Func<GenerationOptions, CancellationToken, Result> generate;
        int begun;

        internal AnswerStream(GenerationOptions options, CancellationToken cancellation, Func<GenerationOptions, CancellationToken, Result> generate)
        {
            this.options = options ?? new GenerationOptions();
            this.cancellation = cancellation;
            this.generate = generate;
        }

        /// <summary>The whole answer, or what there is of it, once the enumeration has ended or was left; null before.</summary>
        [MaybeNull] public Result Result { get; private set; }

        /// <summary>The pieces' texts, but for empty ones. What goes wrong is thrown here.</summary>
        public IEnumerator<string> GetEnumerator()
        {
            if (Interlocked.Exchange(ref begun, 1) != 0) throw new InvalidOperationException("the stream was enumerated before");
            return Pieces();
        }

        IEnumerator IEnumerable.GetEnumerator() { return GetEnumerator(); }

        IEnumerator<string> Pieces()
        {
            using (var left = CancellationTokenSource.CreateLinkedTokenSource(cancellation, Ending.Token))
            using (var pieces = new BlockingCollection<string>(1))
            {
                var stop = left.Token;
                var work = Background.Run(() =>
                {
                    try { return generate(options.With(piece => Hear(piece, pieces, stop)), stop); }
                    finally { pieces.CompleteAdding(); }
                });
                try
                {
                    foreach (var piece in pieces.GetConsumingEnumerable()) yield return piece;
                    Result = work.GetAwaiter().GetResult();
                }
                finally
                {
                    left.Cancel();
                    ((IAsyncResult)work).AsyncWaitHandle.WaitOne();
                    if (work.Status == System.Threading.Tasks.TaskStatus.RanToCompletion) Result = work.Result;
                    else GC.KeepAlive(work.Exception); // who left does not want to know
                }
            }
        }

        bool Hear(Piece piece, BlockingCollection<string> pieces, CancellationToken stop)
        {
            if (options.OnPiece != null && !options.OnPiece(piece)) return false;
            if (piece.Text.Length == 0) return true;
            try { pieces.Add(piece.Text, stop); }
            catch (OperationCanceledException) { return false; }
            return true;
        }
    }
}
