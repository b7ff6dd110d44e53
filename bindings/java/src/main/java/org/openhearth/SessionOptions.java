package org.openhearth;

/** How a session is opened; what is not said has the library's default. */
public final class SessionOptions {
  private int contextLength;
  String system;

  /** Tokens that it holds, prompts and answers; 0: the model's. */
  public SessionOptions contextLength(int tokens) {
    contextLength = Numbers.unsigned("context_length", tokens);
    return this;
  }

  /** The conversation's system message. */
  public SessionOptions system(String text) {
    system = text;
    return this;
  }

  Structs.SessionOptions fill() {
    Structs.SessionOptions o = new Structs.SessionOptions();
    CApi.check(null, error -> CApi.LIBRARY.hearth_session_options_init(o, o.size(), error));
    o.context_length = contextLength;
    return o;
  }
}
