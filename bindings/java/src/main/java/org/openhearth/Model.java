package org.openhearth;

import com.sun.jna.Pointer;
import com.sun.jna.ptr.LongByReference;
import com.sun.jna.ptr.PointerByReference;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A GGUF model file, opened. Any number of threads may use it. Its memory is given back with the last session and
 * adapter of it.
 */
public final class Model extends Handle {
  private static final int ADD_SPECIAL = 1;
  private static final int PARSE_SPECIAL = 2;
  private static final int LIKELIHOOD_BYTES = 16;

  private Model(long handle) {
    super(handle, CApi.LIBRARY::hearth_model_close);
  }

  /** Opens a file with the default options. */
  public static Model open(Path path) {
    return open(path, new ModelOptions());
  }

  /** Opens a file. */
  public static Model open(Path path, ModelOptions options) {
    Numbers.given(path, "the path");
    Numbers.given(options, "options");
    LongByReference out = new LongByReference();
    try (Scratch scratch = new Scratch();
        Callbacks callbacks = Callbacks.ofProgress(options.onProgress)) {
      Structs.ModelOptions o = options.fill(callbacks);
      Pointer at = scratch.terminated(path.toString(), "the path");
      callbacks.check(options, error -> CApi.LIBRARY.hearth_model_open(at, o, out, error));
      return new Model(out.getValue());
    } catch (Throwable fault) {
      CApi.LIBRARY.hearth_model_close(out.getValue()); // where the callback threw at the very end
      throw fault;
    }
  }

  /** Describes the model. */
  public ModelInfo info() {
    Structs.ModelInfo info = new Structs.ModelInfo();
    CApi.check(this, error -> CApi.LIBRARY.hearth_model_get_info(handle, info, error));
    return new ModelInfo(info);
  }

  // Metadata

  /** The keys of the file's metadata, in its order. */
  public List<String> metadataKeys() {
    LongByReference count = new LongByReference();
    CApi.check(this, error -> CApi.LIBRARY.hearth_model_metadata_count(handle, count, error));
    List<String> keys = new ArrayList<>();
    for (long i = 0; i < count.getValue(); i++) {
      long index = i;
      PointerByReference key = new PointerByReference();
      CApi.check(this, error -> CApi.LIBRARY.hearth_model_metadata_key(handle, index, key, error));
      keys.add(CApi.take(key));
    }
    return keys;
  }

  /** The value of a key, as JSON. */
  public String metadata(String key) {
    PointerByReference json = new PointerByReference();
    try (Scratch scratch = new Scratch()) {
      Pointer name = scratch.terminated(key, "the key");
      CApi.check(this, error -> CApi.LIBRARY.hearth_model_metadata_get(handle, name, json, error));
    }
    return CApi.take(json);
  }

  /** All metadata as one JSON object; arrays of more than mostElements as {"length", "first"}; 0: whole. */
  public String metadataSummary(long mostElements) {
    PointerByReference json = new PointerByReference();
    CApi.check(
        this, error -> CApi.LIBRARY.hearth_model_metadata_json(handle, Math.max(mostElements, 0), json, error));
    return CApi.take(json);
  }

  // Text and tokens

  /** The tokens of a whole text. */
  public int[] tokenize(String text) {
    return tokenize(text, true, false);
  }

  /**
   * The tokens of a text.
   *
   * @param addSpecial with BOS, EOS and their like, where the model's file asks for them
   * @param parseSpecial "&lt;|im_end|&gt;" in the text is that token, not its letters
   */
  public int[] tokenize(String text, boolean addSpecial, boolean parseSpecial) {
    PointerByReference tokens = new PointerByReference();
    LongByReference count = new LongByReference();
    withText(
        text,
        addSpecial,
        parseSpecial,
        (from, length, flags, error) ->
            CApi.LIBRARY.hearth_tokenize(handle, from, length, flags, tokens, count, error));
    return CApi.takeTokens(tokens, count);
  }

  /** How many tokens a whole text is. */
  public long countTokens(String text) {
    return countTokens(text, true, false);
  }

  /** How many tokens {@link #tokenize(String, boolean, boolean)} gives. */
  public long countTokens(String text, boolean addSpecial, boolean parseSpecial) {
    LongByReference count = new LongByReference();
    withText(
        text,
        addSpecial,
        parseSpecial,
        (from, length, flags, error) ->
            CApi.LIBRARY.hearth_count_tokens(handle, from, length, flags, count, error));
    return count.getValue();
  }

  private interface TextCall {
    int run(Pointer text, long length, int flags, PointerByReference error);
  }

  private void withText(String text, boolean addSpecial, boolean parseSpecial, TextCall call) {
    try (Scratch scratch = new Scratch()) {
      Scratch.Text from = scratch.text(text, "the text");
      int flags = (addSpecial ? ADD_SPECIAL : 0) | (parseSpecial ? PARSE_SPECIAL : 0);
      CApi.check(this, error -> call.run(from.pointer, from.length, flags, error));
    }
  }

  /** The text of tokens, without control tokens. */
  public String detokenize(int... tokens) {
    return detokenize(tokens, false);
  }

  /** The text of tokens; control tokens such as BOS are left out unless special. */
  public String detokenize(int[] tokens, boolean special) {
    PointerByReference text = new PointerByReference();
    LongByReference length = new LongByReference();
    try (Scratch scratch = new Scratch()) {
      Pointer from = scratch.tokens(tokens);
      CApi.check(
          this,
          error ->
              CApi.LIBRARY.hearth_detokenize(
                  handle, from, tokens.length, Numbers.flag(special), text, length, error));
    }
    return CApi.take(text, length);
  }

  /** The bytes that one token stands for; may be part of a character. */
  public byte[] tokenBytes(int token) {
    PointerByReference bytes = new PointerByReference();
    LongByReference length = new LongByReference();
    CApi.check(this, error -> CApi.LIBRARY.hearth_token_bytes(handle, token, bytes, length, error));
    return CApi.takeBytes(bytes, length);
  }

  /** The text that the model's own template makes of a conversation. */
  public String renderChat(List<Message> messages) {
    return renderChat(Message.toJson(messages), null, null);
  }

  /**
   * The text that the model's own template makes of a conversation.
   *
   * @param messages a JSON array: [{"role": "user", "content": "..."}, ...]
   * @param tools a JSON array of tool definitions; may be null
   * @param variables a JSON object of what the template sees besides; may be null
   */
  public String renderChat(String messages, String tools, String variables) {
    PointerByReference text = new PointerByReference();
    LongByReference length = new LongByReference();
    try (Scratch scratch = new Scratch()) {
      Pointer said = scratch.terminated(messages, "messages");
      Pointer with = scratch.optional(tools, "tools");
      Pointer besides = scratch.optional(variables, "variables");
      CApi.check(
          this, error -> CApi.LIBRARY.hearth_render_chat(handle, said, with, besides, text, length, error));
    }
    return CApi.take(text, length);
  }

  // Numbers

  /** Turns texts to vectors, with an embedding model. */
  public Embeddings embed(List<String> texts) {
    return embed(texts, new EmbedOptions());
  }

  /** Turns texts to vectors, with an embedding model. */
  public Embeddings embed(List<String> texts, EmbedOptions options) {
    Numbers.given(texts, "texts");
    Numbers.given(options, "options");
    PointerByReference out = new PointerByReference();
    try (Scratch scratch = new Scratch();
        Callbacks callbacks = Callbacks.ofProgress(options.onProgress)) {
      Structs.EmbedOptions o = options.fill(scratch, callbacks);
      Pointer array = scratch.room(8L * texts.size());
      Pointer lengths = scratch.room(8L * texts.size());
      for (int i = 0; i < texts.size(); i++) {
        Scratch.Text text = scratch.text(texts.get(i), "a text");
        array.setPointer(8L * i, text.pointer);
        lengths.setLong(8L * i, text.length);
      }
      callbacks.check(
          List.of(this, options),
          error -> CApi.LIBRARY.hearth_embed(handle, array, lengths, texts.size(), o, out, error));
      return new Embeddings(new Structs.Embeddings(out.getValue()));
    } finally {
      CApi.LIBRARY.hearth_embeddings_free(out.getValue());
    }
  }

  /** How likely the model finds each of several continuations of a text. */
  public List<Likelihood> score(String context, List<String> continuations) {
    return score(context, continuations, null);
  }

  /** How likely the model finds each of several continuations of a text; cancellation may be null. */
  public List<Likelihood> score(String context, List<String> continuations, Cancellation cancellation) {
    Numbers.given(continuations, "continuations");
    int count = continuations.size();
    try (Scratch scratch = new Scratch()) {
      Pointer before = scratch.terminated(context, "the context");
      Pointer after = scratch.texts(continuations, "a continuation");
      Pointer out = scratch.room((long) LIKELIHOOD_BYTES * count);
      Structs.ScoreOptions o = scoreOptions(cancellation);
      CApi.check(this, error -> CApi.LIBRARY.hearth_score(handle, before, after, count, o, out, error));
      List<Likelihood> found = new ArrayList<>();
      for (int i = 0; i < count; i++) {
        found.add(likelihood(out, i));
      }
      return found;
    }
  }

  /** How likely the tokens from `from` on are after those before. */
  public Likelihood scoreTokens(int[] tokens, int from) {
    return scoreTokens(tokens, from, null);
  }

  /** How likely the tokens from `from` on are after those before; cancellation may be null. */
  public Likelihood scoreTokens(int[] tokens, int from, Cancellation cancellation) {
    try (Scratch scratch = new Scratch()) {
      Pointer all = scratch.tokens(tokens);
      Pointer out = scratch.room(LIKELIHOOD_BYTES);
      Structs.ScoreOptions o = scoreOptions(cancellation);
      CApi.check(
          this,
          error -> CApi.LIBRARY.hearth_score_tokens(handle, all, tokens.length, from, o, out, error));
      return likelihood(out, 0);
    }
  }

  // What is opened from it

  /** Opens a session with the default options. */
  public Session session() {
    return session(new SessionOptions());
  }

  /** Opens a session. Any number may be open and generate at once. */
  public Session session(SessionOptions options) {
    Structs.SessionOptions o = Numbers.given(options, "options").fill();
    LongByReference out = new LongByReference();
    CApi.check(this, error -> CApi.LIBRARY.hearth_session_open(handle, o, out, error));
    Session session = new Session(out.getValue());
    if (options.system != null) {
      try {
        session.setSystem(options.system);
      } catch (RuntimeException fault) {
        session.close();
        throw fault;
      }
    }
    return session;
  }

  /** Opens a LoRA adapter in GGUF for this model. */
  public Adapter adapter(Path path) {
    Numbers.given(path, "the path");
    LongByReference out = new LongByReference();
    try (Scratch scratch = new Scratch()) {
      Pointer at = scratch.terminated(path.toString(), "the path");
      CApi.check(this, error -> CApi.LIBRARY.hearth_adapter_open(handle, at, out, error));
    }
    return new Adapter(out.getValue());
  }

  private static Structs.ScoreOptions scoreOptions(Cancellation cancellation) {
    Structs.ScoreOptions o = new Structs.ScoreOptions();
    CApi.check(null, error -> CApi.LIBRARY.hearth_score_options_init(o, o.size(), error));
    o.cancellation = cancellation == null ? 0 : cancellation.handle;
    return o;
  }

  private static Likelihood likelihood(Pointer array, int index) {
    long at = (long) LIKELIHOOD_BYTES * index;
    return new Likelihood(array.getDouble(at), array.getInt(at + 8), array.getInt(at + 12) != 0);
  }
}
