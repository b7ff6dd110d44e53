package org.openhearth;

import java.lang.ref.Cleaner;
import java.util.function.LongConsumer;

/** Something of the library's: released when it is closed, or when it is collected. */
abstract class Handle implements AutoCloseable {
  private static final Cleaner CLEANER = Cleaner.create();

  final long handle;
  private final Cleaner.Cleanable release;

  Handle(long handle, LongConsumer release) {
    this.handle = handle;
    this.release = CLEANER.register(this, () -> release.accept(handle));
  }

  /** Returns at once; closing again is harmless. */
  @Override
  public void close() {
    release.clean();
  }
}
