package org.openhearth;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Locale;
import java.util.function.Function;

/** What a case's arguments say, as the binding takes it. */
final class Arguments {
  private static final Gson WRITER = new GsonBuilder().serializeNulls().disableHtmlEscaping().create();

  private Arguments() {}

  static boolean has(JsonObject o, String key) {
    return o.has(key) && !o.get(key).isJsonNull();
  }

  static String text(JsonObject o, String key) {
    return has(o, key) ? o.get(key).getAsString() : null;
  }

  static int number(JsonObject o, String key, int otherwise) {
    return has(o, key) ? o.get(key).getAsInt() : otherwise;
  }

  static boolean truth(JsonObject o, String key, boolean otherwise) {
    return has(o, key) ? o.get(key).getAsBoolean() : otherwise;
  }

  static <T> List<T> list(JsonObject o, String key, Function<JsonElement, T> as) {
    List<T> out = new ArrayList<>();
    if (has(o, key)) {
      o.getAsJsonArray(key).forEach(one -> out.add(as.apply(one)));
    }
    return out;
  }

  static List<String> texts(JsonObject o, String key) {
    return list(o, key, JsonElement::getAsString);
  }

  static int[] tokens(JsonObject o, String key) {
    return list(o, key, JsonElement::getAsInt).stream().mapToInt(Integer::intValue).toArray();
  }

  /** A value as it stands in the file (order counts); where it is text, that is JSON as it stands. */
  static String json(JsonObject o, String key) {
    return has(o, key) ? json(o.get(key)) : null;
  }

  private static String json(JsonElement value) {
    boolean isText = value.isJsonPrimitive() && value.getAsJsonPrimitive().isString();
    return isText ? value.getAsString() : WRITER.toJson(value);
  }

  static JsonObject options(JsonObject arguments) {
    return has(arguments, "options") ? arguments.getAsJsonObject("options") : new JsonObject();
  }

  static ModelOptions modelOptions(JsonObject given) {
    ModelOptions o = new ModelOptions().contextLength(512).threads(2);
    given.entrySet().forEach(one -> set(o, one.getKey(), one.getValue()));
    return o;
  }

  private static void set(ModelOptions o, String key, JsonElement value) {
    switch (key) {
      case "context_length": o.contextLength(value.getAsInt()); break;
      case "threads": o.threads(value.getAsInt()); break;
      case "batch_tokens": o.batchTokens(value.getAsInt()); break;
      case "preload": o.preload(value.getAsBoolean()); break;
      case "shift": o.shift(value.getAsBoolean()); break;
      case "all_logits": o.allLogits(value.getAsBoolean()); break;
      case "cache_type": o.cacheType(ModelOptions.CacheType.valueOf(upper(value))); break;
      default: throw new AssertionError("no model option " + key);
    }
  }

  static EmbedOptions embedOptions(JsonObject given) {
    EmbedOptions o = new EmbedOptions();
    given.entrySet().forEach(one -> set(o, one.getKey(), one.getValue()));
    return o;
  }

  private static void set(EmbedOptions o, String key, JsonElement value) {
    switch (key) {
      case "prefix": o.prefix(value.getAsString()); break;
      case "dimensions": o.dimensions(value.getAsInt()); break;
      case "long_text": o.longText(EmbedOptions.LongText.valueOf(upper(value))); break;
      case "normalise": o.normalise(value.getAsBoolean()); break;
      default: throw new AssertionError("no embedding option " + key);
    }
  }

  static GenerationOptions generationOptions(JsonObject given) {
    GenerationOptions o = new GenerationOptions();
    given.entrySet().forEach(one -> set(o, one.getKey(), one.getValue()));
    return o;
  }

  private static void set(GenerationOptions o, String key, JsonElement value) {
    if (value.isJsonNull()) {
      return;
    }
    switch (key) {
      case "max_tokens": o.maxTokens(value.getAsInt()); break;
      case "temperature": o.temperature(value.getAsDouble()); break;
      case "top_k": o.topK(value.getAsInt()); break;
      case "top_p": o.topP(value.getAsDouble()); break;
      case "min_p": o.minP(value.getAsDouble()); break;
      case "typical_p": o.typicalP(value.getAsDouble()); break;
      case "repeat_penalty": o.repeatPenalty(value.getAsDouble()); break;
      case "frequency_penalty": o.frequencyPenalty(value.getAsDouble()); break;
      case "presence_penalty": o.presencePenalty(value.getAsDouble()); break;
      case "penalty_window": o.penaltyWindow(value.getAsInt()); break;
      case "seed": o.seed(value.getAsBigInteger().longValue()); break;
      case "parse_special": o.parseSpecial(value.getAsBoolean()); break;
      case "special_text": o.specialText(value.getAsBoolean()); break;
      case "ignore_end": o.ignoreEnd(value.getAsBoolean()); break;
      case "stop": o.stop(stops(value)); break;
      case "logit_bias": o.logitBias(biases(value.getAsJsonObject())); break;
      case "grammar": o.grammar(value.getAsString()); break;
      case "json_schema": o.jsonSchema(json(value)); break;
      case "tools": o.tools(json(value)); break;
      case "template_variables": o.templateVariables(json(value)); break;
      default: throw new AssertionError("no generation option " + key);
    }
  }

  private static String[] stops(JsonElement value) {
    List<String> out = new ArrayList<>();
    value.getAsJsonArray().forEach(one -> out.add(one.getAsString()));
    return out.toArray(new String[0]);
  }

  private static Map<Integer, Float> biases(JsonObject given) {
    Map<Integer, Float> out = new LinkedHashMap<>();
    given.entrySet().forEach(
        one -> {
          boolean banned = one.getValue().getAsString().equals("-inf");
          out.put(Integer.valueOf(one.getKey()), banned ? Float.NEGATIVE_INFINITY : one.getValue().getAsFloat());
        });
    return out;
  }

  private static String upper(JsonElement value) {
    return value.getAsString().toUpperCase(Locale.ROOT);
  }
}
