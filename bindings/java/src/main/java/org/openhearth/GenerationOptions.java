package org.openhearth;

import com.sun.jna.Pointer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.function.Predicate;

/** How an answer is drawn; what is not said has the library's default. May be used again and again. */
public final class GenerationOptions {
  private static final int BIAS_BYTES = 8;

  private final List<Consumer<Structs.GenerationOptions>> set = new ArrayList<>();
  private List<String> stop = List.of();
  private Map<Integer, Float> bias = Map.of();
  private String grammar;
  private String schema;
  private String tools;
  private String variables;
  private Cancellation cancellation;
  Predicate<Piece> onPiece;

  /** Ends the answer after so many; 0: when it ends or the context is full. */
  public GenerationOptions maxTokens(int count) {
    int value = Numbers.unsigned("max_tokens", count);
    return with(o -> o.max_tokens = value);
  }

  /** 0 takes the likeliest token, always. */
  public GenerationOptions temperature(double value) {
    return with(o -> o.temperature = (float) value);
  }

  /** Draws from the so many likeliest; 0: all. */
  public GenerationOptions topK(int count) {
    return with(o -> o.top_k = count);
  }

  /** Draws from the likeliest that make up so much; 1: all. */
  public GenerationOptions topP(double value) {
    return with(o -> o.top_p = (float) value);
  }

  /** Drops what is less likely than this times the likeliest; 0: nothing. */
  public GenerationOptions minP(double value) {
    return with(o -> o.min_p = (float) value);
  }

  /** Locally typical sampling; 1: off. */
  public GenerationOptions typicalP(double value) {
    return with(o -> o.typical_p = (float) value);
  }

  /** 1: off. */
  public GenerationOptions repeatPenalty(double value) {
    return with(o -> o.repeat_penalty = (float) value);
  }

  /** 0: off. */
  public GenerationOptions frequencyPenalty(double value) {
    return with(o -> o.frequency_penalty = (float) value);
  }

  /** 0: off. */
  public GenerationOptions presencePenalty(double value) {
    return with(o -> o.presence_penalty = (float) value);
  }

  /** Last tokens that penalties look at; -1: all. */
  public GenerationOptions penaltyWindow(int tokens) {
    return with(o -> o.penalty_window = tokens);
  }

  /** The same seed draws the same answer again; 64 bits without a sign, 0: a new one each time. */
  public GenerationOptions seed(long seed) {
    return with(o -> o.seed = seed);
  }

  /** For {@link Session#complete}: "&lt;|im_end|&gt;" in the prompt is that token, not its letters. */
  public GenerationOptions parseSpecial(boolean on) {
    return with(o -> o.parse_special = Numbers.flag(on));
  }

  /** Control tokens appear in the text. */
  public GenerationOptions specialText(boolean on) {
    return with(o -> o.special_text = Numbers.flag(on));
  }

  /** Goes on past the end of the answer, to maxTokens. */
  public GenerationOptions ignoreEnd(boolean on) {
    return with(o -> o.ignore_end = Numbers.flag(on));
  }

  /** Texts that end the answer and do not belong to it. */
  public GenerationOptions stop(String... texts) {
    stop = Arrays.asList(Numbers.given(texts, "stop").clone());
    return this;
  }

  /** Added to tokens' logits; {@link Float#NEGATIVE_INFINITY} bans one. */
  public GenerationOptions logitBias(Map<Integer, Float> biases) {
    bias = new LinkedHashMap<>(Numbers.given(biases, "logit_bias"));
    return this;
  }

  /** GBNF that the answer follows. */
  public GenerationOptions grammar(String gbnf) {
    grammar = gbnf;
    return this;
  }

  /** JSON Schema: the answer is JSON of it. */
  public GenerationOptions jsonSchema(String json) {
    schema = json;
    return this;
  }

  /** For {@link Session#chat} and {@link Session#say}: a JSON array of tool definitions in OpenAI's form. */
  public GenerationOptions tools(String json) {
    tools = json;
    return this;
  }

  /** For {@link Session#chat} and {@link Session#say}: a JSON object of what the template sees besides. */
  public GenerationOptions templateVariables(String json) {
    variables = json;
    return this;
  }

  /** Ends the generation early; its result then says so. */
  public GenerationOptions cancellation(Cancellation cancellation) {
    this.cancellation = cancellation;
    return this;
  }

  /** Hears the answer while it is written, on the thread of the call; false stops it. */
  public GenerationOptions onPiece(Predicate<Piece> listener) {
    onPiece = listener;
    return this;
  }

  private GenerationOptions with(Consumer<Structs.GenerationOptions> one) {
    set.add(one);
    return this;
  }

  Structs.GenerationOptions fill(Scratch scratch) {
    Structs.GenerationOptions o = new Structs.GenerationOptions();
    CApi.check(null, error -> CApi.LIBRARY.hearth_generation_options_init(o, o.size(), error));
    set.forEach(one -> one.accept(o));
    o.stop = scratch.texts(stop, "a stop text");
    o.stop_count = stop.size();
    o.logit_bias = biases(scratch);
    o.logit_bias_count = bias.size();
    o.grammar = scratch.optional(grammar, "the grammar");
    o.json_schema = scratch.optional(schema, "json_schema");
    o.tools = scratch.optional(tools, "tools");
    o.template_variables = scratch.optional(variables, "template_variables");
    o.cancellation = cancellation == null ? 0 : cancellation.handle;
    return o;
  }

  private Pointer biases(Scratch scratch) {
    Pointer array = scratch.room((long) BIAS_BYTES * bias.size());
    long at = 0;
    for (Map.Entry<Integer, Float> one : bias.entrySet()) {
      array.setInt(at, Numbers.given(one.getKey(), "a token of logit_bias"));
      array.setFloat(at + 4, Numbers.given(one.getValue(), "a number of logit_bias"));
      at += BIAS_BYTES;
    }
    return array;
  }
}
