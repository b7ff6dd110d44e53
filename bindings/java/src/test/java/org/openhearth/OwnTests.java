package org.openhearth;

import java.nio.file.Path;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiConsumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** What only Java has: streams, exceptions in callbacks, collection, misuse that Java's types let through. */
final class OwnTests {
  /** One of them. */
  interface Test {
    void run() throws Exception;
  }

  private static final String PROMPT = "the low";

  private final Path folder;

  OwnTests(Path folder) {
    this.folder = folder;
  }

  Map<String, Test> all() {
    Map<String, Test> tests = new LinkedHashMap<>();
    tests.put("java: a stream's pieces are the text", this::streamIsText);
    tests.put("java: for over a stream", this::forOverStream);
    tests.put("java: leaving a stream early frees its session", this::leavingEarly);
    tests.put("java: closing a stream before it begins", this::closingAtOnce);
    tests.put("java: closing a stream in its own callback", this::closingInCallback);
    tests.put("java: an error of a stream is thrown at its end", this::errorOfStream);
    tests.put("java: an exception in a piece's callback comes out", this::exceptionInPiece);
    tests.put("java: an exception in a stream's callback comes out", this::exceptionInStream);
    tests.put("java: an exception in a progress callback comes out", this::exceptionInProgress);
    tests.put("java: an interrupted reader stops the answer", this::interruptedReader);
    tests.put("java: what is forgotten is collected, what is used is not", this::collection);
    tests.put("java: messages are quoted", this::messagesAreQuoted);
    tests.put("java: text of any kind goes there and back", this::textOfAnyKind);
    tests.put("java: nulls and impossible values are refused", this::impossibleValues);
    tests.put("java: JSON a hundred thousand deep is refused", this::deepJson);
    tests.put("java: closing while other threads use it", this::closingUnderUse);
    tests.put("java: the JVM ends in the middle of an answer", this::endOfTheProcess);
    return tests;
  }

  /** A program that leaves a stream open: by its end, or by System.exit. */
  static final class Leaver {
    public static void main(String[] arguments) {
      Model model = Model.open(Path.of(arguments[0]), new ModelOptions().contextLength(400_000));
      Iterator<String> pieces =
          model.session().streamComplete(PROMPT, new GenerationOptions().temperature(0).ignoreEnd(true)).iterator();
      pieces.next();
      if (arguments[1].equals("exit")) {
        System.exit(7);
      }
    }
  }

  private void endOfTheProcess() throws Exception {
    for (String how : List.of("exit", "return")) {
      Process process = new ProcessBuilder(
              Path.of(System.getProperty("java.home"), "bin", "java").toString(),
              "-cp", System.getProperty("java.class.path"), Leaver.class.getName(),
              folder.resolve("tiny.gguf").toString(), how)
          .redirectErrorStream(true).start();
      String said = new String(process.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
      same(said, "");
      same(process.waitFor(), how.equals("exit") ? 7 : 0);
    }
  }

  private Model model() {
    return model(512);
  }

  private Model model(int contextLength) {
    return Model.open(folder.resolve("tiny.gguf"), new ModelOptions().contextLength(contextLength).threads(2));
  }

  private static GenerationOptions greedy(int tokens) {
    return new GenerationOptions().temperature(0).maxTokens(tokens).ignoreEnd(true);
  }

  private static void same(Object actual, Object expected) {
    if (!expected.equals(actual)) {
      throw new AssertionError(actual + ", not " + expected);
    }
  }

  private static void refused(Status status, Test what) throws Exception {
    try {
      what.run();
    } catch (HearthException fault) {
      same(fault.status(), status);
      return;
    }
    throw new AssertionError("was not refused as " + status);
  }

  private static void throwsIt(Throwable expected, Test what) {
    try {
      what.run();
    } catch (Throwable thrown) {
      same(thrown, expected);
      return;
    }
    throw new AssertionError("did not throw " + expected);
  }

  private void streamIsText() {
    try (Model model = model();
        Session session = model.session()) {
      String text = session.complete(PROMPT, greedy(20)).text();
      try (Stream<String> pieces = session.streamComplete(PROMPT, greedy(20)).stream()) {
        same(pieces.collect(Collectors.joining()), text);
      }
    }
  }

  private void forOverStream() {
    try (Model model = model();
        Session session = model.session();
        TextStream answer = session.streamChat(List.of(Message.user("x")), greedy(20))) {
      StringBuilder joined = new StringBuilder();
      for (String piece : answer) {
        joined.append(piece);
      }
      same(joined.toString(), answer.result().text());
      same(answer.result().generatedTokens(), 20L);
      same(answer.iterator().hasNext(), false);
    }
  }

  private void leavingEarly() {
    try (Model model = model(400_000);
        Session session = model.session()) {
      TextStream left = session.streamComplete(PROMPT, greedy(400_000));
      try (Stream<Piece> pieces = left.pieces()) {
        same(pieces.limit(3).count(), 3L);
      }
      same(left.result().finishReason(), Result.FinishReason.CANCELLED);
      same(session.info().busy(), false);
      same(session.complete(PROMPT, greedy(2)).generatedTokens(), 2L);
    }
  }

  private void closingAtOnce() {
    try (Model model = model();
        Session session = model.session()) {
      for (int i = 0; i < 50; i++) {
        session.streamComplete(PROMPT, greedy(400)).close();
        same(session.info().busy(), false);
      }
    }
  }

  private void closingInCallback() {
    try (Model model = model();
        Session session = model.session()) {
      TextStream[] own = {null};
      TextStream answer =
          session.streamComplete(
              PROMPT,
              greedy(400).onPiece(piece -> {
                while (own[0] == null) {
                  Thread.yield();
                }
                own[0].close();
                return true;
              }));
      synchronized (own) {
        own[0] = answer;
      }
      same(answer.result().finishReason(), Result.FinishReason.CANCELLED);
    }
  }

  private void errorOfStream() throws Exception {
    try (Model model = model();
        Session session = model.session();
        TextStream answer = session.streamComplete(PROMPT, greedy(4).grammar("root ::= ("))) {
      Iterator<String> pieces = answer.iterator();
      refused(Status.BAD_INPUT, pieces::hasNext);
      refused(Status.BAD_INPUT, answer::result);
    }
  }

  /** It comes out as it is, after one piece, and the session goes on. */
  private void exceptionIn(Throwable own, BiConsumer<Session, GenerationOptions> call) {
    try (Model model = model();
        Session session = model.session()) {
      AtomicInteger heard = new AtomicInteger();
      GenerationOptions options = greedy(20).onPiece(piece -> {
        heard.incrementAndGet();
        Callbacks.<RuntimeException>sneak(own);
        return true;
      });
      throwsIt(own, () -> call.accept(session, options));
      same(heard.get(), 1);
      same(session.complete(PROMPT, greedy(2)).generatedTokens(), 2L);
    }
  }

  private void exceptionInPiece() {
    exceptionIn(new IllegalStateException("mine"), (session, options) -> session.complete(PROMPT, options));
  }

  private void exceptionInStream() {
    exceptionIn(new Error("mine"), (session, options) -> {
      try (TextStream answer = session.streamComplete(PROMPT, options)) {
        answer.stream().count();
      }
    });
  }

  private void exceptionInProgress() {
    IllegalStateException own = new IllegalStateException("of the callback");
    for (double at : new double[] {0, 1}) {
      ModelOptions options = new ModelOptions().onProgress(fraction -> {
        if (fraction >= at) {
          throw own;
        }
        return true;
      });
      throwsIt(own, () -> Model.open(folder.resolve("tiny.gguf"), options));
    }
  }

  private void interruptedReader() throws Exception {
    try (Model model = model(400_000);
        Session session = model.session();
        TextStream answer = session.streamComplete(PROMPT, greedy(400_000))) {
      Thread.currentThread().interrupt();
      refused(Status.CANCELLED, answer::result);
      same(Thread.interrupted(), true);
      same(session.info().busy(), false);
    }
  }

  private void collection() {
    Session used = model().session(); // its model is forgotten at once
    for (int i = 0; i < 20; i++) {
      model().session().streamComplete(PROMPT, greedy(20)); // forgotten while it runs
    }
    System.gc();
    same(used.complete(PROMPT, greedy(2)).generatedTokens(), 2L);
  }

  private void messagesAreQuoted() {
    try (Model model = model();
        Session session = model.session()) {
      String odd = "\"\\\n\t\u0001 é 😀 </s>";
      session.setMessages(List.of(Message.system(odd)));
      String json = session.messages();
      same(com.google.gson.JsonParser.parseString(json).getAsJsonArray().get(0).getAsJsonObject()
          .get("content").getAsString(), odd);
    }
  }

  private void textOfAnyKind() throws Exception {
    try (Model model = Model.open(folder.resolve("smollm2.gguf"), new ModelOptions().preload(false))) {
      for (String text : List.of("", "a\0b", "é 😀\r\n", "x".repeat(100_000))) {
        same(model.detokenize(model.tokenize(text, false, false)), text);
      }
      refused(Status.BAD_INPUT, () -> model.tokenize("half \ud83d of a pair"));
      refused(Status.BAD_INPUT, () -> model.metadata("a\0b"));
    }
  }

  private void impossibleValues() throws Exception {
    try (Model model = model();
        Session session = model.session()) {
      refused(Status.USAGE, () -> Model.open(null));
      refused(Status.USAGE, () -> model.tokenize(null));
      refused(Status.USAGE, () -> model.detokenize((int[]) null));
      refused(Status.USAGE, () -> model.embed(null));
      refused(Status.USAGE, () -> session.complete((String) null));
      refused(Status.USAGE, () -> session.say("x", null));
      refused(Status.USAGE, () -> session.complete("x", greedy(1).stop((String) null)));
      refused(Status.USAGE, () -> session.chat(Collections.singletonList((Message) null), greedy(1)));
      refused(Status.USAGE, () -> session.setAdapters((Adapter) null));
      refused(Status.USAGE, () -> new GenerationOptions().maxTokens(-1));
      refused(Status.USAGE, () -> session.complete(PROMPT, new GenerationOptions().temperature(Double.NaN)));
      refused(Status.USAGE, () -> session.setAdapters(List.of(), List.of(1f)));
      refused(Status.USAGE, () -> model.scoreTokens(new int[] {1, 2}, -1));
      refused(Status.USAGE, () -> model.tokenBytes(Integer.MIN_VALUE));
      session.close();
      refused(Status.CLOSED, session::info);
      refused(Status.CLOSED, session::messages);
      refused(Status.CLOSED, () -> session.streamSay("x", greedy(1)).result());
    }
  }

  private void deepJson() throws Exception {
    try (Model model = model();
        Session session = model.session()) {
      String deep = "[".repeat(100_000) + "]".repeat(100_000);
      refused(Status.BAD_INPUT, () -> model.renderChat(deep, null, null));
      refused(Status.BAD_INPUT, () -> session.complete(PROMPT, greedy(2).jsonSchema(deep)));
      refused(Status.BAD_INPUT, () -> session.complete(PROMPT, greedy(2).grammar("root ::= " + "(".repeat(100_000))));
    }
  }

  private void closingUnderUse() throws Exception {
    for (int i = 0; i < 10; i++) {
      Model model = model();
      Session session = model.session();
      TextStream answer = session.streamComplete(PROMPT, greedy(400));
      Thread closer = new Thread(() -> {
        model.close();
        session.close();
      });
      closer.start();
      try {
        same(answer.result().finishReason(), Result.FinishReason.CANCELLED);
      } catch (HearthException fault) {
        same(fault.status(), Status.CLOSED); // it was closed before the answer began
      }
      closer.join();
    }
  }
}
