/** Why a verb refused. Each border maps these to its own dialect. */
export type Refusal =
  | "not_found"
  | "conflict"
  | "invalid"
  | "invalid_range"
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
    /** The part of the verb's input that was refused, where it is one. */
    readonly field: string | null = null,
  ) {
    super(message)
  }
}

export function notFound(what: string): EngineError {
  return new EngineError("not_found", `${what} not found`)
}

/**
 * What the batch answers. If it breaks a unique index, that is a `conflict`, in the words given for one
 * of the index's columns.
 */
export async function orConflict<T>(work: Promise<T>, sentences: Record<string, string>): Promise<T> {
  try {
    return await work
  } catch (error) {
    const broken = /UNIQUE constraint failed: ([\w., ]+)/.exec(String(error))?.[1]?.split(", ") ?? []
    const sentence = broken.map((column) => sentences[column]).find((found) => found !== undefined)
    if (sentence === undefined) throw error
    throw new EngineError("conflict", sentence)
  }
}
