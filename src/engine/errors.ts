/** Why a verb refused. Each border maps these to its own dialect. */
export type Refusal =
  | "not_found"
  | "conflict"
  | "invalid"
  | "refused_target"
  | "payload_too_large"
  | "limit_reached"
  | "storage_full"
  | "not_configured"

/** A verb's refusal: a code for programs, a sentence for people, never a secret or another owner's data. */
export class EngineError extends Error {
  constructor(
    readonly code: Refusal,
    message: string,
  ) {
    super(message)
  }
}

export function notFound(what: string): EngineError {
  return new EngineError("not_found", `${what} not found`)
}
