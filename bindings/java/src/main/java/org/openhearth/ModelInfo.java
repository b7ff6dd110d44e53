package org.openhearth;

import java.util.OptionalInt;

/** Describes an open model. */
public final class ModelInfo {
  private final Structs.ModelInfo raw;

  ModelInfo(Structs.ModelInfo raw) {
    this.raw = raw;
  }

  /** Weights. */
  public long parameterCount() {
    return raw.parameter_count;
  }

  /** Of all parts of the file. */
  public long fileBytes() {
    return raw.file_bytes;
  }

  /** Tokens that a session holds unless it says otherwise. */
  public int contextLength() {
    return raw.context_length;
  }

  /** Tokens that the model was trained for. */
  public int trainedContext() {
    return raw.trained_context;
  }

  /** Tokens. */
  public int vocabularySize() {
    return raw.vocabulary_size;
  }

  /** Numbers in the vector of a token, or of a text. */
  public int embeddingLength() {
    return raw.embedding_length;
  }

  /** Layers. */
  public int layerCount() {
    return raw.layer_count;
  }

  /** Threads that it computes with. */
  public int threads() {
    return raw.threads;
  }

  /** Begins a text, where there is one. */
  public OptionalInt bosToken() {
    return token(raw.bos_token);
  }

  /** Ends a text, where there is one. */
  public OptionalInt eosToken() {
    return token(raw.eos_token);
  }

  /** Gives embeddings, and no text. */
  public boolean isEncoder() {
    return raw.is_encoder != 0;
  }

  /** False: takes and gives tokens only. */
  public boolean hasTokenizer() {
    return raw.has_tokenizer != 0;
  }

  /** False: {@link Session#chat} and {@link Session#say} do not work. */
  public boolean hasChatTemplate() {
    return raw.has_chat_template != 0;
  }

  private static OptionalInt token(int token) {
    return token == Piece.NO_TOKEN ? OptionalInt.empty() : OptionalInt.of(token);
  }
}
