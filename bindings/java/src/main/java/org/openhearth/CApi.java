package org.openhearth;

import com.sun.jna.Callback;
import com.sun.jna.Library;
import com.sun.jna.Native;
import com.sun.jna.Pointer;
import com.sun.jna.ptr.LongByReference;
import com.sun.jna.ptr.PointerByReference;
import java.lang.ref.Reference;
import java.nio.charset.StandardCharsets;

/**
 * The functions of hearth.h. Handles and size_t are long, for the library is of 64 bits; texts are pointers to UTF-8.
 */
interface CApi extends Library {
  CApi LIBRARY = load();

  /** hearth_on_progress. */
  interface OnProgress extends Callback {
    int invoke(double fraction, long user);
  }

  /** hearth_on_piece. */
  interface OnPiece extends Callback {
    int invoke(Pointer text, long length, int token, long user);
  }

  Pointer hearth_error_message(Pointer error);

  void hearth_error_free(Pointer error);

  void hearth_free(Pointer memory);

  Pointer hearth_version();

  Pointer hearth_build_info();

  long hearth_cpu_level_count();

  Pointer hearth_cpu_level_name(long index);

  int hearth_cpu_level_active(PointerByReference name, PointerByReference error);

  int hearth_cancellation_new(LongByReference cancellation, PointerByReference error);

  void hearth_cancel(long cancellation);

  void hearth_cancellation_close(long cancellation);

  int hearth_model_options_init(Structs.ModelOptions options, long size, PointerByReference error);

  int hearth_model_open(
      Pointer path, Structs.ModelOptions options, LongByReference model, PointerByReference error);

  void hearth_model_close(long model);

  int hearth_model_get_info(long model, Structs.ModelInfo info, PointerByReference error);

  int hearth_model_metadata_count(long model, LongByReference count, PointerByReference error);

  int hearth_model_metadata_key(
      long model, long index, PointerByReference key, PointerByReference error);

  int hearth_model_metadata_get(
      long model, Pointer key, PointerByReference json, PointerByReference error);

  int hearth_model_metadata_json(
      long model, long mostElements, PointerByReference json, PointerByReference error);

  int hearth_tokenize(
      long model,
      Pointer text,
      long length,
      int flags,
      PointerByReference tokens,
      LongByReference count,
      PointerByReference error);

  int hearth_count_tokens(
      long model,
      Pointer text,
      long length,
      int flags,
      LongByReference count,
      PointerByReference error);

  int hearth_detokenize(
      long model,
      Pointer tokens,
      long count,
      int special,
      PointerByReference text,
      LongByReference length,
      PointerByReference error);

  int hearth_token_bytes(
      long model,
      int token,
      PointerByReference bytes,
      LongByReference length,
      PointerByReference error);

  int hearth_render_chat(
      long model,
      Pointer messages,
      Pointer tools,
      Pointer variables,
      PointerByReference text,
      LongByReference length,
      PointerByReference error);

  int hearth_render_template(
      Pointer source,
      Pointer context,
      PointerByReference text,
      LongByReference length,
      PointerByReference error);

  int hearth_session_options_init(
      Structs.SessionOptions options, long size, PointerByReference error);

  int hearth_session_open(
      long model, Structs.SessionOptions options, LongByReference session, PointerByReference error);

  void hearth_session_close(long session);

  int hearth_session_get_info(long session, Structs.SessionInfo info, PointerByReference error);

  int hearth_generation_options_init(
      Structs.GenerationOptions options, long size, PointerByReference error);

  void hearth_result_free(Pointer result);

  int hearth_session_complete(
      long session,
      Pointer text,
      long length,
      Structs.GenerationOptions options,
      OnPiece onPiece,
      long user,
      PointerByReference result,
      PointerByReference error);

  int hearth_session_complete_tokens(
      long session,
      Pointer tokens,
      long count,
      Structs.GenerationOptions options,
      OnPiece onPiece,
      long user,
      PointerByReference result,
      PointerByReference error);

  int hearth_session_chat(
      long session,
      Pointer messages,
      Structs.GenerationOptions options,
      OnPiece onPiece,
      long user,
      PointerByReference result,
      PointerByReference error);

  int hearth_session_say(
      long session,
      Pointer text,
      long length,
      Structs.GenerationOptions options,
      OnPiece onPiece,
      long user,
      PointerByReference result,
      PointerByReference error);

  void hearth_session_cancel(long session);

  int hearth_session_set_system(long session, Pointer text, PointerByReference error);

  int hearth_session_messages(long session, PointerByReference json, PointerByReference error);

  int hearth_session_set_messages(long session, Pointer json, PointerByReference error);

  int hearth_session_reset(long session, PointerByReference error);

  int hearth_adapter_open(
      long model, Pointer path, LongByReference adapter, PointerByReference error);

  void hearth_adapter_close(long adapter);

  int hearth_session_set_adapters(
      long session, Pointer adapters, Pointer scales, long count, PointerByReference error);

  int hearth_embed_options_init(Structs.EmbedOptions options, long size, PointerByReference error);

  void hearth_embeddings_free(Pointer embeddings);

  int hearth_embed(
      long model,
      Pointer texts,
      Pointer lengths,
      long count,
      Structs.EmbedOptions options,
      PointerByReference embeddings,
      PointerByReference error);

  int hearth_score_options_init(Structs.ScoreOptions options, long size, PointerByReference error);

  int hearth_score(
      long model,
      Pointer context,
      Pointer continuations,
      long count,
      Structs.ScoreOptions options,
      Pointer likelihoods,
      PointerByReference error);

  int hearth_score_tokens(
      long model,
      Pointer tokens,
      long count,
      long from,
      Structs.ScoreOptions options,
      Pointer likelihood,
      PointerByReference error);

  /** A call that may fail: gives its status. */
  interface Call {
    int run(PointerByReference error);
  }

  /** Makes a call and throws what it refuses. Keeps owner, whose handle is used, from being collected meanwhile. */
  static void check(Object owner, Call call) {
    PointerByReference error = new PointerByReference();
    int status = call.run(error);
    Reference.reachabilityFence(owner);
    if (status == 0) {
      return;
    }
    Pointer fault = error.getValue();
    try {
      throw new HearthException(Status.of(status), text(LIBRARY.hearth_error_message(fault)));
    } finally {
      LIBRARY.hearth_error_free(fault);
    }
  }

  static String text(Pointer text) {
    return text == null ? null : text.getString(0, "UTF-8");
  }

  /** Copies text that the library gave by pointer, and gives it back. */
  static String take(PointerByReference text) {
    String copy = text(text.getValue());
    LIBRARY.hearth_free(text.getValue());
    return copy;
  }

  static String take(PointerByReference text, LongByReference length) {
    return new String(takeBytes(text, length), StandardCharsets.UTF_8);
  }

  static byte[] takeBytes(PointerByReference bytes, LongByReference length) {
    Pointer from = bytes.getValue();
    byte[] copy = from == null ? new byte[0] : from.getByteArray(0, Math.toIntExact(length.getValue()));
    LIBRARY.hearth_free(from);
    return copy;
  }

  static int[] takeTokens(PointerByReference tokens, LongByReference count) {
    Pointer from = tokens.getValue();
    int[] copy = from == null ? new int[0] : from.getIntArray(0, Math.toIntExact(count.getValue()));
    LIBRARY.hearth_free(from);
    return copy;
  }

  private static CApi load() {
    if (Native.SIZE_T_SIZE != 8) {
      throw new HearthException(Status.UNSUPPORTED, "Open Hearth needs a 64-bit Java");
    }
    String path = System.getProperty("hearth.library", System.getenv("HEARTH_LIBRARY"));
    return Native.load(path == null || path.isEmpty() ? "hearth" : path, CApi.class);
  }
}
