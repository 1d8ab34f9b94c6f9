import { HTTPException } from "hono/http-exception"
import type { ContentfulStatusCode } from "hono/utils/http-status"
import type { ZodError } from "zod"
import { isMissingTable, MIGRATE, MovingError } from "../db/client.ts"
import { EngineError, type Refusal } from "../engine/kit/errors.ts"
import { ConfigError } from "../platform/config.ts"

/** One bad part of the input: where it is, what to change, which kind of mistake. */
export interface InputIssue {
  loc: (string | number)[]
  msg: string
  type: string
}

/** What went wrong, before a family says it in its own dialect. Nothing in here is secret or internal. */
export class Problem extends Error {
  constructor(
    readonly status: ContentfulStatusCode,
    /** For programs; null where a contract documents the answer without one. */
    readonly code: string | null,
    readonly detail: string,
    readonly extra: { issues?: InputIssue[]; headers?: Record<string, string>; field?: string } = {},
  ) {
    super(detail)
  }
}

/** Input that does not fit: 422 in most dialects. */
export function invalidInput(issues: InputIssue[]): Problem {
  const detail = issues.map((issue) => `${issue.loc.join(".")}: ${issue.msg}`).join("; ")
  return new Problem(422, null, detail, { issues })
}

/** The one issue of a verb that refused its input as a whole, or a field of it. */
export function wholeOf({ code, detail, extra: { field } }: Problem): InputIssue {
  return { loc: field === undefined ? ["body"] : ["body", field], msg: detail, type: code ?? "invalid" }
}

/** What zod found wrong in one part of the request (`body`, `query`, `path`). */
export function fromZod(part: string, error: ZodError): Problem {
  return invalidInput(
    error.issues.map((issue) => {
      const missing = issue.code === "invalid_type" && /received undefined/.test(issue.message)
      return {
        loc: [part, ...issue.path.map((key) => (typeof key === "number" ? key : String(key)))],
        msg: missing ? "Field required" : issue.message,
        type: missing ? "missing" : issue.code,
      }
    }),
  )
}

/** After how long a write that a move has refused should be tried again. */
const MOVING_RETRY_SECONDS = "10"

const STATUS: Record<Refusal, ContentfulStatusCode> = {
  not_found: 404,
  conflict: 409,
  invalid: 422,
  invalid_range: 400,
  refused_target: 422,
  payload_too_large: 413,
  limit_reached: 409,
  storage_full: 507,
  not_configured: 503,
}

/** Any thrown thing as a problem. What is not known is a 500 that says nothing of the inside. */
export function toProblem(error: unknown, requestId: string): Problem {
  if (error instanceof Problem) return error
  if (error instanceof EngineError) {
    const extra = error.field === null ? {} : { field: error.field }
    return new Problem(STATUS[error.code], error.code, error.message, extra)
  }
  if (error instanceof MovingError) {
    return new Problem(503, "moving", error.message, { headers: { "retry-after": MOVING_RETRY_SECONDS } })
  }
  if (error instanceof ConfigError) return new Problem(503, "misconfigured", error.message)
  if (isMissingTable(error)) return new Problem(503, "not_migrated", MIGRATE)
  if (error instanceof HTTPException) return new Problem(error.status, "http_error", error.message)
  return new Problem(500, "internal", `Something went wrong here. Request ${requestId}`, {
    headers: { "x-request-id": requestId },
  })
}
