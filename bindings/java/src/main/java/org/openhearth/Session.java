package org.openhearth;

import com.sun.jna.Pointer;
import com.sun.jna.ptr.PointerByReference;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.function.Predicate;

/**
 * One conversation with a model, or one text, and what was computed of it. It does one thing at a time: a call to one
 * that is busy is refused at once. Closing it cancels what runs in it.
 */
public final class Session extends Handle {
  Session(long handle) {
    super(handle, CApi.LIBRARY::hearth_session_close);
  }

  // Answers

  /** Adds a user's message to the session's conversation, answers it and adds the answer. */
  public Result say(String text) {
    return say(text, new GenerationOptions());
  }

  /** Adds a user's message to the session's conversation, answers it and adds the answer. */
  public Result say(String text, GenerationOptions options) {
    return generate(saying(text), options);
  }

  /** {@link #say}, piece by piece. */
  public TextStream streamSay(String text, GenerationOptions options) {
    return new TextStream(this, saying(text), options);
  }

  /** Answers a whole conversation; the session's own is left alone. */
  public Result chat(List<Message> messages, GenerationOptions options) {
    return chat(Message.toJson(messages), options);
  }

  /** Answers a whole conversation: a JSON array with whatever the model's template reads. */
  public Result chat(String messages, GenerationOptions options) {
    return generate(chatting(messages), options);
  }

  /** {@link #chat(List, GenerationOptions)}, piece by piece. */
  public TextStream streamChat(List<Message> messages, GenerationOptions options) {
    return streamChat(Message.toJson(messages), options);
  }

  /** {@link #chat(String, GenerationOptions)}, piece by piece. */
  public TextStream streamChat(String messages, GenerationOptions options) {
    return new TextStream(this, chatting(messages), options);
  }

  /** Continues a text as it stands. */
  public Result complete(String prompt) {
    return complete(prompt, new GenerationOptions());
  }

  /** Continues a text as it stands. */
  public Result complete(String prompt, GenerationOptions options) {
    return generate(completing(prompt), options);
  }

  /** {@link #complete(String, GenerationOptions)}, piece by piece. */
  public TextStream streamComplete(String prompt, GenerationOptions options) {
    return new TextStream(this, completing(prompt), options);
  }

  /** Continues tokens: the prompt is exactly these. */
  public Result complete(int[] prompt, GenerationOptions options) {
    return generate(
        (scratch, o, on, user, result, error) ->
            CApi.LIBRARY.hearth_session_complete_tokens(
                handle, scratch.tokens(prompt), prompt.length, o, on, user, result, error),
        options);
  }

  /** Ends the generation that runs in the session, if one does, from whatever thread. */
  public void cancel() {
    CApi.LIBRARY.hearth_session_cancel(handle);
  }

  // The conversation

  /** The conversation as JSON, the system message first where there is one. */
  public String messages() {
    PointerByReference json = new PointerByReference();
    CApi.check(this, error -> CApi.LIBRARY.hearth_session_messages(handle, json, error));
    return CApi.take(json);
  }

  /** Replaces the conversation, system message and all: a JSON array with whatever the template reads. */
  public void setMessages(String json) {
    try (Scratch scratch = new Scratch()) {
      Pointer text = scratch.terminated(json, "messages");
      CApi.check(this, error -> CApi.LIBRARY.hearth_session_set_messages(handle, text, error));
    }
  }

  /** Replaces the conversation, system message and all. */
  public void setMessages(List<Message> messages) {
    setMessages(Message.toJson(messages));
  }

  /** The conversation begins with this system message; null or "": with none. */
  public void setSystem(String text) {
    try (Scratch scratch = new Scratch()) {
      Pointer system = scratch.optional(text, "the system message");
      CApi.check(this, error -> CApi.LIBRARY.hearth_session_set_system(handle, system, error));
    }
  }

  /** Forgets the conversation (its system message stays) and all that was computed. */
  public void reset() {
    CApi.check(this, error -> CApi.LIBRARY.hearth_session_reset(handle, error));
  }

  /** May be asked while the session is busy. */
  public SessionInfo info() {
    Structs.SessionInfo info = new Structs.SessionInfo();
    CApi.check(this, error -> CApi.LIBRARY.hearth_session_get_info(handle, info, error));
    return new SessionInfo(info);
  }

  // Adapters

  /** What the session computes from now on is with these, each at its full strength; none: without. */
  public void setAdapters(Adapter... adapters) {
    Numbers.given(adapters, "adapters");
    setAdapters(Arrays.asList(adapters), Collections.nCopies(adapters.length, 1f));
  }

  /** What the session computes from now on is with these, each with its scale. */
  public void setAdapters(List<Adapter> adapters, List<Float> scales) {
    int count = Numbers.given(adapters, "adapters").size();
    if (Numbers.given(scales, "scales").size() != count) {
      throw new HearthException(Status.USAGE, count + " adapters have " + scales.size() + " scales");
    }
    try (Scratch scratch = new Scratch()) {
      Pointer handles = scratch.room(8L * count);
      Pointer strengths = scratch.room(4L * count);
      for (int i = 0; i < count; i++) {
        handles.setLong(8L * i, Numbers.given(adapters.get(i), "an adapter").handle);
        strengths.setFloat(4L * i, Numbers.given(scales.get(i), "a scale"));
      }
      CApi.check(
          List.of(this, adapters),
          error -> CApi.LIBRARY.hearth_session_set_adapters(handle, handles, strengths, count, error));
    }
  }

  // What all answers share

  /** One of the ways to an answer. */
  interface Way {
    int run(
        Scratch scratch,
        Structs.GenerationOptions options,
        CApi.OnPiece onPiece,
        long user,
        PointerByReference result,
        PointerByReference error);
  }

  private Way saying(String text) {
    return (scratch, o, on, user, result, error) -> {
      Scratch.Text said = scratch.text(text, "the text");
      return CApi.LIBRARY.hearth_session_say(handle, said.pointer, said.length, o, on, user, result, error);
    };
  }

  private Way chatting(String messages) {
    return (scratch, o, on, user, result, error) ->
        CApi.LIBRARY.hearth_session_chat(
            handle, scratch.terminated(messages, "messages"), o, on, user, result, error);
  }

  private Way completing(String prompt) {
    return (scratch, o, on, user, result, error) -> {
      Scratch.Text from = scratch.text(prompt, "the prompt");
      return CApi.LIBRARY.hearth_session_complete(handle, from.pointer, from.length, o, on, user, result, error);
    };
  }

  private Result generate(Way way, GenerationOptions options) {
    return generate(way, Numbers.given(options, "options"), options.onPiece);
  }

  Result generate(Way way, GenerationOptions options, Predicate<Piece> onPiece) {
    PointerByReference out = new PointerByReference();
    try (Scratch scratch = new Scratch();
        Callbacks callbacks = Callbacks.ofPieces(onPiece)) {
      Structs.GenerationOptions o = options.fill(scratch);
      callbacks.check(
          List.of(this, options),
          error -> way.run(scratch, o, callbacks.piece(), callbacks.user, out, error));
      return new Result(new Structs.Result(out.getValue()));
    } finally {
      CApi.LIBRARY.hearth_result_free(out.getValue());
    }
  }
}
