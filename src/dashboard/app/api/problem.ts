/** Why the API refused, in words. */
export class Problem extends Error {
  constructor(
    /** 0: there was no answer. */
    readonly status: number,
    readonly code: string,
    message: string,
    /** What is said of single fields of the body, by name. */
    readonly fields: Readonly<Record<string, string>> = {},
  ) {
    super(message)
  }
}

interface Fault {
  loc: (string | number)[]
  msg: string
}

/** Makes a Problem of an answer's body, in each of the shapes in which the Worker refuses. */
export function problemOf(status: number, body: unknown): Problem {
  const { code, detail, message } = (body ?? {}) as { code?: string; detail?: unknown; message?: string }
  if (Array.isArray(detail)) return unfit(status, detail as Fault[])
  const words = typeof detail === "string" ? detail : (message ?? (typeof body === "string" ? body : ""))
  return new Problem(status, code ?? "", words || `The Worker answered ${status}.`)
}

/** The request did not come through: no network, or nobody there. */
export function unreachable(): Problem {
  return new Problem(0, "unreachable", "The Worker does not answer. Is it running, and are you online?")
}

/** Any fault in words that a person can do something with. */
export function inWords(error: unknown): string {
  if (error instanceof Problem) return error.message
  return error instanceof Error ? error.message : String(error)
}

function unfit(status: number, faults: Fault[]): Problem {
  const named = faults.map(({ loc, msg }) => [loc.slice(1).join("."), msg] as const)
  const words = named.map(([name, msg]) => (name === "" ? msg : `${name}: ${msg}`)).join("; ")
  return new Problem(status, "unfit", words, Object.fromEntries(named))
}
