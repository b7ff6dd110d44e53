using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;

namespace OpenHearth
{
    // The four ways to an answer: at once, as a Task, and as a stream. What is cancelled has a result too.
    public sealed partial class Session
    {
        delegate Status Call(ref Native.GenerationOptions options, Native.OnPiece onPiece, IntPtr user, out IntPtr result, out IntPtr error);

        static Result Generate(GenerationOptions options, CancellationToken cancellation, Call call)
        {
            using (var memory = new Memory())
            using (var heard = new Listener<Piece>(options?.OnPiece))
            using (var stop = new Cancellation(cancellation))
            {
                var o = (options ?? new GenerationOptions()).Fill(memory);
                o.Cancellation = stop.Handle;
                var status = call(ref o, heard.Listens ? Callbacks.Piece : null, heard.User, out var result, out var error);
                try
                {
                    heard.Rethrow();
                    HearthException.Check(status, error, cancellation);
                    return Result.Read(result);
                }
                finally { Native.hearth_result_free(result); }
            }
        }

        /// <summary>Continues a text as it stands, without a template.</summary>
        public Result Complete(string prompt, [AllowNull] GenerationOptions options = null, CancellationToken cancellation = default(CancellationToken))
        {
            var text = Utf8.Text(prompt, "prompt");
            return Generate(options, cancellation, (ref Native.GenerationOptions o, Native.OnPiece hear, IntPtr user, out IntPtr result, out IntPtr error) =>
                Native.hearth_session_complete(Self, text, Utf8.Length(text), ref o, hear, user, out result, out error));
        }

        /// <summary>Continues tokens: the prompt is exactly these.</summary>
        public Result CompleteTokens(IEnumerable<int> prompt, [AllowNull] GenerationOptions options = null, CancellationToken cancellation = default(CancellationToken))
        {
            var tokens = prompt?.ToArray();
            return Generate(options, cancellation, (ref Native.GenerationOptions o, Native.OnPiece hear, IntPtr user, out IntPtr result, out IntPtr error) =>
                Native.hearth_session_complete_tokens(Self, tokens, (UIntPtr)(tokens?.Length ?? 0), ref o, hear, user, out result, out error));
        }

        /// <summary>Answers a whole conversation, a JSON array; the session's own is left alone.</summary>
        public Result Chat(string messages, [AllowNull] GenerationOptions options = null, CancellationToken cancellation = default(CancellationToken))
        {
            var json = Utf8.Whole(messages, "messages");
            return Generate(options, cancellation, (ref Native.GenerationOptions o, Native.OnPiece hear, IntPtr user, out IntPtr result, out IntPtr error) =>
                Native.hearth_session_chat(Self, json, ref o, hear, user, out result, out error));
        }

        /// <summary>The same for messages of role and content.</summary>
        public Result Chat(IEnumerable<Message> messages, [AllowNull] GenerationOptions options = null, CancellationToken cancellation = default(CancellationToken))
        {
            return Chat(Message.Json(messages), options, cancellation);
        }

        /// <summary>Adds a user's message to the session's conversation, answers it and adds the answer.</summary>
        public Result Say(string text, [AllowNull] GenerationOptions options = null, CancellationToken cancellation = default(CancellationToken))
        {
            var bytes = Utf8.Text(text, "text");
            return Generate(options, cancellation, (ref Native.GenerationOptions o, Native.OnPiece hear, IntPtr user, out IntPtr result, out IntPtr error) =>
                Native.hearth_session_say(Self, bytes, Utf8.Length(bytes), ref o, hear, user, out result, out error));
        }

        /// <summary>Complete, on a thread of its own. A token that is cancelled gives the answer so far.</summary>
        public Task<Result> CompleteAsync(string prompt, [AllowNull] GenerationOptions options = null, CancellationToken cancellation = default(CancellationToken))
        {
            return Background.Run(() => Complete(prompt, options, cancellation));
        }

        /// <summary>Chat, on a thread of its own. A token that is cancelled gives the answer so far.</summary>
        public Task<Result> ChatAsync(string messages, [AllowNull] GenerationOptions options = null, CancellationToken cancellation = default(CancellationToken))
        {
            return Background.Run(() => Chat(messages, options, cancellation));
        }

        /// <summary>The same for messages of role and content.</summary>
        public Task<Result> ChatAsync(IEnumerable<Message> messages, [AllowNull] GenerationOptions options = null, CancellationToken cancellation = default(CancellationToken))
        {
            return ChatAsync(Message.Json(messages), options, cancellation);
        }

        /// <summary>Say, on a thread of its own. A token that is cancelled gives the answer so far.</summary>
        public Task<Result> SayAsync(string text, [AllowNull] GenerationOptions options = null, CancellationToken cancellation = default(CancellationToken))
        {
            return Background.Run(() => Say(text, options, cancellation));
        }

        /// <summary>Complete, piece by piece.</summary>
        public AnswerStream StreamComplete(string prompt, [AllowNull] GenerationOptions options = null, CancellationToken cancellation = default(CancellationToken))
        {
            return new AnswerStream(options, cancellation, (o, stop) => Complete(prompt, o, stop));
        }

        /// <summary>Chat, piece by piece.</summary>
        public AnswerStream StreamChat(string messages, [AllowNull] GenerationOptions options = null, CancellationToken cancellation = default(CancellationToken))
        {
            return new AnswerStream(options, cancellation, (o, stop) => Chat(messages, o, stop));
        }

        /// <summary>The same for messages of role and content.</summary>
        public AnswerStream StreamChat(IEnumerable<Message> messages, [AllowNull] GenerationOptions options = null, CancellationToken cancellation = default(CancellationToken))
        {
            return StreamChat(Message.Json(messages), options, cancellation);
        }

        /// <summary>Say, piece by piece.</summary>
        public AnswerStream StreamSay(string text, [AllowNull] GenerationOptions options = null, CancellationToken cancellation = default(CancellationToken))
        {
            return new AnswerStream(options, cancellation, (o, stop) => Say(text, o, stop));
        }
    }

    internal static class Background
    {
        /// <summary>Not in the pool, whose threads are few: these calls are long.</summary>
        internal static Task<T> Run<T>(Func<T> call, CancellationToken cancellation = default(CancellationToken))
        {
            return Task.Factory.StartNew(call, cancellation, TaskCreationOptions.LongRunning | TaskCreationOptions.DenyChildAttach, TaskScheduler.Default);
        }
    }
}
