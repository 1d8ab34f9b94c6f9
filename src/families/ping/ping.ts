import { z } from "@hono/zod-openapi"

import type { Context } from "hono"
import type { Subscription } from "../../engine/endpoints/subscriptions.ts"
import { getPingResults, type Ping, pendingPings, startPing } from "../../engine/pings/ping.ts"
import { invalid, problems } from "../../http/dialects/plain.ts"
import { orInText, prefers } from "../../http/dialects/text.ts"
import { JsonObject } from "../../http/keyed.ts"
import { jsonBody } from "../../http/middleware/json-body.ts"
import { operation } from "../../http/operation.ts"
import { Problem } from "../../http/problem.ts"
import { jsonAnswer, verbatim } from "../../http/raw-json.ts"
import { withExamples } from "../../http/refusals.ts"
import { type AppEnv, createRouter } from "../../http/router.ts"
import type { Deps } from "../../platform/deps.ts"
import { requireEventType, toPayload } from "../users/wire.ts"
import { EventFilter, isIn, PINGED, Pinged, Pinging, pendingOf, toWire } from "./wire.ts"

const DEFAULT_DATA = { message: "Ping from User Notification Webhook Service" }
const FIRST_LOOKS_MS = [50, 100, 200, 400]
const LATER_LOOKS_MS = 1000
const PATIENCE_MS = 25_000
/** Requests that the answer waits for; the rest of a larger ping is found at `results_url`. */
const AWAITED = 200

const Data = JsonObject.nullable().openapi("PingData", {
  type: ["object", "null"],
  additionalProperties: {},
  example: { arbitrary_key: "test", arbitrary_key2: "test2" },
})

const Lines = z.string().openapi("PingedUrls", { example: "Pinging http://example.com/webhook\n" })

export const ping = createRouter()

ping.openapi(
  operation({
    operationId: "pingWebhooks",
    tags: ["Webhooks"],
    summary: "Send a test event to the registered URLs",
    description:
      "Answers when every receiver has answered or failed: 200 with the results, or 202 with those of the first 25 seconds. The body, if any, is what receivers get as `data`. Who asks for `text/plain` is told at once which URLs are pinged, a line each.",
    method: "post",
    path: "/ping",
    middleware: [jsonBody({ emptyIs: "null" })],
    request: {
      query: EventFilter,
      body: { required: false, content: { "application/json": { schema: Data } } },
    },
    responses: {
      200: {
        description: "All results are in; as text, all requests are on their way",
        content: { "application/json": { schema: Pinged }, "text/plain": { schema: Lines } },
      },
      202: {
        description: "Some results are still to come",
        content: { "application/json": { schema: Pinging } },
      },
      ...orInText({
        ...withExamples(problems(404, 413, 507), {
          404: { detail: "Event 'user_registered' has no registered URLs." },
        }),
        ...invalid,
      }),
    },
  }),
  async (c) => {
    const { deps } = c.var
    const { event_filter: filter } = c.req.valid("query")
    const given = c.req.valid("json")
    const empty = given === null || Object.keys(given).length === 0
    const data = empty ? DEFAULT_DATA : verbatim((await c.req.text()).trim())
    if (filter !== undefined) await requireEventType(deps, PINGED, filter)
    const started = await startPing(deps, PINGED, {
      eventType: filter,
      payload: (eventType) => toPayload(eventType, data),
    })
    if (started === null && filter !== undefined) {
      throw new Problem(404, null, `Event '${filter}' has no registered URLs.`)
    }
    if (wantsText(c)) return c.text(toLines(started?.subscriptions ?? []), 200)
    if (started === null) return c.json(toWire([], undefined), 200)
    await waitForResults(deps, started)
    const results = await getPingResults(deps, started)
    if (results.every(isIn)) return jsonAnswer(c, toWire(results, filter), 200)
    const resultsUrl = new URL(`/ping/${started.id}`, c.req.url)
    if (filter !== undefined) resultsUrl.searchParams.set("event_filter", filter)
    return jsonAnswer(
      c,
      { ...toWire(results, filter), ...pendingOf(results), results_url: resultsUrl.href },
      202,
    )
  },
)

/** Asks D1 now and then until the results are in, all of them or those of the first 200 requests. */
async function waitForResults(deps: Deps, started: Ping): Promise<void> {
  const until = deps.clock.now() + PATIENCE_MS
  const left = Math.max(0, started.subscriptions.length - AWAITED)
  for (let look = 0; deps.clock.now() < until; look++) {
    await deps.clock.sleep(FIRST_LOOKS_MS[look] ?? LATER_LOOKS_MS)
    if ((await pendingPings(deps, started)) <= left) return
  }
}

/** Whether the client would rather be told in plain text. */
export function wantsText(c: Context<AppEnv>): boolean {
  return prefers(c.req.header("accept"), "text/plain", "application/json")
}

/** A line for each subscription in order of registration, whichever application it is of. */
function toLines(subscriptions: readonly Subscription[]): string {
  return subscriptions
    .toSorted((a, b) => (a.id < b.id ? -1 : 1))
    .map(({ url }) => `Pinging ${url}\n`)
    .join("")
}
