import * as c from "./library.js";
import { choice, fill, type Heard } from "./options.js";
import { Session, type SessionOptions } from "./session.js";

/** A JSON value, or the text of one. */
export type Json = unknown;

export interface ModelOptions {
  /** 0: one a physical core */
  threads?: number;
  /** tokens that a session holds unless it says otherwise; 0: what the model was trained for */
  contextLength?: number;
  /** prompt tokens computed at a time */
  batchTokens?: number;
  /** how sessions keep what they have read */
  cacheType?: "f16" | "f32" | "q8_0" | "q4_0";
  /** read the file while opening (default) */
  preload?: boolean;
  /** a full context goes on, its oldest half forgotten */
  shift?: boolean;
  /** do not estimate logits that cannot be drawn; slower */
  allLogits?: boolean;
  signal?: AbortSignal;
  /** hears how far opening is, from 0 to 1; false stops it */
  onProgress?: (fraction: number) => Heard | Promise<Heard>;
}

export interface ModelInfo {
  parameterCount: number;
  fileBytes: number;
  contextLength: number;
  trainedContext: number;
  vocabularySize: number;
  embeddingLength: number;
  layerCount: number;
  threads: number;
  bosToken: number | null;
  eosToken: number | null;
  isEncoder: boolean;
  hasTokenizer: boolean;
  hasChatTemplate: boolean;
}

export interface TokenizeOptions {
  /** BOS, EOS and their like, where the model's file asks for them (default) */
  addSpecial?: boolean;
  /** "<|im_end|>" in the text is that token, not its letters */
  parseSpecial?: boolean;
}

export interface EmbedOptions {
  /** put before each text, as it stands */
  prefix?: string;
  /** keep the first so many numbers; 0: all */
  dimensions?: number;
  /** what becomes of a text that is longer than the model reads at once */
  longText?: "refuse" | "truncate" | "mean";
  /** to length 1 (default) */
  normalise?: boolean;
  signal?: AbortSignal;
  onProgress?: (fraction: number) => Heard | Promise<Heard>;
}

export interface Likelihood {
  /** natural logarithm, summed over the tokens */
  logLikelihood: number;
  tokenCount: number;
  /** each token was the likeliest */
  greedy: boolean;
}

const cacheTypes = ["f16", "f32", "q8_0", "q4_0"] as const;
const longTexts = ["refuse", "truncate", "mean"] as const;
const collected = new FinalizationRegistry<() => void>((close) => close());

/** A model file, opened. Immutable; sessions and calls may use it at once. */
export class Model {
  private constructor(readonly handle: c.Pointer) {
    collected.register(this, () => c.plain.modelClose(handle), this);
  }

  /** Opens a GGUF file, without blocking the event loop. */
  static async open(path: string, options: ModelOptions = {}): Promise<Model> {
    const { signal, onProgress, cacheType, ...rest } = options;
    const struct = fill(c.initialised("hearth_model_options_init", c.ModelOptions), rest);
    struct["cache_type"] = choice("cacheType", cacheType, cacheTypes);
    const out: [c.Pointer] = [null];
    try {
      await long(signal, onProgress, struct, () => c.callAsync("hearth_model_open", c.terminated(path, "the path"), struct, out));
    } catch (error) {
      c.plain.modelClose(out[0]); // where what the callback promised failed after the end
      throw error;
    }
    return new Model(out[0]);
  }

  /** Gives the memory back once its sessions are closed too. Closing again is harmless. */
  close(): void {
    c.plain.modelClose(this.handle);
    collected.unregister(this);
  }
  [Symbol.dispose](): void {
    this.close();
  }

  get info(): ModelInfo {
    const info: any = { struct_size: c.sizeOf(c.ModelInfo) };
    c.call("hearth_model_get_info", this.handle, info);
    const token = (value: number): number | null => (value === -1 ? null : value);
    return {
      parameterCount: info.parameter_count,
      fileBytes: info.file_bytes,
      contextLength: info.context_length,
      trainedContext: info.trained_context,
      vocabularySize: info.vocabulary_size,
      embeddingLength: info.embedding_length,
      layerCount: info.layer_count,
      threads: info.threads,
      bosToken: token(info.bos_token),
      eosToken: token(info.eos_token),
      isEncoder: info.is_encoder !== 0,
      hasTokenizer: info.has_tokenizer !== 0,
      hasChatTemplate: info.has_chat_template !== 0,
    };
  }

  /** The file's keys, in its order. */
  metadataKeys(): string[] {
    const count: [number] = [0];
    c.call("hearth_model_metadata_count", this.handle, count);
    return Array.from({ length: count[0] }, (_, index) => {
      const key: [c.Pointer] = [null];
      c.call("hearth_model_metadata_key", this.handle, index, key);
      return c.take(key[0]);
    });
  }

  metadata(key: string): any {
    const out: [c.Pointer] = [null];
    c.call("hearth_model_metadata_get", this.handle, c.terminated(key, "the key"), out);
    return JSON.parse(c.take(out[0]));
  }

  /** All metadata; arrays of more than `mostElements` become { length, first }. 0: whole. */
  metadataSummary(mostElements = 8): Record<string, any> {
    c.integer("mostElements", mostElements, 0, Number.MAX_SAFE_INTEGER);
    const out: [c.Pointer] = [null];
    c.call("hearth_model_metadata_json", this.handle, mostElements, out);
    return JSON.parse(c.take(out[0]));
  }

  tokenize(text: string, options: TokenizeOptions = {}): number[] {
    const bytes = c.bytesOf(text, "the text");
    const out: [c.Pointer] = [null];
    const count: [number] = [0];
    c.call("hearth_tokenize", this.handle, bytes, bytes.length, flags(options), out, count);
    try {
      return c.tokensAt(out[0], count[0]);
    } finally {
      c.plain.free(out[0]);
    }
  }

  countTokens(text: string, options: TokenizeOptions = {}): number {
    const bytes = c.bytesOf(text, "the text");
    const count: [number] = [0];
    c.call("hearth_count_tokens", this.handle, bytes, bytes.length, flags(options), count);
    return count[0];
  }

  /** Control tokens are left out unless `special`. */
  detokenize(tokens: readonly number[], special = false): string {
    const out: [c.Pointer] = [null];
    const length: [number] = [0];
    c.call("hearth_detokenize", this.handle, c.tokenArray(tokens), tokens.length, special ? 1 : 0, out, length);
    return c.take(out[0], length[0]);
  }

  /** The bytes one token stands for; perhaps a part of a character. */
  tokenBytes(token: number): Uint8Array {
    const out: [c.Pointer] = [null];
    const length: [number] = [0];
    c.call("hearth_token_bytes", this.handle, c.integer("a token", token, -(2 ** 31), 2 ** 31 - 1), out, length);
    try {
      return c.bytesAt(out[0], length[0]);
    } finally {
      c.plain.free(out[0]);
    }
  }

  /** The text that the model's template makes of a conversation. */
  renderChat(messages: Json, tools?: Json, variables?: Json): string {
    const out: [c.Pointer] = [null];
    const length: [number] = [0];
    const texts = [c.asJson(messages, "messages"), c.asJson(tools, "tools"), c.asJson(variables, "variables")];
    c.call("hearth_render_chat", this.handle, ...texts, out, length);
    return c.take(out[0], length[0]);
  }

  session(options: SessionOptions = {}): Session {
    return new Session(this, options);
  }

  adapter(path: string): Adapter {
    return new Adapter(this, path);
  }

  /** One vector a text, in their order, with an embedding model. */
  async embed(texts: readonly string[], options: EmbedOptions = {}): Promise<{ vectors: Float32Array[]; promptTokens: number }> {
    const { signal, onProgress, longText, ...rest } = options;
    const struct = fill(c.initialised("hearth_embed_options_init", c.EmbedOptions), rest);
    struct["long_text"] = choice("longText", longText, longTexts);
    const out: [c.Pointer] = [null];
    const values = c.listOf(texts, "texts").map((text) => c.bytesOf(text, "a text"));
    const lengths = BigUint64Array.from(values, (value) => BigInt(value.length));
    try {
      await long(signal, onProgress, struct, () => c.callAsync("hearth_embed", this.handle, values, lengths, values.length, struct, out));
      const found = c.structAt(out[0], c.Embeddings);
      const all = c.floatsAt(found.values, found.count * found.width);
      const vectors = texts.map((_, index) => all.slice(index * found.width, (index + 1) * found.width));
      return { vectors, promptTokens: found.prompt_tokens };
    } finally {
      c.plain.embeddingsFree(out[0]);
    }
  }

  /** How likely the model finds each continuation of `context`. */
  async score(context: string, continuations: readonly string[], options: { signal?: AbortSignal } = {}): Promise<Likelihood[]> {
    const texts = c.listOf(continuations, "continuations").map((text) => c.terminated(text, "a continuation"));
    return this.scored(texts.length, options.signal, (struct, out) =>
      c.callAsync("hearth_score", this.handle, c.terminated(context, "the context"), texts, texts.length, struct, out),
    );
  }

  /** log P(tokens from `start` on | tokens before it). */
  async scoreTokens(tokens: readonly number[], start: number, options: { signal?: AbortSignal } = {}): Promise<Likelihood> {
    const array = c.tokenArray(tokens);
    c.integer("start", start, 0, 2 ** 32);
    const found = await this.scored(1, options.signal, (struct, out) =>
      c.callAsync("hearth_score_tokens", this.handle, array, array.length, start, struct, out),
    );
    return found[0]!;
  }

  private async scored(
    count: number,
    signal: AbortSignal | undefined,
    run: (struct: object, out: Buffer) => Promise<void>,
  ): Promise<Likelihood[]> {
    const struct = c.initialised("hearth_score_options_init", c.ScoreOptions);
    const each = c.sizeOf(c.Likelihood);
    const out = Buffer.alloc(Math.max(1, count) * each);
    await long(signal, undefined, struct, () => run(struct, out));
    return Array.from({ length: count }, (_, index) => ({
      logLikelihood: out.readDoubleLE(index * each),
      tokenCount: out.readUInt32LE(index * each + 8),
      greedy: out.readInt32LE(index * each + 12) !== 0,
    }));
  }
}

/** A LoRA adapter, opened for one model. */
export class Adapter {
  readonly handle: c.Pointer;

  constructor(model: Model, path: string) {
    const out: [c.Pointer] = [null];
    c.call("hearth_adapter_open", model.handle, c.terminated(path, "the path"), out);
    const handle = (this.handle = out[0]);
    collected.register(this, () => c.plain.adapterClose(handle), this);
  }

  /** Sessions that use it go on. */
  close(): void {
    c.plain.adapterClose(this.handle);
    collected.unregister(this);
  }
  [Symbol.dispose](): void {
    this.close();
  }
}

function flags(options: TokenizeOptions): number {
  return (options.addSpecial === false ? 0 : 1) | (options.parseSpecial ? 2 : 0);
}

/** A long call with progress, and with a signal that stops it. */
async function long(
  signal: AbortSignal | undefined,
  hear: ModelOptions["onProgress"],
  struct: Record<string, unknown>,
  run: () => Promise<void>,
): Promise<void> {
  const cancellation = new c.Cancellation(signal);
  const callback = new c.Callback("progress", hear, cancellation);
  struct["cancellation"] = cancellation.handle;
  struct["on_progress"] = callback.pointer;
  try {
    await run();
  } finally {
    cancellation.close();
    await callback.close();
  }
}
