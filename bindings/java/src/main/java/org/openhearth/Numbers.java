package org.openhearth;

/** Options' values, as C takes them. */
final class Numbers {
  private Numbers() {}

  static int unsigned(String name, long value) {
    if (value < 0 || value > 0xFFFFFFFFL) {
      throw new HearthException(Status.USAGE, name + " is " + value + ": it goes from 0 to 4294967295");
    }
    return (int) value;
  }

  static int flag(boolean value) {
    return value ? 1 : 0;
  }

  static <T> T given(T value, String what) {
    if (value == null) {
      throw new HearthException(Status.USAGE, what + " is null");
    }
    return value;
  }
}
