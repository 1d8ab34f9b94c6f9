import { z } from "@hono/zod-openapi"

import { type AttemptRecord, getExchange } from "../../engine/deliveries/attempts.ts"
import { type KeptHeader, sentHeaders } from "../../engine/rules/kept-headers.ts"
import { describeError, explainStatus } from "../../engine/rules/outcome.ts"
import { parseRetryAfter } from "../../engine/rules/retry-schedule.ts"
import { operation } from "../../http/operation.ts"
import { createRouter } from "../../http/router.ts"
import { refusals } from "../problems.ts"
import { toTime } from "../wire.ts"
import { AttemptPath, MessageAttemptOut, toAttempt } from "./wire.ts"

const MessageAttemptHeadersOut = z
  .object({
    sensitive: z.array(z.string()).openapi({ description: "Headers whose values are not kept or not shown" }),
    sentHeaders: z.record(z.string(), z.string()),
    responseHeaders: z
      .array(z.array(z.string()))
      .nullish()
      .openapi({ description: "Pairs of name and value; null: there was no answer" }),
  })
  .openapi("MessageAttemptHeadersOut")

const HeaderOut = z
  .object({
    name: z.string(),
    value: z.string().nullable().openapi({ description: "Null: it is not kept, or not shown" }),
  })
  .openapi("HeaderOut")

const MessageAttemptExchangeOut = z
  .object({
    attempt: MessageAttemptOut,
    request: z.object({
      method: z.literal("POST"),
      url: z.string(),
      headers: z.array(HeaderOut).openapi({ description: "Empty if no request was made" }),
      body: z.string().nullable().openapi({ description: "Null once the payload is deleted" }),
    }),
    response: z
      .object({
        status: z.number().int(),
        statusText: z.string().nullable().openapi({ description: "HTTP/2 has none" }),
        headers: z.array(HeaderOut),
        body: z.string().nullable().openapi({ description: "As it is kept; null once it is deleted" }),
        bodyEncoding: z.enum(["utf8", "base64"]),
        bodyCut: z.boolean(),
      })
      .nullable()
      .openapi({ description: "Null: there was no answer" }),
    headersCut: z
      .boolean()
      .openapi({ description: "Whether headers were left out or cut: what is kept is bounded" }),
    error: z.string().nullable().openapi({
      description: "Why there was no answer, or what an answer means that the receiver may not have sent",
    }),
    retryAfter: z.iso.datetime().nullable().openapi({
      description: "When the receiver wants to be asked again at the earliest: `Retry-After` of a 429 or 503",
    }),
  })
  .openapi("MessageAttemptExchangeOut")

const tags = ["Message Attempt"]

export const exchanges = createRouter()

exchanges.openapi(
  operation({
    operationId: "v1.message-attempt.get-headers",
    access: "application",
    tags,
    summary: "Get the headers of an attempt, sent and received",
    description:
      "Credentials are named in `sensitive`, and so are an endpoint's own headers and the signature.",
    method: "get",
    path: "/api/v1/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}/headers",
    request: { params: AttemptPath },
    responses: {
      200: {
        description: "The headers",
        content: { "application/json": { schema: MessageAttemptHeadersOut } },
      },
      ...refusals(),
    },
  }),
  async (c) => {
    const { msg_id, attempt_id } = c.req.valid("param")
    const { attempt } = await getExchange(c.var.deps, c.var.application.id, msg_id, attempt_id)
    const sent = sentBy(attempt)
    const received = attempt.headers?.received ?? null
    const names = [...sent, ...(received ?? [])].flatMap(([name, value]) => (value === null ? name : []))
    return c.json(
      {
        sensitive: [...new Set(names)],
        sentHeaders: Object.fromEntries(shown(sent)),
        responseHeaders: received && shown(received),
      },
      200,
    )
  },
)

exchanges.openapi(
  operation({
    operationId: "v1.message-attempt.get-exchange",
    access: "application",
    tags,
    summary: "Get all that is known of an attempt: what was sent, and what came back",
    description:
      "An operation of our own. Of an endpoint's own headers the names are kept, of the answer's up to 1 KiB of a success and 4 KiB of a failure, without credentials.",
    method: "get",
    path: "/api/v1/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}/exchange",
    request: { params: AttemptPath },
    responses: {
      200: {
        description: "Request and response",
        content: { "application/json": { schema: MessageAttemptExchangeOut } },
      },
      ...refusals(),
    },
  }),
  async (c) => {
    const { msg_id, attempt_id } = c.req.valid("param")
    const { attempt, event } = await getExchange(c.var.deps, c.var.application.id, msg_id, attempt_id)
    return c.json(
      {
        attempt: toAttempt(attempt, true),
        request: {
          method: "POST" as const,
          url: attempt.url,
          headers: sentBy(attempt).map(toHeader),
          body: event.payload,
        },
        response: responseOf(attempt),
        headersCut: attempt.headers?.cut ?? false,
        error: errorOf(attempt),
        retryAfter: retryAfterOf(attempt),
      },
      200,
    )
  },
)

function sentBy({ headers, eventId, createdAt }: AttemptRecord): KeptHeader[] {
  return sentHeaders(headers, eventId, createdAt)
}

function shown(headers: readonly KeptHeader[]): [string, string][] {
  return headers.flatMap(([name, value]) => (value === null ? [] : [[name, value] as [string, string]]))
}

function toHeader([name, value]: KeptHeader) {
  return { name, value }
}

function responseOf(attempt: AttemptRecord) {
  if (attempt.statusCode === null) return null
  return {
    status: attempt.statusCode,
    statusText: attempt.statusText,
    headers: (attempt.headers?.received ?? []).map(toHeader),
    body: attempt.body,
    bodyEncoding: attempt.bodyEncoding,
    bodyCut: attempt.bodyTruncated,
  }
}

function errorOf({ error, statusCode }: AttemptRecord): string | null {
  if (error !== null) return describeError(error)
  return statusCode === null ? null : explainStatus(statusCode)
}

function retryAfterOf({ statusCode, headers, createdAt, durationMs }: AttemptRecord): string | null {
  if (statusCode !== 429 && statusCode !== 503) return null
  const [, asked = null] = headers?.received?.find(([name]) => name === "retry-after") ?? []
  const answeredAt = createdAt + durationMs
  const delayMs = parseRetryAfter(asked, answeredAt)
  return delayMs === null ? null : toTime(answeredAt + delayMs)
}
