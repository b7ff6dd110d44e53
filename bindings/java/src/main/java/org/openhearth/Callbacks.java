package org.openhearth;

import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.DoublePredicate;
import java.util.function.Predicate;

/**
 * One native function for all progress callbacks and one for all pieces; `user` says which listener is meant. What a
 * listener throws is carried over the native frames and thrown again by {@link #rethrow}.
 */
final class Callbacks implements AutoCloseable {
  private static final Map<Long, Callbacks> OPEN = new ConcurrentHashMap<>();
  private static final AtomicLong NEXT = new AtomicLong(1);
  private static final CApi.OnProgress PROGRESS = (fraction, user) -> OPEN.get(user).progress(fraction);
  private static final CApi.OnPiece PIECE =
      (text, length, token, user) -> OPEN.get(user).piece(text.getByteArray(0, (int) length), token);

  final long user = NEXT.getAndIncrement();
  private final DoublePredicate onProgress;
  private final Predicate<Piece> onPiece;
  private Throwable thrown;

  private Callbacks(DoublePredicate onProgress, Predicate<Piece> onPiece) {
    this.onProgress = onProgress;
    this.onPiece = onPiece;
    OPEN.put(user, this);
  }

  static Callbacks ofProgress(DoublePredicate listener) {
    return new Callbacks(listener, null);
  }

  static Callbacks ofPieces(Predicate<Piece> listener) {
    return new Callbacks(null, listener);
  }

  CApi.OnProgress progress() {
    return onProgress == null ? null : PROGRESS;
  }

  CApi.OnPiece piece() {
    return onPiece == null ? null : PIECE;
  }

  private int progress(double fraction) {
    try {
      return onProgress.test(fraction) ? 0 : 1;
    } catch (Throwable fault) {
      thrown = fault;
      return 1;
    }
  }

  private int piece(byte[] text, int token) {
    try {
      return onPiece.test(new Piece(new String(text, StandardCharsets.UTF_8), token)) ? 0 : 1;
    } catch (Throwable fault) {
      thrown = fault;
      return 1;
    }
  }

  /** Makes a call that may come back here; what a listener threw comes before what the call says of it. */
  void check(Object owner, CApi.Call call) {
    try {
      CApi.check(owner, call);
    } finally {
      rethrow();
    }
  }

  private void rethrow() {
    if (thrown != null) {
      Callbacks.<RuntimeException>sneak(thrown);
    }
  }

  /** Throws what it is given, checked or not. */
  @SuppressWarnings("unchecked")
  static <T extends Throwable> void sneak(Throwable fault) throws T {
    throw (T) fault;
  }

  @Override
  public void close() {
    OPEN.remove(user);
  }
}
