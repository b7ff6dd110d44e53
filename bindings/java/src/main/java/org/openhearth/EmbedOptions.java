package org.openhearth;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.DoublePredicate;

/** How texts are embedded; what is not said has the library's default. */
public final class EmbedOptions {
  /** What becomes of a text that is longer than the model reads at once. */
  public enum LongText {
    /** An error, with the numbers: the default. */
    REFUSE,
    /** Its beginning counts. */
    TRUNCATE,
    /** The mean of its pieces' vectors. */
    MEAN
  }

  private final List<Consumer<Structs.EmbedOptions>> set = new ArrayList<>();
  private String prefix;
  DoublePredicate onProgress;
  Cancellation cancellation;

  /** Put before each text, as it stands. */
  public EmbedOptions prefix(String text) {
    prefix = text;
    return this;
  }

  /** Keep the first so many numbers, for models made for it; 0: all. */
  public EmbedOptions dimensions(int count) {
    int value = Numbers.unsigned("dimensions", count);
    return with(o -> o.dimensions = value);
  }

  /** What becomes of a text that is longer than the model reads at once. */
  public EmbedOptions longText(LongText what) {
    int value = Numbers.given(what, "long_text").ordinal();
    return with(o -> o.long_text = value);
  }

  /** Each vector has length 1: the default. */
  public EmbedOptions normalise(boolean on) {
    return with(o -> o.normalise = Numbers.flag(on));
  }

  /** Hears how far the work is, from 0 to 1; false stops it. */
  public EmbedOptions onProgress(DoublePredicate listener) {
    onProgress = listener;
    return this;
  }

  /** Stops the work. */
  public EmbedOptions cancellation(Cancellation cancellation) {
    this.cancellation = cancellation;
    return this;
  }

  private EmbedOptions with(Consumer<Structs.EmbedOptions> one) {
    set.add(one);
    return this;
  }

  Structs.EmbedOptions fill(Scratch scratch, Callbacks callbacks) {
    Structs.EmbedOptions o = new Structs.EmbedOptions();
    CApi.check(null, error -> CApi.LIBRARY.hearth_embed_options_init(o, o.size(), error));
    set.forEach(one -> one.accept(o));
    o.prefix = scratch.optional(prefix, "the prefix");
    o.on_progress = callbacks.progress();
    o.user = callbacks.user;
    o.cancellation = cancellation == null ? 0 : cancellation.handle;
    return o;
  }
}
