// hearth.h by koffi: the library, its structs, and calls that throw. Long calls run on worker threads of Node's pool;
// callbacks come back to the main thread, where JavaScript runs.
import koffi from "koffi";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isMainThread } from "node:worker_threads";
import { HearthError, statuses } from "./errors.js";

/** A handle of the library: an opaque pointer. */
export type Pointer = unknown;
type Library = ReturnType<typeof koffi.load>;
type Struct = ReturnType<typeof koffi.struct>;

const size = "size_t";
koffi.proto("int hearth_on_progress(double fraction, void *user)");
koffi.proto("int hearth_on_piece(const void *text, size_t length, int32_t token, void *user)");
const progress = koffi.pointer("hearth_on_progress");
const piece = koffi.pointer("hearth_on_piece");

export const ModelOptions = koffi.struct("hearth_model_options", {
  struct_size: size, on_progress: progress, user: "void *", cancellation: "void *", threads: "uint32_t", context_length: "uint32_t",
  batch_tokens: "uint32_t", cache_type: "int32_t", preload: "int32_t", shift: "int32_t", all_logits: "int32_t", reserved: "int32_t",
});
export const ModelInfo = koffi.struct("hearth_model_info", {
  struct_size: size, parameter_count: "uint64_t", file_bytes: "uint64_t", context_length: "uint32_t", trained_context: "uint32_t",
  vocabulary_size: "uint32_t", embedding_length: "uint32_t", layer_count: "uint32_t", threads: "uint32_t", bos_token: "int32_t",
  eos_token: "int32_t", is_encoder: "int32_t", has_tokenizer: "int32_t", has_chat_template: "int32_t", reserved: "int32_t",
});
export const SessionOptions = koffi.struct("hearth_session_options", { struct_size: size, context_length: "uint32_t", reserved: "int32_t" });
export const SessionInfo = koffi.struct("hearth_session_info", {
  struct_size: size, context_length: "uint32_t", used_tokens: "uint32_t", busy: "int32_t", reserved: "int32_t",
});
const LogitBias = koffi.struct("hearth_logit_bias", { token: "int32_t", bias: "float" });
export const GenerationOptions = koffi.struct("hearth_generation_options", {
  struct_size: size, seed: "uint64_t", stop: "const char **", stop_count: size, logit_bias: koffi.pointer(LogitBias),
  logit_bias_count: size, grammar: "const char *", json_schema: "const char *", tools: "const char *",
  template_variables: "const char *", cancellation: "void *", max_tokens: "uint32_t", top_k: "int32_t", temperature: "float",
  top_p: "float", min_p: "float", typical_p: "float", repeat_penalty: "float", frequency_penalty: "float", presence_penalty: "float",
  penalty_window: "int32_t", parse_special: "int32_t", special_text: "int32_t", ignore_end: "int32_t", reserved: "int32_t",
});
export const Result = koffi.struct("hearth_result", {
  struct_size: size, text: "void *", text_length: size, tokens: "void *", token_count: size, stop_text: "const char *",
  seed: "uint64_t", prompt_tokens: size, cached_tokens: size, generated_tokens: size, prompt_seconds: "double",
  generation_seconds: "double", finish_reason: "int32_t", reserved: "int32_t",
});
export const EmbedOptions = koffi.struct("hearth_embed_options", {
  struct_size: size, prefix: "const char *", on_progress: progress, user: "void *", cancellation: "void *", dimensions: "uint32_t",
  long_text: "int32_t", normalise: "int32_t", reserved: "int32_t",
});
export const Embeddings = koffi.struct("hearth_embeddings", {
  struct_size: size, values: "void *", count: size, width: size, prompt_tokens: size,
});
export const ScoreOptions = koffi.struct("hearth_score_options", {
  struct_size: size, on_progress: progress, user: "void *", cancellation: "void *",
});
export const Likelihood = koffi.struct("hearth_likelihood", { log_likelihood: "double", token_count: "uint32_t", greedy: "int32_t" });

function find(): string {
  const named = process.env["HEARTH_LIBRARY"];
  if (named) return named;
  const file = process.platform === "darwin" ? "libhearth.dylib" : process.platform === "win32" ? "hearth.dll" : "libhearth.so.0";
  const bundled = join(dirname(fileURLToPath(import.meta.url)), "..", "lib", file);
  return existsSync(bundled) ? bundled : file;
}

function load(): Library {
  const path = find();
  try {
    return koffi.load(path);
  } catch (error) {
    throw new Error(`openhearth cannot load its library ${path}; set HEARTH_LIBRARY to libhearth.so`, { cause: error });
  }
}

const library = load();
const generation = "hearth_generation_options *options, hearth_on_piece *hear, void *user, _Out_ void **result";

// Functions that give a status, without the error at their end.
const declarations = `
hearth_cpu_level_active(_Out_ const char **name)
hearth_cancellation_new(_Out_ void **cancellation)
hearth_model_options_init(_Out_ hearth_model_options *options, size_t size)
hearth_model_open(const char *path, hearth_model_options *options, _Out_ void **model)
hearth_model_get_info(void *model, _Inout_ hearth_model_info *info)
hearth_model_metadata_count(void *model, _Out_ size_t *count)
hearth_model_metadata_key(void *model, size_t index, _Out_ void **key)
hearth_model_metadata_get(void *model, const char *key, _Out_ void **json)
hearth_model_metadata_json(void *model, size_t most, _Out_ void **json)
hearth_tokenize(void *model, const void *text, size_t length, uint32_t flags, _Out_ void **tokens, _Out_ size_t *count)
hearth_count_tokens(void *model, const void *text, size_t length, uint32_t flags, _Out_ size_t *count)
hearth_detokenize(void *model, const void *tokens, size_t count, int32_t special, _Out_ void **text, _Out_ size_t *length)
hearth_token_bytes(void *model, int32_t token, _Out_ void **bytes, _Out_ size_t *length)
hearth_render_chat(void *model, const char *messages, const char *tools, const char *variables, _Out_ void **text, _Out_ size_t *length)
hearth_render_template(const char *source, const char *context, _Out_ void **text, _Out_ size_t *length)
hearth_session_options_init(_Out_ hearth_session_options *options, size_t size)
hearth_session_open(void *model, hearth_session_options *options, _Out_ void **session)
hearth_session_get_info(void *session, _Inout_ hearth_session_info *info)
hearth_generation_options_init(_Out_ hearth_generation_options *options, size_t size)
hearth_session_complete(void *session, const void *text, size_t length, ${generation})
hearth_session_complete_tokens(void *session, const void *tokens, size_t count, ${generation})
hearth_session_chat(void *session, const char *messages, ${generation})
hearth_session_say(void *session, const void *text, size_t length, ${generation})
hearth_session_set_system(void *session, const char *text)
hearth_session_messages(void *session, _Out_ void **json)
hearth_session_set_messages(void *session, const char *json)
hearth_session_reset(void *session)
hearth_adapter_open(void *model, const char *path, _Out_ void **adapter)
hearth_session_set_adapters(void *session, void **adapters, float *scales, size_t count)
hearth_embed_options_init(_Out_ hearth_embed_options *options, size_t size)
hearth_embed(void *model, const void **texts, size_t *lengths, size_t count, hearth_embed_options *options, _Out_ void **embeddings)
hearth_score_options_init(_Out_ hearth_score_options *options, size_t size)
hearth_score(void *model, const char *context, const char **texts, size_t count, hearth_score_options *options, void *likelihoods)
hearth_score_tokens(void *model, const void *tokens, size_t count, size_t from, hearth_score_options *options, void *likelihood)`;

const functions = new Map<string, ReturnType<Library["func"]>>();
for (const line of declarations.trim().split("\n"))
  functions.set(line.slice(0, line.indexOf("(")), library.func(`int ${line.slice(0, -1)}, _Out_ void **error)`));

export const plain = {
  version: library.func("const char *hearth_version()"),
  buildInfo: library.func("const char *hearth_build_info()"),
  levelCount: library.func("size_t hearth_cpu_level_count()"),
  levelName: library.func("const char *hearth_cpu_level_name(size_t index)"),
  errorMessage: library.func("const char *hearth_error_message(void *error)"),
  errorFree: library.func("void hearth_error_free(void *error)"),
  free: library.func("void hearth_free(void *memory)"),
  cancel: library.func("void hearth_cancel(void *cancellation)"),
  cancellationRenew: library.func("void hearth_cancellation_renew(void *cancellation)"),
  cancellationClose: library.func("void hearth_cancellation_close(void *cancellation)"),
  modelClose: library.func("void hearth_model_close(void *model)"),
  sessionClose: library.func("void hearth_session_close(void *session)"),
  sessionCancel: library.func("void hearth_session_cancel(void *session)"),
  adapterClose: library.func("void hearth_adapter_close(void *adapter)"),
  resultFree: library.func("void hearth_result_free(void *result)"),
  embeddingsFree: library.func("void hearth_embeddings_free(void *embeddings)"),
};

function check(status: number, error: [Pointer]): void {
  if (status === 0) return;
  const message = plain.errorMessage(error[0]) as string;
  plain.errorFree(error[0]);
  throw new HearthError(statuses[status] ?? "internal", message);
}

/** Calls a function that is done at once; throws what it refuses. */
export function call(name: string, ...args: unknown[]): void {
  const error: [Pointer] = [null];
  check(functions.get(name)!(...args, error) as number, error);
}

// Node waits for its threads when it ends, and a call on one of them for its callback, which no longer comes: with calls
// under way the process ends at once. A worker that ends only stops its own.
const underWay = new Set<Cancellation>();
process.on("exit", (code) => {
  if (isMainThread && underWay.size > 0) koffi.load(null as unknown as string).func("void _exit(int code)")(code);
  for (const one of underWay) one.cancel();
});

/** Calls a function that takes its time, on another thread. */
export async function callAsync(name: string, ...args: unknown[]): Promise<void> {
  const error: [Pointer] = [null];
  const status = await new Promise<number>((resolve, reject) =>
    functions.get(name)!.async(...args, error, (fault: unknown, status: number) => (fault ? reject(fault) : resolve(status))),
  );
  check(status, error);
}

/** A struct of options with the library's defaults. */
export function initialised(init: string, type: Struct): Record<string, unknown> {
  const options = {} as Record<string, unknown>;
  call(init, options, koffi.sizeof(type));
  return options;
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

export const bytesAt = (pointer: Pointer, length: number): Uint8Array =>
  length === 0 ? new Uint8Array() : Uint8Array.from(koffi.decode(pointer, koffi.array("uint8_t", length)) as Iterable<number>);
export const textAt = (pointer: Pointer, length: number): string => utf8.decode(bytesAt(pointer, length));
export const tokensAt = (pointer: Pointer, count: number): number[] =>
  count === 0 ? [] : Array.from(koffi.decode(pointer, koffi.array("int32_t", count)) as Iterable<number>);
export const floatsAt = (pointer: Pointer, count: number): Float32Array =>
  count === 0 ? new Float32Array() : Float32Array.from(koffi.decode(pointer, koffi.array("float", count)) as Iterable<number>);
export const structAt = (pointer: Pointer, type: Struct): any => koffi.decode(pointer, type);
export const sizeOf = (type: Struct): number => koffi.sizeof(type);

/** Text that the library gave by pointer, copied and given back. */
export function take(pointer: Pointer, length?: number): string {
  try {
    return length === undefined ? (koffi.decode(pointer, "char", -1) as string) : textAt(pointer, length);
  } finally {
    plain.free(pointer);
  }
}

function checked(text: string, what: string): string {
  if (typeof text !== "string") throw new TypeError(`${what} is no string`);
  if (/\p{Surrogate}/u.test(text)) throw new HearthError("bad_input", `${what} holds half a surrogate pair`);
  return text;
}

/** Text of any characters, for calls that are told its length. */
export function bytesOf(text: string, what: string): Buffer {
  return Buffer.from(checked(text, what), "utf8");
}

/** Text that the library wants NUL-terminated. */
export function terminated(text: string, what: string): string {
  if (checked(text, what).includes("\0")) throw new HearthError("bad_input", `${what} holds a NUL`);
  return text;
}

export function listOf<T>(values: readonly T[], what: string): readonly T[] {
  if (!Array.isArray(values)) throw new TypeError(`${what} are no array`);
  return values;
}

/** JSON text as it stands, anything else written as JSON; undefined and null: none. */
export function asJson(value: unknown, what: string): string | null {
  if (value === undefined || value === null) return null;
  const text = typeof value === "string" ? value : JSON.stringify(value);
  if (text === undefined) throw new TypeError(`${what} cannot be written as JSON`);
  return terminated(text, what);
}

export function tokenArray(tokens: readonly number[]): Int32Array {
  for (const token of tokens) integer("a token", token, -(2 ** 31), 2 ** 31 - 1);
  return Int32Array.from(tokens);
}

export function integer(name: string, value: unknown, low: number, high: number): number {
  if (typeof value !== "number" || !Number.isInteger(value)) throw new TypeError(`${name} is ${String(value)}, not an integer`);
  if (value < low || value > high) throw new HearthError("usage", `${name} is ${value}, take ${low} to ${high}`);
  return value;
}

/**
 * A JavaScript function called from the library: false stops the call, and what is thrown ends it and is thrown there. Where
 * a promise is given, its outcome counts, once it is there.
 */
export class Callback {
  readonly pointer: ReturnType<typeof koffi.register> | null;
  private error: { value: unknown } | undefined;
  private readonly promised: Promise<void>[] = [];

  constructor(type: "progress" | "piece", run: ((...args: any[]) => unknown) | undefined, cancellation: Cancellation) {
    const fail = (value: unknown): void => void (this.error ??= { value });
    const outcome = async (said: PromiseLike<unknown>): Promise<void> => {
      try {
        if ((await said) !== false) return;
      } catch (error) {
        fail(error);
      }
      cancellation.cancel();
    };
    this.pointer = run
      ? koffi.register(
          (...args: unknown[]) => {
            try {
              cancellation.renew();
              const said = run(...args);
              if (isPromise(said)) this.promised.push(outcome(said));
              return said === false ? 1 : 0;
            } catch (error) {
              fail(error);
              return 1;
            }
          },
          type === "progress" ? progress : piece,
        )
      : null;
  }

  /** After the call; waits for what was promised. */
  async close(): Promise<void> {
    if (this.pointer) koffi.unregister(this.pointer);
    await Promise.all(this.promised);
    if (this.error) throw this.error.value;
  }
}

const isPromise = (value: unknown): value is PromiseLike<unknown> => typeof (value as PromiseLike<unknown> | null)?.then === "function";

/** What stops one call: an AbortSignal, or the end of its thread. */
export class Cancellation {
  readonly handle: Pointer;
  readonly cancel = (): void => void plain.cancel(this.handle);

  constructor(private readonly signal: AbortSignal | undefined) {
    if (signal !== undefined && !(signal instanceof AbortSignal)) throw new TypeError("signal is no AbortSignal");
    const out: [Pointer] = [null];
    call("hearth_cancellation_new", out);
    this.handle = out[0];
    underWay.add(this);
    this.renew();
    if (signal?.aborted) this.cancel();
    signal?.addEventListener("abort", this.cancel);
  }

  /** Said by each callback: that of a worker which is being terminated is not run, and koffi returns whatever there is. */
  renew(): void {
    plain.cancellationRenew(this.handle);
  }

  close(): void {
    underWay.delete(this);
    this.signal?.removeEventListener("abort", this.cancel);
    plain.cancellationClose(this.handle);
  }
}
