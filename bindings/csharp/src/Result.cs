using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;

namespace OpenHearth
{
    /// <summary>A piece of an answer: whole characters, perhaps none, and the token they came with.</summary>
    public struct Piece
    {
        internal Piece(string text, int token)
        {
            Text = text;
            Token = token < 0 ? (int?)null : token;
        }

        /// <summary>What can no longer be part of a stop text.</summary>
        public string Text { get; }
        /// <summary>Null for a last piece without one.</summary>
        public int? Token { get; }
    }

    /// <summary>Why an answer ended.</summary>
    public enum FinishReason
    {
        /// <summary>The model ended it, a stop text was met, or the grammar is complete.</summary>
        Stop = 0,
        /// <summary>MaxTokens, or the context is full.</summary>
        Length = 1,
        /// <summary>A callback, a token, Cancel or Dispose said so.</summary>
        Cancelled = 2
    }

    /// <summary>An answer.</summary>
    public sealed class Result
    {
        Result(Native.Result r)
        {
            Text = Utf8.Read(r.Text, r.TextLength);
            Tokens = Utf8.Tokens(r.Tokens, r.TokenCount);
            FinishReason = (FinishReason)r.FinishReason;
            StopText = Utf8.Read(r.StopText);
            Seed = r.Seed;
            PromptTokens = checked((int)(ulong)r.PromptTokens);
            CachedTokens = checked((int)(ulong)r.CachedTokens);
            GeneratedTokens = checked((int)(ulong)r.GeneratedTokens);
            PromptTime = TimeSpan.FromTicks((long)(r.PromptSeconds * TimeSpan.TicksPerSecond));
            GenerationTime = TimeSpan.FromTicks((long)(r.GenerationSeconds * TimeSpan.TicksPerSecond));
        }

        internal static Result Read(IntPtr result)
        {
            return new Result((Native.Result)Marshal.PtrToStructure(result, typeof(Native.Result)));
        }

        /// <summary>The text.</summary>
        public string Text { get; }
        /// <summary>Its tokens, without the one that ended it.</summary>
        public IReadOnlyList<int> Tokens { get; }
        /// <summary>Why it ended.</summary>
        public FinishReason FinishReason { get; }
        /// <summary>The stop text that was met, or null.</summary>
        [MaybeNull] public string StopText { get; }
        /// <summary>Draws the same answer again.</summary>
        public ulong Seed { get; }
        /// <summary>Tokens of the prompt.</summary>
        public int PromptTokens { get; }
        /// <summary>Of these: held already.</summary>
        public int CachedTokens { get; }
        /// <summary>Tokens that were drawn.</summary>
        public int GeneratedTokens { get; }
        /// <summary>Until the first token was drawn.</summary>
        public TimeSpan PromptTime { get; }
        /// <summary>From then to the end.</summary>
        public TimeSpan GenerationTime { get; }
    }
}
