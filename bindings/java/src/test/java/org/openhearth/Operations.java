package org.openhearth;

import static org.openhearth.Arguments.has;
import static org.openhearth.Arguments.json;
import static org.openhearth.Arguments.number;
import static org.openhearth.Arguments.options;
import static org.openhearth.Arguments.text;
import static org.openhearth.Arguments.texts;
import static org.openhearth.Arguments.tokens;
import static org.openhearth.Arguments.truth;

import com.google.gson.Gson;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/** What cases ask for, with the models of a folder. */
final class Operations {
  private static final Gson GSON = new Gson();
  private static final int PAGE_BYTES = 4096;

  private final Path folder;
  private final Map<String, Model> models = new HashMap<>();

  Operations(Path folder) {
    this.folder = folder;
  }

  static JsonObject failure(HearthException fault) {
    JsonObject error = new JsonObject();
    error.addProperty("status", fault.status().toString());
    error.addProperty("message", fault.getMessage());
    return object("error", error);
  }

  JsonObject run(String operation, String model, JsonObject a) throws Exception {
    switch (operation) {
      case "library": return library();
      case "open": return open(model, a);
      case "metadata": return object("value", JsonParser.parseString(model(model).metadata(text(a, "key"))));
      case "all_metadata": return allMetadata(model(model), number(a, "most_elements", 0));
      case "tokenize": return tokenize(model(model), a);
      case "detokenize":
        return object("text", model(model).detokenize(tokens(a, "tokens"), truth(a, "special", false)));
      case "token_bytes": return tokenBytes(model(model), number(a, "token", 0));
      case "render_chat":
        return object("text", model(model).renderChat(json(a, "messages"), json(a, "tools"), json(a, "variables")));
      case "render_template": return object("text", Hearth.renderTemplate(text(a, "source"), json(a, "context")));
      case "generate": return generate(model(model), a);
      case "conversation": return conversation(model(model), a);
      case "score":
        return object("likelihoods", likelihoods(model(model).score(text(a, "context"), texts(a, "continuations"))));
      case "score_tokens":
        return object(
            "likelihoods",
            likelihoods(List.of(model(model).scoreTokens(tokens(a, "tokens"), number(a, "start", 0)))));
      case "embed": return embed(model(model), a);
      case "busy": return busy(model(model), a);
      case "closed": return closed(model, text(a, "what"));
      case "outlives": return outlives(model, a);
      case "together": return together(model(model), a);
      case "other_adapter":
        model(model).adapter(path(text(a, "adapter"))).close();
        return new JsonObject();
      case "cycles": return cycles(model, a);
      case "estimates": return estimates(model, a);
      default: throw new AssertionError("no operation " + operation);
    }
  }

  /** Pairs of key and value, of whatever Gson can write. */
  private static JsonObject object(Object... pairs) {
    JsonObject out = new JsonObject();
    for (int i = 0; i < pairs.length; i += 2) {
      out.add((String) pairs[i], GSON.toJsonTree(pairs[i + 1]));
    }
    return out;
  }

  private Path path(String name) {
    return folder.resolve(name + ".gguf");
  }

  private Model open(String name) {
    return Model.open(path(name), Arguments.modelOptions(new JsonObject()));
  }

  private Model model(String name) {
    return models.computeIfAbsent(name, this::open);
  }

  private static JsonObject library() {
    return object(
        "version", Hearth.version(), "level_is_known", Hearth.cpuLevels().contains(Hearth.activeCpuLevel()));
  }

  private JsonObject open(String name, JsonObject a) {
    String cancel = String.valueOf(text(a, "cancel"));
    List<Double> fractions = new ArrayList<>();
    ModelOptions options = Arguments.modelOptions(options(a));
    options.onProgress(
        fraction -> {
          fractions.add(fraction);
          return !cancel.equals("progress");
        });
    if (cancel.equals("cancellation")) {
      Cancellation cancellation = new Cancellation();
      cancellation.cancel();
      options.cancellation(cancellation);
    }
    try (Model model = Model.open(path(name), options)) {
      ModelInfo i = model.info();
      boolean rises = fractions.equals(fractions.stream().sorted().collect(Collectors.toList()));
      return object(
          "parameter_count", i.parameterCount(), "file_bytes", i.fileBytes(), "context_length", i.contextLength(),
          "trained_context", i.trainedContext(), "vocabulary_size", i.vocabularySize(),
          "embedding_length", i.embeddingLength(), "layer_count", i.layerCount(), "threads", i.threads(),
          "bos_token", token(i.bosToken()), "eos_token", token(i.eosToken()), "is_encoder", i.isEncoder(),
          "has_tokenizer", i.hasTokenizer(), "has_chat_template", i.hasChatTemplate(),
          "progress_rises", rises, "progress_ends", fractions.get(fractions.size() - 1));
    }
  }

  private static Integer token(OptionalInt token) {
    return token.isPresent() ? token.getAsInt() : null;
  }

  private static JsonObject allMetadata(Model model, int mostElements) {
    List<String> keys = model.metadataKeys();
    JsonElement summary = JsonParser.parseString(model.metadataSummary(mostElements));
    return object("count", keys.size(), "keys", keys, "summary", summary);
  }

  private static JsonObject tokenize(Model model, JsonObject a) {
    boolean add = truth(a, "add_special", true);
    boolean parse = truth(a, "parse_special", false);
    String text = text(a, "text");
    return object("tokens", model.tokenize(text, add, parse), "count", model.countTokens(text, add, parse));
  }

  private static JsonObject tokenBytes(Model model, int token) {
    List<Integer> bytes = new ArrayList<>();
    for (byte one : model.tokenBytes(token)) {
      bytes.add(one & 0xFF);
    }
    return object("bytes", bytes);
  }

  private static Result answer(Session session, JsonObject a, GenerationOptions o) {
    if (has(a, "messages")) {
      return session.chat(json(a, "messages"), o);
    }
    return has(a, "tokens") ? session.complete(tokens(a, "tokens"), o) : session.complete(text(a, "prompt"), o);
  }

  private static JsonObject resultOf(Result r) {
    return object(
        "text", r.text(), "tokens", r.tokens(), "finish_reason", r.finishReason().toString(),
        "stop_text", r.stopText().orElse(null), "seed", r.seed(), "prompt_tokens", r.promptTokens(),
        "cached_tokens", r.cachedTokens(), "generated_tokens", r.generatedTokens());
  }

  private JsonObject generate(Model model, JsonObject a) {
    try (Session session = model.session(new SessionOptions().contextLength(number(a, "context_length", 0)))) {
      if (has(a, "adapters")) {
        session.setAdapters(
            Arguments.list(a, "adapters", one -> model.adapter(path(text(one.getAsJsonObject(), "model")))),
            Arguments.list(a, "adapters", one -> one.getAsJsonObject().get("scale").getAsFloat()));
      }
      return generateIn(session, a);
    }
  }

  private static JsonObject generateIn(Session session, JsonObject a) {
    JsonObject cancel = has(a, "cancel") ? a.getAsJsonObject("cancel") : new JsonObject();
    String how = String.valueOf(text(cancel, "how"));
    Cancellation cancellation = new Cancellation();
    if (how.equals("before")) {
      cancellation.cancel();
    }
    Set<String> answers = new TreeSet<>();
    Result result = null;
    StringBuilder streamed = new StringBuilder();
    for (int i = 0; i < number(a, "repeat", 1); i++) {
      streamed.setLength(0);
      Predicate<Piece> stopping = stopping(how, number(cancel, "after", 0), session, cancellation);
      GenerationOptions o = Arguments.generationOptions(options(a)).cancellation(cancellation);
      o.onPiece(
          piece -> {
            streamed.append(piece.text());
            return stopping.test(piece);
          });
      result = answer(session, a, o);
      answers.add(result.text());
    }
    JsonObject out = resultOf(result);
    out.addProperty("streamed", streamed.toString().equals(result.text()));
    out.addProperty("same", answers.size() == 1);
    return out;
  }

  private static Predicate<Piece> stopping(String how, int after, Session session, Cancellation cancellation) {
    int[] heard = {0};
    return piece -> {
      if (++heard[0] != after) {
        return true;
      }
      switch (how) {
        case "session": session.cancel(); break;
        case "thread": inThread(session::cancel); break;
        case "cancellation": cancellation.cancel(); break;
        case "close": session.close(); break;
        default: break;
      }
      return !how.equals("callback");
    };
  }

  private static void inThread(Runnable what) {
    Thread thread = new Thread(what);
    thread.start();
    try {
      thread.join();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  private static JsonObject conversation(Model model, JsonObject a) {
    try (Session session = model.session(new SessionOptions().system(text(a, "system")))) {
      if (has(a, "messages")) {
        session.setMessages(json(a, "messages"));
      }
      List<String> answers = new ArrayList<>();
      for (String turn : texts(a, "turns")) {
        answers.add(session.say(turn, Arguments.generationOptions(options(a))).text());
      }
      if (truth(a, "reset", false)) {
        session.reset();
      }
      return object("answers", answers, "messages", JsonParser.parseString(session.messages()));
    }
  }

  private static List<JsonObject> likelihoods(List<Likelihood> found) {
    return found.stream()
        .map(
            one ->
                object(
                    "log_likelihood", one.logLikelihood(), "token_count", one.tokenCount(), "greedy", one.greedy()))
        .collect(Collectors.toList());
  }

  private static JsonObject embed(Model model, JsonObject a) {
    String cancel = String.valueOf(text(a, "cancel"));
    Cancellation cancellation = new Cancellation();
    if (cancel.equals("cancellation")) {
      cancellation.cancel();
    }
    EmbedOptions options = Arguments.embedOptions(options(a)).cancellation(cancellation);
    Embeddings found = model.embed(texts(a, "texts"), options.onProgress(fraction -> !cancel.equals("progress")));
    List<float[]> beginnings = new ArrayList<>();
    List<Double> lengths = new ArrayList<>();
    List<Double> products = new ArrayList<>();
    for (float[] vector : found.vectors()) {
      beginnings.add(java.util.Arrays.copyOf(vector, 4));
      lengths.add(Math.sqrt(product(vector, vector)));
      products.add(product(found.vectors().get(0), vector));
    }
    return object(
        "count", found.vectors().size(), "width", found.vectors().get(0).length,
        "prompt_tokens", found.promptTokens(), "beginnings", beginnings, "lengths", lengths, "products", products);
  }

  private static double product(float[] a, float[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += (double) a[i] * b[i];
    }
    return sum;
  }

  private static JsonObject busy(Model model, JsonObject a) {
    try (Session session = model.session()) {
      JsonObject[] inner = {null};
      GenerationOptions o = Arguments.generationOptions(options(a));
      o.onPiece(
          piece -> {
            inner[0] = inner[0] == null ? attempt(session, a) : inner[0];
            return true;
          });
      JsonObject outer = resultOf(answer(session, a, o));
      return object("inner", inner[0], "outer", outer);
    }
  }

  private static JsonObject attempt(Session session, JsonObject a) {
    try {
      return resultOf(answer(session, a, Arguments.generationOptions(options(a))));
    } catch (HearthException fault) {
      return failure(fault);
    }
  }

  private JsonObject closed(String name, String what) {
    try (Model model = open(name)) {
      switch (what) {
        case "model":
          model.close();
          model.tokenize("x");
          break;
        case "model_twice":
          model.close();
          model.close();
          return object("harmless", true);
        case "session":
          Session session = model.session();
          session.close();
          session.complete("x");
          break;
        default:
          Adapter adapter = model.adapter(path("tiny-adapter"));
          adapter.close();
          model.session().setAdapters(adapter);
          break;
      }
      return new JsonObject();
    }
  }

  private JsonObject outlives(String name, JsonObject a) {
    Model model = open(name);
    try (Session session = model.session()) {
      model.close();
      return object("text", answer(session, a, Arguments.generationOptions(options(a))).text());
    }
  }

  private static JsonObject together(Model model, JsonObject a) throws InterruptedException {
    List<String> prompts = texts(a, "prompts");
    String[] found = new String[prompts.size()];
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < found.length; i++) {
      int index = i;
      threads.add(new Thread(() -> {
        try (Session session = model.session()) {
          found[index] = session.complete(prompts.get(index), Arguments.generationOptions(options(a))).text();
        }
      }));
    }
    threads.forEach(Thread::start);
    for (Thread thread : threads) {
      thread.join();
    }
    return object("texts", found);
  }

  private JsonObject cycles(String name, JsonObject a) throws Exception {
    int count = number(a, "count", 0);
    long warm = 0;
    for (int i = 1; i <= count; i++) {
      try (Model model = open(name);
          Session session = model.session()) {
        answer(session, a, Arguments.generationOptions(options(a)));
      }
      if (i == count / 4) {
        warm = resident();
      }
    }
    long grown = resident() - warm;
    return object("flat", grown <= number(a, "growth", 0), "grown", grown);
  }

  private JsonObject estimates(String name, JsonObject a) throws Exception {
    JsonObject given = has(a, "model_options") ? a.getAsJsonObject("model_options") : new JsonObject();
    try (Model model = Model.open(path(name), Arguments.modelOptions(given));
        Session session = model.session()) {
      long before = resident() - memory(2); // without mapped files
      answer(session, a, Arguments.generationOptions(options(a)));
      return object("grown", resident() - memory(2) - before > number(a, "growth", 0));
    }
  }

  private static long resident() throws Exception {
    System.gc(); // Java's own garbage is not what is measured
    return memory(1);
  }

  private static long memory(int field) throws Exception {
    String[] fields = Files.readString(Path.of("/proc/self/statm")).split(" ");
    return Long.parseLong(fields[field]) * PAGE_BYTES;
  }
}
