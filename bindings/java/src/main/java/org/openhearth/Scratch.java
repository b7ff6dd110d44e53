package org.openhearth;

import com.sun.jna.Memory;
import com.sun.jna.Pointer;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** What one call needs outside of Java's heap. */
final class Scratch implements AutoCloseable {
  /** UTF-8 of a text, and its length in bytes; a NUL follows. */
  static final class Text {
    final Pointer pointer;
    final long length;

    private Text(Pointer pointer, long length) {
      this.pointer = pointer;
      this.length = length;
    }
  }

  private final List<Memory> kept = new ArrayList<>();

  @Override
  public void close() {
    kept.forEach(Memory::close);
  }

  Memory room(long bytes) {
    Memory memory = new Memory(Math.max(bytes, 1));
    kept.add(memory);
    return memory;
  }

  Text text(String text, String what) {
    if (text == null) {
      throw new HearthException(Status.USAGE, what + " is null");
    }
    ByteBuffer bytes;
    try {
      bytes = StandardCharsets.UTF_8.newEncoder().encode(CharBuffer.wrap(text));
    } catch (CharacterCodingException e) {
      throw new HearthException(Status.BAD_INPUT, what + " holds half a surrogate pair");
    }
    int length = bytes.remaining();
    Memory memory = room(length + 1L);
    memory.write(0, bytes.array(), bytes.arrayOffset(), length);
    memory.setByte(length, (byte) 0);
    return new Text(memory, length);
  }

  /** For what the library reads up to a NUL. */
  Pointer terminated(String text, String what) {
    if (text != null && text.indexOf('\0') >= 0) {
      throw new HearthException(Status.BAD_INPUT, what + " holds a NUL");
    }
    return text(text, what).pointer;
  }

  /** NULL for null. */
  Pointer optional(String text, String what) {
    return text == null ? null : terminated(text, what);
  }

  Pointer texts(List<String> texts, String what) {
    Memory array = room(8L * texts.size());
    for (int i = 0; i < texts.size(); i++) {
      array.setPointer(8L * i, terminated(texts.get(i), what));
    }
    return array;
  }

  Pointer tokens(int[] tokens) {
    if (tokens == null) {
      throw new HearthException(Status.USAGE, "the tokens are null");
    }
    Memory array = room(4L * tokens.length);
    array.write(0, tokens, 0, tokens.length);
    return array;
  }
}
