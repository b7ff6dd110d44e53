package org.openhearth;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;

/** An answer. */
public final class Result {
  /** Why an answer ended. */
  public enum FinishReason {
    /** The model ended it, a stop text was met, or the grammar is complete. */
    STOP,
    /** It has maxTokens, or the context is full. */
    LENGTH,
    /** A callback, a cancellation or closing the session asked for it. */
    CANCELLED;

    /** The library's name: "stop", "length", "cancelled". */
    @Override
    public String toString() {
      return name().toLowerCase(java.util.Locale.ROOT);
    }
  }

  private final Structs.Result raw;
  private final String text;
  private final int[] tokens;
  private final String stopText;

  /** Copies what the library's pointers say. */
  Result(Structs.Result raw) {
    this.raw = raw;
    text = new String(raw.text.getByteArray(0, Math.toIntExact(raw.text_length)), StandardCharsets.UTF_8);
    tokens = raw.token_count == 0 ? new int[0] : raw.tokens.getIntArray(0, Math.toIntExact(raw.token_count));
    stopText = CApi.text(raw.stop_text);
  }

  /** The whole of it. */
  public String text() {
    return text;
  }

  /** Its tokens, without the one that ended it. */
  public int[] tokens() {
    return tokens.clone();
  }

  /** Why it ended. */
  public FinishReason finishReason() {
    return FinishReason.values()[raw.finish_reason];
  }

  /** The stop text that was met, if one was. */
  public Optional<String> stopText() {
    return Optional.ofNullable(stopText);
  }

  /** Draws the same answer again; 64 bits without a sign. */
  public long seed() {
    return raw.seed;
  }

  /** Tokens of the prompt. */
  public long promptTokens() {
    return raw.prompt_tokens;
  }

  /** Of the prompt's tokens, those that the session held already. */
  public long cachedTokens() {
    return raw.cached_tokens;
  }

  /** Tokens that were drawn. */
  public long generatedTokens() {
    return raw.generated_tokens;
  }

  /** Until the first token was drawn. */
  public Duration promptTime() {
    return Duration.ofNanos((long) (raw.prompt_seconds * 1e9));
  }

  /** From then to the end. */
  public Duration generationTime() {
    return Duration.ofNanos((long) (raw.generation_seconds * 1e9));
  }

  /** The text. */
  @Override
  public String toString() {
    return text;
  }
}
