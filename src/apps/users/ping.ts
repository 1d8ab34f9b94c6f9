import { createRoute, z } from "@hono/zod-openapi"

import type { Deps } from "../../deps.ts"
import { getPingResults, type Ping, type PingResult, pendingPings, startPing } from "../../engine/pings.ts"
import { jsonBody } from "../../http/json-body.ts"
import { Problem } from "../../http/problem.ts"
import { createRouter, invalid, problems } from "../../http/router.ts"
import { APPLICATION } from "./store.ts"
import { requireEventType, toPayload } from "./wire.ts"

/** One ping at the root for these applications, in the order of their results. */
const PINGED = [APPLICATION]
const DEFAULT_DATA = { message: "Ping from User Notification Webhook Service" }
const FIRST_LOOKS_MS = [50, 100, 200, 400]
const LATER_LOOKS_MS = 1000
const PATIENCE_MS = 25_000
/** Requests that the answer waits for; the rest of a larger ping is found at `results_url`. */
const AWAITED = 200

const Data = z
  .record(z.string(), z.unknown())
  .nullable()
  .openapi("PingData", { example: { arbitrary_key: "test", arbitrary_key2: "test2" } })

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

const Pinged = z
  .object({
    message: z.string(),
    successful_webhooks_count: z.number(),
    successful_webhooks: z.array(Success),
    failed_webhooks_count: z.number(),
    failed_webhooks: z.array(Failure),
  })
  .openapi("Pinged", { example: EXAMPLE })

const Pinging = Pinged.extend({
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

const EventFilter = z.object({
  event_filter: z.string().optional().openapi({ example: "user_registered" }),
})

export const ping = createRouter()

ping.openapi(
  createRoute({
    operationId: "pingWebhooks",
    tags: ["Webhooks"],
    summary: "Send a test event to the registered URLs",
    description:
      "Answers when every receiver has answered or failed: 200 with the results, or 202 with those of the first 25 seconds. The body, if any, is what receivers get as `data`.",
    method: "post",
    path: "/ping",
    middleware: [jsonBody({ emptyIs: "null" })] as const,
    request: {
      query: EventFilter,
      body: { required: false, content: { "application/json": { schema: Data } } },
    },
    responses: {
      200: { description: "All results are in", content: { "application/json": { schema: Pinged } } },
      202: {
        description: "Some results are still to come",
        content: { "application/json": { schema: Pinging } },
      },
      ...problems(404, 413),
      ...invalid,
    },
  }),
  async (c) => {
    const { deps } = c.var
    const { event_filter: filter } = c.req.valid("query")
    const given = c.req.valid("json")
    const data = given === null || Object.keys(given).length === 0 ? DEFAULT_DATA : given
    if (filter !== undefined) await requireEventType(deps, PINGED, filter)
    const started = await startPing(deps, PINGED, {
      eventType: filter,
      payload: (eventType) => toPayload(eventType, data),
    })
    if (started === null) {
      if (filter !== undefined) throw new Problem(404, null, `Event '${filter}' has no registered URLs.`)
      return c.json(toWire([], undefined), 200)
    }
    await waitForResults(deps, started)
    const results = await getPingResults(deps, started)
    if (results.every(isIn)) return c.json(toWire(results, filter), 200)
    const resultsUrl = new URL(`/ping/${started.id}`, c.req.url)
    if (filter !== undefined) resultsUrl.searchParams.set("event_filter", filter)
    return c.json({ ...toWire(results, filter), ...pendingOf(results), results_url: resultsUrl.href }, 202)
  },
)

ping.openapi(
  createRoute({
    operationId: "getPingResults",
    tags: ["Webhooks"],
    summary: "The results of a ping so far",
    method: "get",
    path: "/ping/{ping_id}",
    request: {
      params: z.object({ ping_id: z.string().openapi({ example: "ping_019a8f0c5d1b7c3e9a4f2b6d8e0c1a3f" }) }),
      query: EventFilter,
    },
    responses: {
      200: { description: "All results are in", content: { "application/json": { schema: Pinged } } },
      202: {
        description: "Some results are still to come",
        content: { "application/json": { schema: Pinging } },
      },
      ...problems(404),
      ...invalid,
    },
  }),
  async (c) => {
    const { event_filter: filter } = c.req.valid("query")
    const results = await getPingResults(c.var.deps, {
      id: c.req.valid("param").ping_id,
      applicationIds: PINGED,
    })
    if (results.every(isIn)) return c.json(toWire(results, filter), 200)
    return c.json({ ...toWire(results, filter), ...pendingOf(results), results_url: c.req.url }, 202)
  },
)

/** Asks D1 now and then until the results are in, all of them or those of the first 200 requests. */
async function waitForResults(deps: Deps, started: Ping): Promise<void> {
  const until = deps.clock.now() + PATIENCE_MS
  const left = Math.max(0, started.requests - AWAITED)
  for (let look = 0; deps.clock.now() < until; look++) {
    await deps.clock.sleep(FIRST_LOOKS_MS[look] ?? LATER_LOOKS_MS)
    if ((await pendingPings(deps, started)) <= left) return
  }
}

function isIn({ state }: PingResult): boolean {
  return state !== "pending"
}

function toWire(results: readonly PingResult[], filter: string | undefined) {
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

function pendingOf(results: readonly PingResult[]) {
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
    return JSON.parse(body)
  } catch {
    return {}
  }
}
