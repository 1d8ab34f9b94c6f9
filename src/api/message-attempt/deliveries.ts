import { z } from "@hono/zod-openapi"

import { cancelDelivery } from "../../engine/deliveries/cancel.ts"
import { listEndpointEvents, listEventEndpoints } from "../../engine/deliveries/delivery.ts"
import { resend } from "../../engine/deliveries/resend.ts"
import { IdempotencyKey, idempotent } from "../../http/middleware/idempotency.ts"
import { operation } from "../../http/operation.ts"
import { jsonAnswer } from "../../http/raw-json.ts"
import { createRouter } from "../../http/router.ts"
import { EndpointOut, toWire } from "../endpoint/wire.ts"
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
import {
  destinationStatus,
  EndpointMessageOut,
  messageStatus,
  progressWith,
  StatusFilter,
  toMessage,
  withStatus,
} from "../message/wire.ts"
import { Iterator, Limit, listOf, toPageRequest } from "../page.ts"
import { refusals } from "../problems.ts"
import { subjectOf } from "../subject.ts"
import { EndpointPath, IdOrUid, MessagePath } from "../wire.ts"

const { metadata: _, ...endpointFields } = EndpointOut.shape
const MessageEndpointOut = z.object({ ...endpointFields, ...withStatus }).openapi("MessageEndpointOut")

const EmptyResponse = z.object({}).openapi("EmptyResponse")

const tags = ["Message Attempt"]

export const deliveries = createRouter()

deliveries.openapi(
  operation({
    operationId: "v1.message-attempt.list-attempted-messages",
    access: "application",
    tags,
    summary: "List the messages to an endpoint, newest first, and how far each is",
    description:
      "In the order in which they were dispatched to it. A page may be short of its limit, even empty, before the end: `done` tells.",
    method: "get",
    path: "/api/v1/app/{app_id}/endpoint/{endpoint_id}/msg",
    request: {
      params: EndpointPath,
      query: input(
        z.object({
          limit: Limit,
          iterator: Iterator,
          channel: ChannelFilter,
          status: StatusFilter,
          ...TimeFilters,
          with_content: WithContent,
          event_types: EventTypesFilter,
        }),
        { unsupported: { tag: null } },
      ),
    },
    responses: {
      200: {
        description: "A page of messages",
        content: { "application/json": { schema: listOf("EndpointMessageOut", EndpointMessageOut) } },
      },
      ...refusals(),
    },
  }),
  async (c) => {
    const { deps } = c.var
    const { endpoint_id } = c.req.valid("param")
    const query = c.req.valid("query")
    const { id } = c.var.application
    const { request, since, before } = toTimedPage(query)
    const page = await listEndpointEvents(deps, id, endpoint_id, request, {
      since,
      before,
      channel: query.channel,
      eventTypes: eventTypesOf(c, query.event_types),
      progress: progressWith(query.status),
      withPayload: query.with_content,
    })
    const list = toScannedList(
      request,
      page,
      (event) => event.place,
      (event) => ({ ...toMessage(event, query.with_content), ...messageStatus(event) }),
    )
    return jsonAnswer(c, list, 200)
  },
)

deliveries.openapi(
  operation({
    operationId: "v1.message-attempt.list-attempted-destinations",
    access: "application",
    tags,
    summary: "List the endpoints that a message goes to, and how far each delivery is",
    description:
      "In the order of the endpoints' ids; deleted ones are among them. While retries are under way the status is that of the last attempt, and `nextAttempt` tells of the next.",
    method: "get",
    path: "/api/v1/app/{app_id}/msg/{msg_id}/endpoint",
    request: { params: MessagePath, query: z.object({ limit: Limit, iterator: Iterator }) },
    responses: {
      200: {
        description: "A page of endpoints",
        content: { "application/json": { schema: listOf("MessageEndpointOut", MessageEndpointOut) } },
      },
      ...refusals(),
    },
  }),
  async (c) => {
    const { deps } = c.var
    const { msg_id } = c.req.valid("param")
    const { id } = c.var.application
    const request = toPageRequest(c.req.valid("query"), "ascending")
    const page = await listEventEndpoints(deps, id, msg_id, request)
    const list = toScannedList(
      request,
      page,
      (endpoint) => endpoint.id,
      ({ progress, nextAttemptAt, ...endpoint }) => {
        const { metadata: _, ...fields } = toWire(endpoint)
        return { ...fields, ...destinationStatus({ progress, nextAttemptAt }) }
      },
    )
    return c.json(list, 200)
  },
)

deliveries.openapi(
  operation({
    operationId: "v1.message-attempt.resend",
    access: "application",
    needs: "CreateAttempts",
    tags,
    summary: "Send a message to an endpoint once more, now",
    description:
      "One attempt by hand. It delivers if it succeeds; if not, a retry that is booked stays as it is. Refused with 409 once the payload is deleted, and while the endpoint is disabled.",
    method: "post",
    path: "/api/v1/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/resend",
    request: { params: MessagePath.extend({ endpoint_id: IdOrUid }), headers: IdempotencyKey },
    responses: {
      202: { description: "Accepted", content: { "application/json": { schema: EmptyResponse } } },
      ...refusals(507),
    },
  }),
  async (c) => {
    const { deps } = c.var
    const { msg_id, endpoint_id } = c.req.valid("param")
    const { id } = c.var.application
    const { body } = await idempotent(
      c,
      subjectOf(deps, id, endpoint_id, msg_id),
      (remember) => resend(deps, { applicationId: id, event: msg_id, endpoint: endpoint_id, remember }),
      () => ({ status: 202, body: {} }),
    )
    return c.json(body, 202)
  },
)

deliveries.openapi(
  operation({
    operationId: "v1.message-attempt.cancel",
    access: "application",
    needs: "CreateAttempts",
    tags,
    summary: "Send a message to an endpoint no more",
    description:
      "An operation of our own: ends a delivery that waits for its first attempt or for a retry. An attempt under way is not called back. A resend sends the message after all. Refused with 409 where nothing waits.",
    method: "post",
    path: "/api/v1/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/cancel",
    request: { params: MessagePath.extend({ endpoint_id: IdOrUid }), headers: IdempotencyKey },
    responses: { 204: { description: "Canceled" }, ...refusals() },
  }),
  async (c) => {
    const { deps } = c.var
    const { msg_id, endpoint_id } = c.req.valid("param")
    const { id } = c.var.application
    await idempotent(
      c,
      subjectOf(deps, id, endpoint_id, msg_id),
      () => cancelDelivery(deps, { applicationId: id, event: msg_id, endpoint: endpoint_id }),
      () => ({ status: 204, body: null }),
    )
    return c.body(null, 204)
  },
)
