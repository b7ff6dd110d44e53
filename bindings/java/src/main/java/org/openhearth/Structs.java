package org.openhearth;

import com.sun.jna.Pointer;
import com.sun.jna.Structure;
import com.sun.jna.Structure.FieldOrder;

/** The structs of hearth.h, field by field. */
final class Structs {
  private Structs() {}

  /** hearth_model_options. */
  @FieldOrder({
    "struct_size", "on_progress", "user", "cancellation", "threads", "context_length", "batch_tokens", "cache_type",
    "preload", "shift", "all_logits", "reserved"
  })
  public static final class ModelOptions extends Structure {
    public long struct_size;
    public CApi.OnProgress on_progress;
    public long user;
    public long cancellation;
    public int threads;
    public int context_length;
    public int batch_tokens;
    public int cache_type;
    public int preload;
    public int shift;
    public int all_logits;
    public int reserved;
  }

  /** hearth_model_info. */
  @FieldOrder({
    "struct_size", "parameter_count", "file_bytes", "context_length", "trained_context", "vocabulary_size",
    "embedding_length", "layer_count", "threads", "bos_token", "eos_token", "is_encoder", "has_tokenizer",
    "has_chat_template", "reserved"
  })
  public static final class ModelInfo extends Structure {
    public long struct_size = size();
    public long parameter_count;
    public long file_bytes;
    public int context_length;
    public int trained_context;
    public int vocabulary_size;
    public int embedding_length;
    public int layer_count;
    public int threads;
    public int bos_token;
    public int eos_token;
    public int is_encoder;
    public int has_tokenizer;
    public int has_chat_template;
    public int reserved;
  }

  /** hearth_session_options. */
  @FieldOrder({"struct_size", "context_length", "reserved"})
  public static final class SessionOptions extends Structure {
    public long struct_size;
    public int context_length;
    public int reserved;
  }

  /** hearth_session_info. */
  @FieldOrder({"struct_size", "context_length", "used_tokens", "busy", "reserved"})
  public static final class SessionInfo extends Structure {
    public long struct_size = size();
    public int context_length;
    public int used_tokens;
    public int busy;
    public int reserved;
  }

  /** hearth_generation_options. */
  @FieldOrder({
    "struct_size", "seed", "stop", "stop_count", "logit_bias", "logit_bias_count", "grammar", "json_schema", "tools",
    "template_variables", "cancellation", "max_tokens", "top_k", "temperature", "top_p", "min_p", "typical_p",
    "repeat_penalty", "frequency_penalty", "presence_penalty", "penalty_window", "parse_special", "special_text",
    "ignore_end", "reserved"
  })
  public static final class GenerationOptions extends Structure {
    public long struct_size;
    public long seed;
    public Pointer stop;
    public long stop_count;
    public Pointer logit_bias;
    public long logit_bias_count;
    public Pointer grammar;
    public Pointer json_schema;
    public Pointer tools;
    public Pointer template_variables;
    public long cancellation;
    public int max_tokens;
    public int top_k;
    public float temperature;
    public float top_p;
    public float min_p;
    public float typical_p;
    public float repeat_penalty;
    public float frequency_penalty;
    public float presence_penalty;
    public int penalty_window;
    public int parse_special;
    public int special_text;
    public int ignore_end;
    public int reserved;
  }

  /** hearth_result. */
  @FieldOrder({
    "struct_size", "text", "text_length", "tokens", "token_count", "stop_text", "seed", "prompt_tokens",
    "cached_tokens", "generated_tokens", "prompt_seconds", "generation_seconds", "finish_reason", "reserved"
  })
  public static final class Result extends Structure {
    public long struct_size;
    public Pointer text;
    public long text_length;
    public Pointer tokens;
    public long token_count;
    public Pointer stop_text;
    public long seed;
    public long prompt_tokens;
    public long cached_tokens;
    public long generated_tokens;
    public double prompt_seconds;
    public double generation_seconds;
    public int finish_reason;
    public int reserved;

    Result(Pointer at) {
      super(at);
      read();
    }
  }

  /** hearth_embed_options. */
  @FieldOrder({
    "struct_size", "prefix", "on_progress", "user", "cancellation", "dimensions", "long_text", "normalise", "reserved"
  })
  public static final class EmbedOptions extends Structure {
    public long struct_size;
    public Pointer prefix;
    public CApi.OnProgress on_progress;
    public long user;
    public long cancellation;
    public int dimensions;
    public int long_text;
    public int normalise;
    public int reserved;
  }

  /** hearth_embeddings. */
  @FieldOrder({"struct_size", "values", "count", "width", "prompt_tokens"})
  public static final class Embeddings extends Structure {
    public long struct_size;
    public Pointer values;
    public long count;
    public long width;
    public long prompt_tokens;

    Embeddings(Pointer at) {
      super(at);
      read();
    }
  }

  /** hearth_score_options. */
  @FieldOrder({"struct_size", "on_progress", "user", "cancellation"})
  public static final class ScoreOptions extends Structure {
    public long struct_size;
    public CApi.OnProgress on_progress;
    public long user;
    public long cancellation;
  }
}
