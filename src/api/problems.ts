import { z } from "@hono/zod-openapi"

import { wholeOf } from "../http/problem.ts"
import { refusalsIn } from "../http/refusals.ts"
import type { Dialect } from "../http/router.ts"

const HttpErrorOut = z
  .object({
    code: z.string(),
    detail: z.string(),
    hint: z.string().optional().openapi({ description: "What to do about a token that is not taken" }),
  })
  .openapi("HttpErrorOut", { example: { code: "not_found", detail: "Application not found" } })

const ValidationErrorItem = z
  .object({ loc: z.array(z.string()), msg: z.string(), type: z.string() })
  .openapi("ValidationErrorItem")

const HTTPValidationError = z
  .object({ detail: z.array(ValidationErrorItem) })
  .openapi("HTTPValidationError", {
    example: { detail: [{ loc: ["body", "url"], msg: "Field required", type: "missing" }] },
  })

const inSvixShape = refusalsIn({
  schema: HttpErrorOut,
  // What every operation may answer besides its own, in Svix's document and here.
  always: [401, 403, 404, 409, 421, 429, 500, 503, 508],
  meanings: {
    401: { description: "The token is missing, wrong, expired or logged out" },
    403: { description: "The token does not reach this" },
    413: { description: "The body or the payload is too large" },
  },
  say: (example) => example,
})

const invalid = {
  422: {
    description: "The input does not fit; each entry says where and what to change",
    content: {
      "application/json": {
        schema: HTTPValidationError,
        example: { detail: [{ loc: ["body", "url"], msg: "Field required", type: "missing" }] },
      },
    },
  },
}

/** Entries for `responses`: what can go wrong in every operation of the API, and the given statuses. */
export function refusals<S extends Parameters<typeof inSvixShape>[number] = never>(...statuses: S[]) {
  return { ...inSvixShape(...statuses), ...invalid }
}

const CODES: Record<number, string> = { 404: "not_found", 405: "method_not_allowed" }

/** What Svix's server says, whatever is wrong with the token, and its clients look for. */
const INVALID_TOKEN = "Invalid token"

/** Svix's shapes: always a code and a detail, and for input that does not fit a list of places. */
export const dialect: Dialect = (c, problem) => {
  const { issues, headers = {} } = problem.extra
  for (const [name, value] of Object.entries(headers)) c.header(name, value)
  if (problem.status !== 422) {
    const code = problem.code ?? CODES[problem.status] ?? "refused"
    if (problem.status === 401) return c.json({ code, detail: INVALID_TOKEN, hint: problem.detail }, 401)
    return c.json({ code, detail: problem.detail }, problem.status)
  }
  const places = issues ?? [wholeOf(problem)]
  return c.json({ detail: places.map((place) => ({ ...place, loc: place.loc.map(String) })) }, 422)
}
