package org.openhearth;

/** A piece of an answer: whole characters, and the token they came with. */
public final class Piece {
  /** The token of a last piece that came with none. */
  public static final int NO_TOKEN = -1;

  private final String text;
  private final int token;

  Piece(String text, int token) {
    this.text = text;
    this.token = token;
  }

  /** May be empty: a character, or what may become a stop text, is not whole yet. */
  public String text() {
    return text;
  }

  /** The token, or {@link #NO_TOKEN}. */
  public int token() {
    return token;
  }
}
