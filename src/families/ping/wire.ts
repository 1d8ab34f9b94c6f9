import { z } from "@hono/zod-openapi"

import type { PingResult } from "../../engine/pings/ping.ts"
import { verbatim } from "../../http/raw-json.ts"
import { APPLICATION as INVOICES } from "../invoices/store.ts"
import { APPLICATION as USERS } from "../users/store.ts"

/** One ping at the root for these applications, in the order of their results. */
export const PINGED = [USERS, INVOICES]

export const EventFilter = z.object({
  event_filter: z.string().optional().openapi({ example: "user_registered" }),
})

const Success = z.object({
  event: z.string(),
  url: z.string(),
  payload_response: z.unknown(),
  payload: z.unknown(),
  status_code: z.number(),
  truncated: z.literal(true).optional(),
})

const Failure = z.object({
  event: z.string(),
  url: z.string(),
  error: z.string(),
  status_code: z.number().nullable(),
})

const EXAMPLE = {
  message: "Pinged all registered webhooks successfully.",
  successful_webhooks_count: 1,
  successful_webhooks: [
    {
      event: "user_registered",
      url: "http://example.com/webhook",
      payload_response: { ok: true },
      payload: { ok: true },
      status_code: 200,
    },
  ],
  failed_webhooks_count: 1,
  failed_webhooks: [
    {
      event: "user_registered",
      url: "http://example.com/gone",
      error: "HTTP error: Not Found",
      status_code: 404,
    },
  ],
}

export const Pinged = z
  .object({
    message: z.string(),
    successful_webhooks_count: z.number(),
    successful_webhooks: z.array(Success),
    failed_webhooks_count: z.number(),
    failed_webhooks: z.array(Failure),
  })
  .openapi("Pinged", { example: EXAMPLE })

export const Pinging = Pinged.extend({
  pending_webhooks_count: z.number(),
  pending_webhooks: z.array(z.object({ event: z.string(), url: z.string() })),
  results_url: z.string(),
}).openapi("Pinging", {
  example: {
    ...EXAMPLE,
    pending_webhooks_count: 1,
    pending_webhooks: [{ event: "user_registered", url: "http://example.com/slow" }],
    results_url: "http://127.0.0.1:8787/ping/ping_019a8f0c5d1b7c3e9a4f2b6d8e0c1a3f",
  },
})

export function isIn({ state }: PingResult): boolean {
  return state !== "pending"
}

/** The results that are in, as A has always told them, for `jsonAnswer`. */
export function toWire(results: readonly PingResult[], filter: string | undefined) {
  const successes = results.filter(({ state }) => state === "delivered")
  const failures = results.filter(({ state }) => state === "failed")
  return {
    message:
      filter === undefined
        ? "Pinged all registered webhooks successfully."
        : `Pinged webhooks for event '${filter}' successfully.`,
    successful_webhooks_count: successes.length,
    successful_webhooks: successes.map((result) => {
      const response = responseOf(result)
      return {
        event: result.eventType,
        url: result.url,
        payload_response: response,
        payload: response,
        status_code: result.statusCode ?? 200,
        ...(result.truncated ? { truncated: true as const } : {}),
      }
    }),
    failed_webhooks_count: failures.length,
    failed_webhooks: failures.map((result) => ({
      event: result.eventType,
      url: result.url,
      error: result.error ?? "",
      status_code: result.statusCode,
    })),
  }
}

/** What a 202 tells besides. */
export function pendingOf(results: readonly PingResult[]) {
  const pending = results.filter(({ state }) => state === "pending")
  return {
    pending_webhooks_count: pending.length,
    pending_webhooks: pending.map(({ eventType, url }) => ({ event: eventType, url })),
  }
}

/** The receiver's JSON, whatever its type; `{}` when it is none, or cut off. */
function responseOf({ body, truncated }: PingResult): unknown {
  if (truncated) return {}
  try {
    JSON.parse(body)
    return verbatim(body.trim())
  } catch {
    return {}
  }
}
