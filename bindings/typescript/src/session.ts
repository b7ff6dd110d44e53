import { HearthError } from "./errors.js";
import * as c from "./library.js";
import type { Adapter, Json, Model } from "./model.js";
import { fill, type GenerationOptions } from "./options.js";

export interface SessionOptions {
  /** tokens it holds, prompts and answers; 0: the model's */
  contextLength?: number;
  /** the conversation's system message */
  system?: string;
}

export interface Message {
  role: string;
  content: string;
  [more: string]: unknown;
}

/** An answer. `seed` draws the same one again. */
export interface Result {
  text: string;
  tokens: number[];
  finishReason: "stop" | "length" | "cancelled";
  stopText: string | null;
  seed: number | bigint;
  promptTokens: number;
  cachedTokens: number;
  generatedTokens: number;
  promptSeconds: number;
  generationSeconds: number;
}

const finishReasons = ["stop", "length", "cancelled"] as const;
const collected = new FinalizationRegistry<c.Pointer>((handle) => c.plain.sessionClose(handle));

/** One conversation with a model, or one text, and what was computed of it. One call at a time. */
export class Session {
  readonly handle: c.Pointer;
  private running = false;

  constructor(model: Model, options: SessionOptions = {}) {
    const { system, ...rest } = options;
    const struct = fill(c.initialised("hearth_session_options_init", c.SessionOptions), rest);
    const out: [c.Pointer] = [null];
    c.call("hearth_session_open", model.handle, struct, out);
    this.handle = out[0];
    collected.register(this, this.handle, this);
    if (system) this.setSystem(system);
  }

  /** What runs in it is cancelled. Closing again is harmless. */
  close(): void {
    c.plain.sessionClose(this.handle);
    collected.unregister(this);
  }
  [Symbol.dispose](): void {
    this.close();
  }

  get info(): { contextLength: number; usedTokens: number; busy: boolean } {
    const info: any = { struct_size: c.sizeOf(c.SessionInfo) };
    c.call("hearth_session_get_info", this.handle, info);
    return { contextLength: info.context_length, usedTokens: info.used_tokens, busy: info.busy !== 0 };
  }

  /** Continues a text (or tokens) as it stands. */
  complete(prompt: string | readonly number[], options: GenerationOptions = {}): Promise<Result> {
    if (typeof prompt === "string") {
      const bytes = c.bytesOf(prompt, "the prompt");
      return this.generate("hearth_session_complete", [bytes, bytes.length], options);
    }
    return this.generate("hearth_session_complete_tokens", [c.tokenArray(prompt), prompt.length], options);
  }

  /** Answers a whole conversation: messages, or the JSON text of them. */
  chat(messages: readonly Message[] | Json, options: GenerationOptions = {}): Promise<Result> {
    return this.generate("hearth_session_chat", [c.asJson(messages, "messages")], options);
  }

  /** Goes on with the session's own conversation. */
  say(text: string, options: GenerationOptions = {}): Promise<Result> {
    const bytes = c.bytesOf(text, "the text");
    return this.generate("hearth_session_say", [bytes, bytes.length], options);
  }

  streamComplete(prompt: string | readonly number[], options: GenerationOptions = {}): Stream {
    return new Stream((own) => this.complete(prompt, own), options);
  }
  streamChat(messages: readonly Message[] | Json, options: GenerationOptions = {}): Stream {
    return new Stream((own) => this.chat(messages, own), options);
  }
  streamSay(text: string, options: GenerationOptions = {}): Stream {
    return new Stream((own) => this.say(text, own), options);
  }

  /** Ends the generation that runs in the session, if one does. */
  cancel(): void {
    c.plain.sessionCancel(this.handle);
  }

  get messages(): Message[] {
    const out: [c.Pointer] = [null];
    c.call("hearth_session_messages", this.handle, out);
    return JSON.parse(c.take(out[0]));
  }
  /** Replaces the conversation, system message and all. */
  setMessages(messages: readonly Message[] | Json): void {
    c.call("hearth_session_set_messages", this.handle, c.asJson(messages, "messages"));
  }
  /** The conversation begins with this system message; "": with none. */
  setSystem(text: string): void {
    c.call("hearth_session_set_system", this.handle, c.terminated(text, "the system message"));
  }
  /** Forgets the conversation; its system message stays. */
  reset(): void {
    c.call("hearth_session_reset", this.handle);
  }
  /** What is computed from now on is with these, each with its scale. */
  setAdapters(adapters: readonly (Adapter | readonly [Adapter, number])[]): void {
    const pairs = adapters.map((one) => (Array.isArray(one) ? one : [one, 1]) as [Adapter, number]);
    const handles = pairs.map(([adapter]) => adapter.handle);
    c.call("hearth_session_set_adapters", this.handle, handles, Float32Array.from(pairs, ([, scale]) => scale), pairs.length);
  }

  private async generate(name: string, prompt: unknown[], options: GenerationOptions): Promise<Result> {
    const { signal, onPiece, ...rest } = options;
    const struct = fill(c.initialised("hearth_generation_options_init", c.GenerationOptions), rest as Record<string, unknown>);
    // The call begins on another thread, perhaps after this one has ended: so it is refused here, as the library would.
    if (this.running) throw new HearthError("busy", "the session is busy with another call");
    const cancellation = new c.Cancellation(signal);
    this.running = true;
    struct["cancellation"] = cancellation.handle;
    const callback = new c.Callback(
      "piece",
      onPiece &&
        ((text: c.Pointer, length: number, token: number) =>
          onPiece(c.textAt(text, Number(length)), token === -1 ? null : token)),
      cancellation,
    );
    const out: [c.Pointer] = [null];
    try {
      await c.callAsync(name, this.handle, ...prompt, struct, callback.pointer, null, out);
      const found = c.structAt(out[0], c.Result);
      return {
        text: c.textAt(found.text, found.text_length),
        tokens: c.tokensAt(found.tokens, found.token_count),
        finishReason: finishReasons[found.finish_reason as 0 | 1 | 2],
        stopText: found.stop_text,
        seed: found.seed,
        promptTokens: found.prompt_tokens,
        cachedTokens: found.cached_tokens,
        generatedTokens: found.generated_tokens,
        promptSeconds: found.prompt_seconds,
        generationSeconds: found.generation_seconds,
      };
    } finally {
      this.running = false;
      if (out[0]) c.plain.resultFree(out[0]);
      cancellation.close();
      await callback.close();
    }
  }
}

/** An answer while it is written: `for await (const text of stream)`. Leaving the loop stops the model. */
export class Stream implements AsyncIterable<string> {
  /** The whole answer, once it is there. */
  readonly result: Promise<Result>;
  private readonly abort = new AbortController();
  private readonly pieces: string[] = [];
  private ended = false;
  private readonly waiting: (() => void)[] = [];

  constructor(run: (options: GenerationOptions) => Promise<Result>, options: GenerationOptions) {
    const { signal, onPiece } = options;
    this.result = run({
      ...options,
      signal: signal ? AbortSignal.any([signal, this.abort.signal]) : this.abort.signal,
      onPiece: (text, token) => {
        const said = onPiece?.(text, token);
        if (said === false) return false;
        if (text) this.pieces.push(text);
        this.wake();
        return said;
      },
    }).finally(() => {
      this.ended = true;
      this.wake();
    });
    this.result.catch(() => {}); // the iteration tells it
  }

  cancel(): void {
    this.abort.abort();
  }

  private wake(): void {
    for (const one of this.waiting.splice(0)) one();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string, void> {
    try {
      while (true) {
        while (this.pieces.length) yield this.pieces.shift()!;
        if (this.ended) break;
        await new Promise<void>((resolve) => this.waiting.push(resolve));
      }
      await this.result;
    } finally {
      this.cancel();
      await this.result.catch(() => {}); // the session is free for the next call
    }
  }
}
