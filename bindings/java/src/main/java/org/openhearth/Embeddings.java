package org.openhearth;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** One vector a text, in their order. */
public final class Embeddings {
  private final List<float[]> vectors;
  private final long promptTokens;

  Embeddings(Structs.Embeddings raw) {
    List<float[]> rows = new ArrayList<>();
    for (long row = 0; row < raw.count; row++) {
      rows.add(raw.values.getFloatArray(4 * row * raw.width, (int) raw.width));
    }
    vectors = Collections.unmodifiableList(rows);
    promptTokens = raw.prompt_tokens;
  }

  /** The vectors. */
  public List<float[]> vectors() {
    return vectors;
  }

  /** How many tokens the texts were. */
  public long promptTokens() {
    return promptTokens;
  }
}
