package org.openhearth;

/** Describes a session. */
public final class SessionInfo {
  private final Structs.SessionInfo raw;

  SessionInfo(Structs.SessionInfo raw) {
    this.raw = raw;
  }

  /** Tokens it can hold. */
  public int contextLength() {
    return raw.context_length;
  }

  /** Tokens it holds; while it is busy, those before. */
  public int usedTokens() {
    return raw.used_tokens;
  }

  /** Whether a call is using it. */
  public boolean busy() {
    return raw.busy != 0;
  }
}
