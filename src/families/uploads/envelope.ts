import { z } from "@hono/zod-openapi"

import { EXAMPLES, type Example } from "../../http/examples.ts"
import { TOO_DEEP } from "../../http/middleware/json-body.ts"
import { type Dialect, withEncoding } from "../../http/router.ts"

/** C says everything, refusals too, as `{message, data, error}`; input that does not fit is a 400. */
export const envelopeDialect: Dialect = (c, { status, detail, extra }) => {
  for (const [name, value] of Object.entries(extra.headers ?? {})) c.header(name, value)
  const { issues } = extra
  const tooDeep = issues?.find(({ type }) => type === TOO_DEEP)
  const inBody = issues?.some(({ loc }) => loc[0] !== "query")
  const message = tooDeep?.msg ?? (inBody ? "Invalid JSON input" : detail)
  return c.json({ message, data: {}, error: true }, issues ? 400 : status)
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

const DESCRIPTIONS = {
  400: "The input does not fit; the message says what to change",
  401: "The token is missing or wrong",
  403: "Open mode: the request comes from a page of another origin",
  404: "No such thing",
  408: "The upload took too long",
  409: "The application has all the endpoints that it may have",
  413: "Larger than it may be",
  415: "The body is compressed, or encoded in another way",
  416: "No byte of the file is in that range; `Content-Range` tells its size",
  421: "Open mode: the Host is not loopback",
  500: "An unexpected fault; quote the request id",
  503: "Not set up yet: the message names the command",
  507: "The database is full",
  508: "One of our own deliveries came back to us",
} as const

type Status = keyof typeof DESCRIPTIONS

const SAID: Readonly<Record<Status, Example>> = {
  ...EXAMPLES,
  400: { detail: "No file part" },
  404: { detail: "Webhook not found" },
  408: { detail: "The upload took so long that it was given up; send the file again" },
  409: {
    detail: "The application has 1000 endpoints already: remove one, or raise MAX_ENDPOINTS_PER_APPLICATION",
  },
  413: { detail: "The file has at most 26214400 bytes" },
  416: { detail: "The file has 1024 bytes" },
}

function refused({ detail }: Example) {
  return { message: detail, data: {}, error: true }
}

const ALWAYS = [401, 403, 421, 500, 503, 508] as const

/** Entries for `responses`: the given error statuses and those that every route can answer. */
export function refusals<S extends Status>(...statuses: S[]) {
  const entry = (status: Status) => ({
    description: DESCRIPTIONS[status],
    content: { "application/json": { schema: Refused, example: refused(SAID[status]) } },
  })
  const all = withEncoding([...ALWAYS, ...statuses])
  return Object.fromEntries(all.map((status) => [status, entry(status)])) as {
    [status in S | (typeof ALWAYS)[number]]: ReturnType<typeof entry>
  }
}
