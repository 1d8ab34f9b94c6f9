import { z } from "@hono/zod-openapi"

import { TOO_DEEP } from "../../http/middleware/json-body.ts"
import { refusalsIn } from "../../http/refusals.ts"
import type { Dialect } from "../../http/router.ts"

/** C says everything, refusals too, as `{message, data, error}`; input that does not fit is a 400. */
export const envelopeDialect: Dialect = (c, { status, detail, extra }) => {
  for (const [name, value] of Object.entries(extra.headers ?? {})) c.header(name, value)
  const { issues } = extra
  const tooDeep = issues?.find(({ type }) => type === TOO_DEEP)
  const inBody = issues?.some(({ loc }) => loc[0] !== "query")
  const message = tooDeep?.msg ?? (inBody ? "Invalid JSON input" : detail)
  return c.json({ message, data: {}, error: true }, status === 422 ? 400 : status)
}

/** An answer that is not a refusal. */
export function enveloped<Data>(message: string, data: Data) {
  return { message, data, error: false }
}

/** The schema of such an answer. */
export function Enveloped<Data extends z.ZodType>(data: Data) {
  return z.object({ message: z.string(), data, error: z.boolean() })
}

const Refused = z
  .object({ message: z.string(), data: z.object({}), error: z.boolean() })
  .openapi("UploadsError", { example: { message: "No file part", data: {}, error: true } })

/** Entries for `responses`: the given error statuses and those that every route can answer. */
export const refusals = refusalsIn({
  schema: Refused,
  always: [401, 403, 421, 500, 503, 508],
  meanings: {
    400: {
      description: "The input does not fit; the message says what to change",
      example: { detail: "No file part" },
    },
    403: { description: "Open mode: the request comes from a page of another origin" },
    404: { example: { detail: "Webhook not found" } },
    409: {
      description: "The application has all the endpoints that it may have",
      example: {
        detail:
          "The application has 1000 endpoints already: remove one, or raise MAX_ENDPOINTS_PER_APPLICATION",
      },
    },
    413: {
      description: "Larger than it may be",
      example: { detail: "The file has at most 26214400 bytes" },
    },
    503: { description: "Not set up yet: the message names the command" },
  },
  say: ({ detail }) => ({ message: detail, data: {}, error: true }),
})
