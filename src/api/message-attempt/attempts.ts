import { z } from "@hono/zod-openapi"

import {
  type AttemptFilter,
  expungeAttempt,
  getAttempt,
  listEndpointAttempts,
  listEventAttempts,
} from "../../engine/deliveries/attempts.ts"
import type { PageRequest } from "../../engine/kit/page.ts"
import { operation } from "../../http/operation.ts"
import { oneOfNumbers } from "../../http/query.ts"
import { createRouter } from "../../http/router.ts"
import {
  ChannelFilter,
  EventTypesFilter,
  eventTypesOf,
  TimeFilters,
  toScannedList,
  toTimedPage,
  WithContent,
} from "../filters.ts"
import { input } from "../input.ts"
import { StatusFilter } from "../message/wire.ts"
import { Iterator, Limit, listOf } from "../page.ts"
import { refusals } from "../problems.ts"
import { EndpointPath, IdOrUid, MessagePath } from "../wire.ts"
import { AttemptPath, MessageAttemptOut, toAttempt } from "./wire.ts"

const CLASSES = [0, 100, 200, 300, 400, 500] as const

const StatusCodeClass = oneOfNumbers(CLASSES).optional().openapi({ description: "0: there was no answer" })

/** What an attempt's status says of it: one that is kept is over, so that none is pending or being sent. */
const TAKEN = { 0: true, 1: null, 2: false, 3: null } as const

const filters = {
  limit: Limit,
  iterator: Iterator,
  status: StatusFilter,
  status_code_class: StatusCodeClass,
  channel: ChannelFilter,
  ...TimeFilters,
  with_content: WithContent,
  event_types: EventTypesFilter,
}
const unsupported = { tag: null, with_msg: "false" }
const Filters = input(z.object(filters), { unsupported })
const MessageFilters = input(z.object({ ...filters, endpoint_id: IdOrUid.optional() }), { unsupported })

const tags = ["Message Attempt"]
const description =
  "Newest first. A page may be short of its limit, even empty, before the end: `done` tells."
const attemptList = {
  description: "A page of attempts",
  content: { "application/json": { schema: listOf("MessageAttemptOut", MessageAttemptOut) } },
}

export const attempts = createRouter()

attempts.openapi(
  operation({
    operationId: "v1.message-attempt.list-by-endpoint",
    access: "application",
    tags,
    summary: "List the attempts made to an endpoint",
    description,
    method: "get",
    path: "/api/v1/app/{app_id}/attempt/endpoint/{endpoint_id}",
    request: { params: EndpointPath, query: Filters },
    responses: { 200: attemptList, ...refusals() },
  }),
  async (c) => {
    const { deps } = c.var
    const { endpoint_id } = c.req.valid("param")
    const query = c.req.valid("query")
    const { id } = c.var.application
    const { request, filter } = toFilter(query, eventTypesOf(c, query.event_types))
    const page = await listEndpointAttempts(deps, id, endpoint_id, request, filter)
    return c.json(toAttemptList(request, page, query.with_content), 200)
  },
)

attempts.openapi(
  operation({
    operationId: "v1.message-attempt.list-by-msg",
    access: "application",
    tags,
    summary: "List the attempts made for a message",
    description,
    method: "get",
    path: "/api/v1/app/{app_id}/attempt/msg/{msg_id}",
    request: { params: MessagePath, query: MessageFilters },
    responses: { 200: attemptList, ...refusals() },
  }),
  async (c) => {
    const { deps } = c.var
    const { msg_id } = c.req.valid("param")
    const query = c.req.valid("query")
    const { id } = c.var.application
    const { request, filter } = toFilter(query, eventTypesOf(c, query.event_types))
    const page = await listEventAttempts(deps, id, msg_id, request, {
      ...filter,
      endpoint: query.endpoint_id,
    })
    return c.json(toAttemptList(request, page, query.with_content), 200)
  },
)

attempts.openapi(
  operation({
    operationId: "v1.message-attempt.get",
    access: "application",
    tags,
    summary: "Get an attempt",
    method: "get",
    path: "/api/v1/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}",
    request: { params: AttemptPath },
    responses: {
      200: { description: "The attempt", content: { "application/json": { schema: MessageAttemptOut } } },
      ...refusals(),
    },
  }),
  async (c) => {
    const { msg_id, attempt_id } = c.req.valid("param")
    const { id } = c.var.application
    return c.json(toAttempt(await getAttempt(c.var.deps, id, msg_id, attempt_id), true), 200)
  },
)

attempts.openapi(
  operation({
    operationId: "v1.message-attempt.expunge-content",
    tags,
    summary: "Delete what a receiver answered to an attempt",
    method: "delete",
    path: "/api/v1/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}/content",
    request: { params: AttemptPath },
    responses: { 204: { description: "Deleted" }, ...refusals() },
  }),
  async (c) => {
    const { msg_id, attempt_id } = c.req.valid("param")
    const { id } = c.var.application
    await expungeAttempt(c.var.deps, id, msg_id, attempt_id)
    return c.body(null, 204)
  },
)

function toFilter(
  query: z.infer<typeof Filters>,
  eventTypes: string[] | undefined,
): { request: PageRequest; filter: AttemptFilter } {
  const { request, since, before } = toTimedPage(query)
  const filter: AttemptFilter = {
    since,
    before,
    eventTypes,
    channel: query.channel,
    delivered: query.status === undefined ? undefined : TAKEN[query.status],
    statusClass: query.status_code_class,
    withBody: query.with_content,
  }
  return { request, filter }
}

function toAttemptList(
  request: PageRequest,
  page: Awaited<ReturnType<typeof listEndpointAttempts>>,
  withContent: boolean,
) {
  return toScannedList(
    request,
    page,
    (attempt) => attempt.id,
    (attempt) => toAttempt(attempt, withContent),
  )
}
