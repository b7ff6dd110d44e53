package org.openhearth;

import java.util.Locale;

/** What kind of fault a {@link HearthException} is. */
public enum Status {
  /** The call makes no sense: an argument, an option's value, a handle. */
  USAGE,
  /** A file, text or JSON from outside is at fault. */
  BAD_INPUT,
  /** A file or key is not there. */
  NOT_FOUND,
  /** Understood, and not something the library or this model can do. */
  UNSUPPORTED,
  /** Does not fit: a prompt longer than its context. */
  TOO_LONG,
  /** There is not enough memory. */
  OUT_OF_MEMORY,
  /** The system refused a read or a write. */
  IO,
  /** A callback or a cancellation asked to stop, and there is no result. */
  CANCELLED,
  /** A fault of the library: please report it. */
  INTERNAL,
  /** The session is in use by another call. */
  BUSY,
  /** The model, session or adapter was closed. */
  CLOSED;

  static Status of(int code) {
    return code >= 1 && code <= values().length ? values()[code - 1] : INTERNAL;
  }

  /** The library's name: "usage", "bad_input", ... */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
