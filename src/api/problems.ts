import { z } from "@hono/zod-openapi"

import { EXAMPLES, type Example } from "../http/examples.ts"
import { type Dialect, wholeOf, withEncoding } from "../http/router.ts"

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

const DESCRIPTIONS = {
  400: "Refused as things stand",
  401: "The token is missing, wrong, expired or logged out",
  403: "The token does not reach this",
  404: "No such thing",
  409: "In conflict with what there is",
  413: "The body or the payload is too large",
  415: "The body is compressed, or encoded in another way",
  421: "Open mode: the Host is not loopback",
  429: "Too many requests at once",
  500: "An unexpected fault; quote the request id",
  503: "Not set up yet: the detail names the command",
  507: "The database is full",
  508: "One of our own deliveries came back to us",
} as const

type Status = keyof typeof DESCRIPTIONS

const SAID: Readonly<Record<Status, Required<Example>>> = {
  ...EXAMPLES,
  400: { code: "limit_reached", detail: "10 old secrets still sign: rotate again when one has expired" },
  404: { code: "not_found", detail: "Application not found" },
}

/** What every operation of the API may answer besides its own, in Svix's document and here. */
const ALWAYS = [401, 403, 404, 409, 421, 429, 500, 503, 508] as const

/** Entries for `responses`: what can go wrong in every operation of the API, and the given statuses. */
export function refusals<S extends Status = never>(...statuses: S[]) {
  const entry = (status: Status) => ({
    description: DESCRIPTIONS[status],
    content: { "application/json": { schema: HttpErrorOut, example: SAID[status] } },
  })
  const all = withEncoding([...ALWAYS, ...statuses])
  const entries = Object.fromEntries(all.map((status) => [status, entry(status)])) as {
    [status in S | (typeof ALWAYS)[number]]: ReturnType<typeof entry>
  }
  return {
    ...entries,
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
