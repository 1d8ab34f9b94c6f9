import { z } from "@hono/zod-openapi"

import { countNewestDeliveries } from "../../engine/deliveries/stats.ts"
import {
  COUNTED_PENDING,
  getStanding,
  lastHours,
  listStandings,
  type Standing,
  type StandingByHours,
} from "../../engine/endpoints/standing.ts"
import { SCANNED_ROWS } from "../../engine/kit/scan.ts"
import { addTallies, outcomesOf } from "../../engine/rules/tally.ts"
import { operation } from "../../http/operation.ts"
import { wholeNumber } from "../../http/query.ts"
import { createRouter } from "../../http/router.ts"
import { Iterator, listOf, toList, toPageRequest } from "../page.ts"
import { refusals } from "../problems.ts"
import { AppPath, DateTime, EndpointPath, toTime } from "../wire.ts"
import { DISABLED_FOR } from "./wire.ts"

/** Each comes with a day of hours: a page of them is less than one of other things. */
const MAX_PAGE = 50

const count = z.number().int().openapi({ format: "int64" })
const Moment = z.iso.datetime().nullable()

/** What is said of an endpoint wherever it is told how it is. */
export const standing = {
  id: z.string(),
  uid: z.string().nullable(),
  url: z.string(),
  state: z.enum(["healthy", "slow", "failing", "paused", "disabled"]),
  disabledAt: Moment,
  disabledReason: z.enum(Object.keys(DISABLED_FOR) as (keyof typeof DISABLED_FOR)[]).nullable(),
  failingSince: Moment.openapi({ description: "It has only failed since then" }),
  pausedUntil: Moment.openapi({ description: "Nothing is sent to it before then" }),
  slowMs: z
    .number()
    .int()
    .nullable()
    .openapi({ description: "How slow its answers are; null: they are not" }),
  nextAttempt: Moment.openapi({ description: "When the next retry is due; null: none is booked" }),
  pending: count.openapi({
    description: `Deliveries that it is owed; ${COUNTED_PENDING + 1} stands for more than ${COUNTED_PENDING}`,
  }),
  lastAttempt: z
    .object({
      at: z.iso.datetime(),
      statusCode: z.number().int().nullable(),
      result: z.string().openapi({
        description: "As in an endpoint's history: `2xx`, `5xx`, `timeout` …",
        example: "5xx",
      }),
    })
    .nullable(),
}

const EndpointHealthOut = z
  .object({
    ...standing,
    hours: z
      .array(z.object({ start: z.iso.datetime(), success: count, fail: count }))
      .openapi({ description: "The last 24 hours that are over, oldest first" }),
    lastSuccessAt: Moment.openapi({ description: "Within these hours, or the last attempt of all" }),
    lastFailureAt: Moment,
  })
  .openapi("EndpointHealthOut")

const DeliveryCountsOut = z
  .object({
    delivered: count,
    pending: count,
    sending: count,
    retrying: count,
    failed: count,
    canceled: count,
    isComplete: z.boolean().openapi({ description: "Whether these are all" }),
  })
  .openapi("DeliveryCountsOut")

const tags = ["Endpoint"]

export const endpointHealth = createRouter()

endpointHealth.openapi(
  operation({
    operationId: "v1.endpoint.list-health",
    access: "application",
    tags,
    summary: "How the endpoints of an application are",
    description:
      "An operation of our own: for each endpoint its state, what it is owed, its last attempt, and a bar for each of the last 24 hours that are over.",
    method: "get",
    path: "/api/v1/app/{app_id}/endpoint-health",
    request: {
      params: AppPath,
      query: z.object({ limit: wholeNumber(1, MAX_PAGE).default(MAX_PAGE), iterator: Iterator }),
    },
    responses: {
      200: {
        description: "A page of endpoints",
        content: { "application/json": { schema: listOf("EndpointHealthOut", EndpointHealthOut) } },
      },
      ...refusals(),
    },
  }),
  async (c) => {
    const { deps, application } = c.var
    const page = await listStandings(deps, application.id, toPageRequest(c.req.valid("query"), "ascending"))
    const toWire = toWireAt(deps.clock.now())
    return c.json(
      toList(page, ({ id }) => id, toWire),
      200,
    )
  },
)

endpointHealth.openapi(
  operation({
    operationId: "v1.endpoint.get-health",
    access: "application",
    tags,
    summary: "How an endpoint is",
    description:
      "An operation of our own. `paused` is told before `failing`: one that fails is left alone for a while after each failure.",
    method: "get",
    path: "/api/v1/app/{app_id}/endpoint/{endpoint_id}/health",
    request: { params: EndpointPath },
    responses: {
      200: {
        description: "How it is",
        content: { "application/json": { schema: EndpointHealthOut } },
      },
      ...refusals(),
    },
  }),
  async (c) => {
    const { deps, application } = c.var
    const found = await getStanding(deps, application.id, c.req.valid("param").endpoint_id)
    return c.json(toWireAt(deps.clock.now())(found), 200)
  },
)

endpointHealth.openapi(
  operation({
    operationId: "v1.endpoint.count-deliveries",
    access: "application",
    tags,
    summary: "How far the newest deliveries to an endpoint are",
    description: `An operation of our own, for whoever asks every few seconds: it counts the newest ${SCANNED_ROWS}, of messages from \`since\` on if it is given, and says whether there are more.`,
    method: "get",
    path: "/api/v1/app/{app_id}/endpoint/{endpoint_id}/delivery-counts",
    request: { params: EndpointPath, query: z.object({ since: DateTime.optional() }) },
    responses: {
      200: { description: "The counts", content: { "application/json": { schema: DeliveryCountsOut } } },
      ...refusals(),
    },
  }),
  async (c) => {
    const { deps, application } = c.var
    const { stats, isComplete } = await countNewestDeliveries(
      deps,
      application.id,
      c.req.valid("param").endpoint_id,
      c.req.valid("query"),
    )
    return c.json({ ...stats, isComplete }, 200)
  },
)

/** What `standing` has of an endpoint. */
export function toStanding(found: Standing) {
  const { applicationId: _, disabledAt, failingSince, pausedUntil, dueAt, last, ...rest } = found
  return {
    id: rest.id,
    uid: rest.uid,
    url: rest.url,
    state: rest.state,
    disabledAt: toMoment(disabledAt),
    disabledReason: rest.disabledReason,
    failingSince: toMoment(failingSince),
    pausedUntil: toMoment(pausedUntil),
    slowMs: rest.slowMs,
    nextAttempt: toMoment(dueAt),
    pending: rest.pending,
    lastAttempt: last && { at: toTime(last.at), statusCode: last.statusCode, result: last.result as string },
  }
}

function toWireAt(now: number) {
  return (found: StandingByHours) => {
    const tallies = new Map(found.hours.map(({ hour, tally }) => [hour, tally]))
    const total = addTallies([...tallies.values()])
    const { last } = found
    const isTaken = last?.result === "2xx"
    return {
      ...toStanding(found),
      hours: lastHours(now).map((hour) => ({
        start: toTime(hour),
        ...outcomesOf(tallies.get(hour) ?? addTallies([])),
      })),
      lastSuccessAt: toMoment(latest(total.lastSuccessAt, isTaken ? last.at : null)),
      lastFailureAt: toMoment(latest(total.lastFailureAt, isTaken ? null : (last?.at ?? null))),
    }
  }
}

function latest(one: number | null, other: number | null): number | null {
  return one === null || other === null ? (one ?? other) : Math.max(one, other)
}

function toMoment(at: number | null): string | null {
  return at === null ? null : toTime(at)
}
