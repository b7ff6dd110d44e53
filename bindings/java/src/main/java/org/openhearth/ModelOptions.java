package org.openhearth;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.DoublePredicate;

/** How a model is opened; what is not said has the library's default. */
public final class ModelOptions {
  /** How sessions keep what they have read. */
  public enum CacheType {
    /** 16 bits a number: the default. */
    F16,
    /** 32 bits a number. */
    F32,
    /** About half of F16. */
    Q8_0,
    /** About a quarter of F16, less exact. */
    Q4_0
  }

  private final List<Consumer<Structs.ModelOptions>> set = new ArrayList<>();
  DoublePredicate onProgress;
  Cancellation cancellation;

  /** 0: one a physical core. */
  public ModelOptions threads(int count) {
    int value = Numbers.unsigned("threads", count);
    return with(o -> o.threads = value);
  }

  /** Tokens that a session holds unless it says otherwise; 0: what the model was trained for. */
  public ModelOptions contextLength(int tokens) {
    int value = Numbers.unsigned("context_length", tokens);
    return with(o -> o.context_length = value);
  }

  /** Prompt tokens that are computed at a time. */
  public ModelOptions batchTokens(int tokens) {
    int value = Numbers.unsigned("batch_tokens", tokens);
    return with(o -> o.batch_tokens = value);
  }

  /** How sessions keep what they have read. */
  public ModelOptions cacheType(CacheType type) {
    int value = Numbers.given(type, "cache_type").ordinal();
    return with(o -> o.cache_type = value);
  }

  /** Read the file while opening, so that the first prompt does not wait for the disk: the default. */
  public ModelOptions preload(boolean on) {
    return with(o -> o.preload = Numbers.flag(on));
  }

  /** A full context goes on, its oldest half forgotten. */
  public ModelOptions shift(boolean on) {
    return with(o -> o.shift = Numbers.flag(on));
  }

  /** Do not estimate logits that cannot be drawn; slower. */
  public ModelOptions allLogits(boolean on) {
    return with(o -> o.all_logits = Numbers.flag(on));
  }

  /** Hears how far opening is, from 0 to 1; false stops it. */
  public ModelOptions onProgress(DoublePredicate listener) {
    onProgress = listener;
    return this;
  }

  /** Stops the opening. */
  public ModelOptions cancellation(Cancellation cancellation) {
    this.cancellation = cancellation;
    return this;
  }

  private ModelOptions with(Consumer<Structs.ModelOptions> one) {
    set.add(one);
    return this;
  }

  Structs.ModelOptions fill(Callbacks callbacks) {
    Structs.ModelOptions o = new Structs.ModelOptions();
    CApi.check(null, error -> CApi.LIBRARY.hearth_model_options_init(o, o.size(), error));
    set.forEach(one -> one.accept(o));
    o.on_progress = callbacks.progress();
    o.user = callbacks.user;
    o.cancellation = cancellation == null ? 0 : cancellation.handle;
    return o;
  }
}
