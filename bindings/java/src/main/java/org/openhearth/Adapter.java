package org.openhearth;

/** A LoRA adapter in GGUF, opened for one model. Sessions that use it go on when it is closed. */
public final class Adapter extends Handle {
  Adapter(long handle) {
    super(handle, CApi.LIBRARY::hearth_adapter_close);
  }
}
