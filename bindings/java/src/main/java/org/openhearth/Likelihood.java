package org.openhearth;

/** How likely a model finds a text. */
public final class Likelihood {
  private final double logLikelihood;
  private final int tokenCount;
  private final boolean greedy;

  Likelihood(double logLikelihood, int tokenCount, boolean greedy) {
    this.logLikelihood = logLikelihood;
    this.tokenCount = tokenCount;
    this.greedy = greedy;
  }

  /** Natural logarithm, summed over the tokens. */
  public double logLikelihood() {
    return logLikelihood;
  }

  /** How many tokens these are. */
  public int tokenCount() {
    return tokenCount;
  }

  /** Whether each token was the likeliest, given what stands before it. */
  public boolean greedy() {
    return greedy;
  }
}
