import { z } from "@hono/zod-openapi"

import { type Hour, listHours } from "../../engine/deliveries/hours.ts"
import { addTallies, durationOf, HOUR_MS, outcomesOf, type Tally } from "../../engine/rules/tally.ts"
import { operation } from "../../http/operation.ts"
import { createRouter } from "../../http/router.ts"
import { refusals } from "../problems.ts"
import { DateTime, EndpointPath, toTime } from "../wire.ts"

/** With the hour that is not over, 24 of them. */
const DEFAULT_MS = 23 * HOUR_MS

const count = z.number().int().openapi({ format: "int64" })

const EndpointAttemptStats = z
  .object({
    success: count,
    fail: count,
    canceled: count.openapi({ description: "Always 0: an attempt that is made is not canceled here" }),
  })
  .openapi("EndpointAttemptStats")

const Duration = z.number().int().nullable().openapi({ description: "Estimated; null: nothing was sent" })

const counts = {
  success: count,
  fail: count,
  results: z.record(z.string(), count).openapi({
    description:
      "By how attempts ended: `2xx`, `3xx`, `4xx`, `5xx`, or why no answer came: `timeout`, `connection`, `name-or-tls`, `malformed`, `refused-target`, `internal`",
    example: { "2xx": 120, "5xx": 2, timeout: 1 },
  }),
  p50Ms: Duration,
  p95Ms: Duration,
}

const EndpointHistoryOut = z
  .object({
    since: z.iso.datetime().openapi({ description: "The first hour begins here" }),
    until: z.iso.datetime().openapi({ description: "The last hour ends here" }),
    hours: z.array(z.object({ start: z.iso.datetime(), ...counts })).openapi({
      description: "Every hour of that time, oldest first, those without attempts among them",
    }),
    total: z.object({
      ...counts,
      lastSuccessAt: z.iso.datetime().nullable(),
      lastFailureAt: z.iso.datetime().nullable(),
      eventTypes: z
        .array(z.object({ eventType: z.string().nullable(), success: count, fail: count }))
        .openapi({
          description: "Most attempts first; null: other types than the 20 that an hour tells apart",
        }),
    }),
  })
  .openapi("EndpointHistoryOut")

const range = { since: DateTime.optional(), until: DateTime.optional() }
const tags = ["Endpoint"]

export const endpointHistory = createRouter()

endpointHistory.openapi(
  operation({
    operationId: "v1.endpoint.get-attempt-stats",
    access: "application",
    tags,
    summary: "Count the attempts made at an endpoint",
    description:
      "Of the last 28 days if not given otherwise, as far as they are kept. The time is taken in whole hours.",
    method: "get",
    path: "/api/v1/app/{app_id}/endpoint/{endpoint_id}/attempt-stats",
    request: { params: EndpointPath, query: z.object(range) },
    responses: {
      200: { description: "The counts", content: { "application/json": { schema: EndpointAttemptStats } } },
      ...refusals(400),
    },
  }),
  async (c) => {
    const { endpoint_id } = c.req.valid("param")
    const { hours } = await listHours(c.var.deps, c.var.application.id, endpoint_id, c.req.valid("query"))
    return c.json({ ...outcomesOf(sumOf(hours)), canceled: 0 }, 200)
  },
)

endpointHistory.openapi(
  operation({
    operationId: "v1.endpoint.get-history",
    access: "application",
    tags,
    summary: "What was attempted at an endpoint, hour by hour",
    description:
      "An operation of our own, for bars: of the last 24 hours if not given otherwise, 28 days at most, as far as they are kept. An hour is counted by the sweep when it is over; of what is not counted yet the newest 2,000 attempts of either kind, first and later ones, are looked at.",
    method: "get",
    path: "/api/v1/app/{app_id}/endpoint/{endpoint_id}/history",
    request: { params: EndpointPath, query: z.object(range) },
    responses: {
      200: { description: "The hours", content: { "application/json": { schema: EndpointHistoryOut } } },
      ...refusals(400),
    },
  }),
  async (c) => {
    const { deps, application } = c.var
    const { endpoint_id } = c.req.valid("param")
    const { until, since = (until ?? deps.clock.now()) - DEFAULT_MS } = c.req.valid("query")
    const found = await listHours(deps, application.id, endpoint_id, { since, until })
    const tallies = new Map(found.hours.map(({ hour, tally }) => [hour, tally]))
    const none = addTallies([])
    const total = sumOf(found.hours)
    return c.json(
      {
        since: toTime(found.since),
        until: toTime(found.until),
        hours: hoursOf(found).map((start) => ({
          start: toTime(start),
          ...toCounts(tallies.get(start) ?? none),
        })),
        total: {
          ...toCounts(total),
          lastSuccessAt: total.lastSuccessAt === null ? null : toTime(total.lastSuccessAt),
          lastFailureAt: total.lastFailureAt === null ? null : toTime(total.lastFailureAt),
          eventTypes: total.types
            .map(([eventType, success, fail]) => ({ eventType: eventType || null, success, fail }))
            .toSorted((a, b) => b.success + b.fail - a.success - a.fail),
        },
      },
      200,
    )
  },
)

function hoursOf({ since, until }: { since: number; until: number }): number[] {
  return Array.from({ length: (until - since) / HOUR_MS }, (_, n) => since + n * HOUR_MS)
}

function sumOf(hours: readonly Hour[]): Tally {
  return addTallies(hours.map(({ tally }) => tally))
}

function toCounts(tally: Tally) {
  return {
    ...outcomesOf(tally),
    results: tally.results as Record<string, number>,
    p50Ms: durationOf(tally, 0.5),
    p95Ms: durationOf(tally, 0.95),
  }
}
