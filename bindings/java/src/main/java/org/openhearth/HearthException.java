package org.openhearth;

/** What the library refuses: one line that says what, where, and what to do. */
public final class HearthException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final Status status;

  HearthException(Status status, String message) {
    super(message);
    this.status = status;
  }

  /** The kind of fault. */
  public Status status() {
    return status;
  }
}
