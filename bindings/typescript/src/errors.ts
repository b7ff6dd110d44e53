/** What the library refuses: one line that says what, where, and what to do. `status` is the library's name of the fault. */
export class HearthError extends Error {
  constructor(
    readonly status: Status,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "HearthError";
  }
}

/** In the order of hearth_status. */
export const statuses = [
  "ok",
  "usage",
  "bad_input",
  "not_found",
  "unsupported",
  "too_long",
  "out_of_memory",
  "io",
  "cancelled",
  "internal",
  "busy",
  "closed",
] as const;
export type Status = (typeof statuses)[number];
