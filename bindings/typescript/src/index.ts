/** Language models on ordinary computers: the TypeScript binding of Open Hearth. */
import * as c from "./library.js";
import type { Json } from "./model.js";

export { HearthError, type Status } from "./errors.js";
export { Adapter, Model } from "./model.js";
export type { EmbedOptions, Json, Likelihood, ModelInfo, ModelOptions, TokenizeOptions } from "./model.js";
export type { GenerationOptions, Heard } from "./options.js";
export { Session, Stream } from "./session.js";
export type { Message, Result, SessionOptions } from "./session.js";

/** Of the library, "0.1.0". */
export const version: string = c.plain.version();

/** How the library was built. */
export const buildInfo: Record<string, any> = JSON.parse(c.plain.buildInfo());

/** The instruction sets this machine can run, best first. */
export function cpuLevels(): string[] {
  return Array.from({ length: Number(c.plain.levelCount()) }, (_, index) => c.plain.levelName(index));
}

export function activeCpuLevel(): string {
  const name: [string] = [""];
  c.call("hearth_cpu_level_active", name);
  return name[0];
}

/** Renders any Jinja chat template, without a model. `context` is what it sees. */
export function renderTemplate(source: string, context: Json): string {
  const out: [c.Pointer] = [null];
  const length: [number] = [0];
  c.call("hearth_render_template", c.terminated(source, "the template"), c.asJson(context, "context"), out, length);
  return c.take(out[0], length[0]);
}
