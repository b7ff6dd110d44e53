using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;

namespace OpenHearth
{
    /// <summary>How likely a model finds a continuation.</summary>
    public struct Likelihood
    {
        internal Likelihood(Native.Likelihood one)
        {
            LogLikelihood = one.LogLikelihood;
            TokenCount = checked((int)one.TokenCount);
            Greedy = one.Greedy != 0;
        }

        /// <summary>Natural logarithm, summed over its tokens.</summary>
        public double LogLikelihood { get; }
        /// <summary>How many these are.</summary>
        public int TokenCount { get; }
        /// <summary>Each was the likeliest, given what stands before it.</summary>
        public bool Greedy { get; }
    }

    public sealed partial class Model
    {
        /// <summary>How likely each continuation of a text is. What they share is computed once.</summary>
        public Likelihood[] Score(string context, IEnumerable<string> continuations, CancellationToken cancellation = default(CancellationToken))
        {
            if (continuations == null) throw HearthException.Usage("continuations is null");
            var texts = continuations.Select(text => Utf8.Whole(text, "a continuation")).ToArray();
            var found = new Native.Likelihood[texts.Length];
            using (var memory = new Memory())
            using (var stop = new Cancellation(cancellation))
            {
                var o = ScoreOptions(stop);
                HearthException.Check(Native.hearth_score(Self, Utf8.Whole(context, "context"), memory.Pointers(texts), (UIntPtr)texts.Length,
                    ref o, found, out var error), error, cancellation);
            }
            return found.Select(one => new Likelihood(one)).ToArray();
        }

        /// <summary>The same on a thread of its own.</summary>
        public Task<Likelihood[]> ScoreAsync(string context, IEnumerable<string> continuations, CancellationToken cancellation = default(CancellationToken))
        {
            return Background.Run(() => Score(context, continuations, cancellation), cancellation);
        }

        /// <summary>How likely the tokens at <paramref name="from"/> and after it are, given those before; from 1 on.</summary>
        public Likelihood ScoreTokens(IEnumerable<int> tokens, int from, CancellationToken cancellation = default(CancellationToken))
        {
            var array = tokens?.ToArray();
            using (var stop = new Cancellation(cancellation))
            {
                var o = ScoreOptions(stop);
                HearthException.Check(Native.hearth_score_tokens(Self, array, (UIntPtr)(array?.Length ?? 0), (UIntPtr)Numbers.Unsigned("from", from),
                    ref o, out var found, out var error), error, cancellation);
                return new Likelihood(found);
            }
        }

        static Native.ScoreOptions ScoreOptions(Cancellation stop)
        {
            HearthException.Check(Native.hearth_score_options_init(out var o, Native.SizeOf<Native.ScoreOptions>(), out var error), error);
            o.Cancellation = stop.Handle;
            return o;
        }
    }
}
