package org.openhearth;

import java.util.List;
import java.util.stream.Collectors;

/** A turn of a conversation. */
public final class Message {
  private final String role;
  private final String content;

  /** A turn of whatever role. */
  public Message(String role, String content) {
    this.role = Numbers.given(role, "the role");
    this.content = Numbers.given(content, "the content");
  }

  /** What rules the conversation. */
  public static Message system(String content) {
    return new Message("system", content);
  }

  /** What the user says. */
  public static Message user(String content) {
    return new Message("user", content);
  }

  /** What the model says. */
  public static Message assistant(String content) {
    return new Message("assistant", content);
  }

  /** Who speaks. */
  public String role() {
    return role;
  }

  /** What is said. */
  public String content() {
    return content;
  }

  static String toJson(List<Message> messages) {
    return Numbers.given(messages, "messages").stream()
        .map(one -> Numbers.given(one, "a message"))
        .map(one -> "{\"role\": " + quoted(one.role) + ", \"content\": " + quoted(one.content) + "}")
        .collect(Collectors.joining(", ", "[", "]"));
  }

  private static String quoted(String text) {
    StringBuilder out = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      if (c < ' ') {
        out.append(String.format("\\u%04x", (int) c));
      } else {
        out.append(c == '"' || c == '\\' ? "\\" : "").append(c);
      }
    }
    return out.append('"').toString();
  }
}
