package org.openhearth;

import com.sun.jna.ptr.LongByReference;

/** A request to stop that any number of calls can be given, before they begin or while they run. */
public final class Cancellation extends Handle {
  /** One that nobody has asked yet. */
  public Cancellation() {
    super(open(), CApi.LIBRARY::hearth_cancellation_close);
  }

  private static long open() {
    LongByReference out = new LongByReference();
    CApi.check(null, error -> CApi.LIBRARY.hearth_cancellation_new(out, error));
    return out.getValue();
  }

  /** Stops the calls that were given it, now and later, from whatever thread. */
  public void cancel() {
    CApi.LIBRARY.hearth_cancel(handle);
  }
}
