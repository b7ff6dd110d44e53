import { HearthError } from "./errors.js";
import { asJson, integer, terminated } from "./library.js";
import type { Json } from "./model.js";

/** What a callback says: false stops the call. */
export type Heard = boolean | void;

/** Sampling and limits of one answer; what is not given has the library's default (see hearth.h). */
export interface GenerationOptions {
  /** 0: until the answer ends or the context is full */
  maxTokens?: number;
  /** 0: always the likeliest token */
  temperature?: number;
  /** draw from the so many likeliest; 0: all */
  topK?: number;
  /** from the likeliest that make up so much; 1: all */
  topP?: number;
  /** drop what is less likely than this times the likeliest; 0: nothing */
  minP?: number;
  /** 1: off */
  typicalP?: number;
  /** 1: off */
  repeatPenalty?: number;
  frequencyPenalty?: number;
  presencePenalty?: number;
  /** last tokens that penalties look at; -1: all */
  penaltyWindow?: number;
  /** draws the same answer again; 0: a new one each time */
  seed?: number | bigint;
  /** texts that end the answer and do not belong to it */
  stop?: string | readonly string[];
  /** added to the tokens' logits; -Infinity bans one */
  logitBias?: Readonly<Record<number, number>>;
  /** GBNF that the answer follows */
  grammar?: string;
  /** JSON Schema (or its text): the answer is JSON of it */
  jsonSchema?: Json;
  /** for chat and say: tool definitions in OpenAI's form */
  tools?: Json;
  /** for chat and say: what the template sees besides */
  templateVariables?: Json;
  /** special tokens in the text of complete are those tokens */
  parseSpecial?: boolean;
  /** control tokens appear in the text */
  specialText?: boolean;
  /** go on past the end of the answer, to maxTokens */
  ignoreEnd?: boolean;
  /** stops the model when it aborts */
  signal?: AbortSignal;
  /** hears the answer while it is written; false stops it. The model does not wait for a promise, the whole answer does */
  onPiece?: (text: string, token: number | null) => Heard | Promise<Heard>;
}

// Fields of the structs that are no options of the caller's.
const unsaid = new Set(["struct_size", "stop_count", "logit_bias_count", "on_progress", "user", "cancellation", "reserved"]);
const unsigned = 2 ** 32 - 1;
const signed = 2 ** 31;

/** Sets fields of a struct by the names of hearth.h. */
export function fill(struct: Record<string, unknown>, options: Record<string, unknown>): Record<string, unknown> {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined) continue;
    const field = name.replace(/[A-Z]/g, (letter) => "_" + letter.toLowerCase());
    if (!(field in struct) || unsaid.has(field)) throw new TypeError(`there is no option ${name}`);
    switch (field) {
      case "max_tokens":
      case "threads":
      case "context_length":
      case "batch_tokens":
      case "dimensions":
        struct[field] = integer(field, value, 0, unsigned);
        break;
      case "top_k":
      case "penalty_window":
        struct[field] = integer(field, value, -signed, signed - 1);
        break;
      case "seed":
        if (typeof value === "bigint" && BigInt.asUintN(64, value) !== value)
          throw new HearthError("usage", `seed is ${value}, take 0 to 18446744073709551615`);
        struct[field] = typeof value === "bigint" ? value : integer(field, value, 0, Number.MAX_SAFE_INTEGER);
        break;
      case "stop": {
        const texts = typeof value === "string" ? [value] : [...(value as string[])];
        struct["stop"] = texts.length ? texts.map((text) => terminated(text, "stop")) : null;
        struct["stop_count"] = texts.length;
        break;
      }
      case "logit_bias": {
        const pairs = Object.entries(value as Record<string, number>);
        struct["logit_bias"] = pairs.length
          ? pairs.map(([token, bias]) => ({ token: integer("a token of logit_bias", Number(token), -signed, signed - 1), bias }))
          : null;
        struct["logit_bias_count"] = pairs.length;
        break;
      }
      case "json_schema":
      case "tools":
      case "template_variables":
        struct[field] = asJson(value, field);
        break;
      case "grammar":
      case "prefix":
        struct[field] = terminated(value as string, field);
        break;
      default:
        if (typeof value !== "number" && typeof value !== "boolean") throw new TypeError(`${name} is no number`);
        struct[field] = Number(value);
    }
  }
  return struct;
}

/** One of a few names, as the number hearth.h has for it. */
export function choice(name: string, value: string | undefined, known: readonly string[]): number {
  if (value === undefined) return 0;
  const index = known.indexOf(value);
  if (index < 0) throw new TypeError(`${name} is ${value}, take one of ${known.join(", ")}`);
  return index;
}
