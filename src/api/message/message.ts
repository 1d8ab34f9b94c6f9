import { z } from "@hono/zod-openapi"

import { expungeEvent, getEvent, listEvents } from "../../engine/events/event.ts"
import { sendEvent } from "../../engine/events/send.ts"
import { IdempotencyKey } from "../../http/middleware/idempotency.ts"
import { operation } from "../../http/operation.ts"
import { jsonAnswer } from "../../http/raw-json.ts"
import { createRouter } from "../../http/router.ts"
import { inApplication } from "../application/get-or-create.ts"
import {
  ChannelFilter,
  EventTypesFilter,
  eventTypesOf,
  refuseBoth,
  TimeFilters,
  toScannedList,
  toTimedPage,
  WithContent,
} from "../filters.ts"
import { input } from "../input.ts"
import { Iterator, Limit, listOf } from "../page.ts"
import { refusals } from "../problems.ts"
import { AppPath, MessagePath } from "../wire.ts"
import { MessageIn, messageBody, toNewEvent } from "./message-in.ts"
import { sendOnce, sendOnceInOneTrip } from "./send-once.ts"
import { MessageOut, toMessage } from "./wire.ts"

const tags = ["Message"]

export const messages = createRouter()

messages.openapi(
  operation({
    operationId: "v1.message.create",
    makesApplication: true,
    tags,
    summary: "Send a message to everybody who listens",
    description:
      "Accepted once this answers; deliveries follow. An application that is missing is created if it is given along, an event type that is missing is added to the catalog.",
    method: "post",
    path: "/api/v1/app/{app_id}/msg",
    middleware: [messageBody],
    request: {
      params: AppPath,
      query: z.object({ with_content: WithContent }),
      headers: IdempotencyKey,
      body: { required: true, content: { "application/json": { schema: MessageIn } } },
    },
    responses: {
      202: { description: "Accepted", content: { "application/json": { schema: MessageOut } } },
      ...refusals(413, 507),
    },
  }),
  async (c) => {
    const { deps } = c.var
    const given = c.req.valid("json")
    const { with_content } = c.req.valid("query")
    const { app_id } = c.req.valid("param")
    const event = toNewEvent(given, await c.req.text())
    const sent = await sendOnceInOneTrip(c, app_id, with_content, event)
    if (sent) return jsonAnswer(c, sent, 202)
    const message = await inApplication(deps, app_id, given.application, (application, isNew) =>
      sendOnce(c, { applicationId: application.id }, with_content, (remember) =>
        sendEvent(deps, {
          applicationId: application.id,
          newApplication: isNew ? application : undefined,
          ...event,
          remember,
        }),
      ),
    )
    return jsonAnswer(c, message, 202)
  },
)

messages.openapi(
  operation({
    operationId: "v1.message.list",
    access: "application",
    tags,
    summary: "List the messages of an application, newest first",
    description:
      "`before` and `after` do without each other, and without an iterator. A page may be short of its limit, even empty, before the end: `done` tells.",
    method: "get",
    path: "/api/v1/app/{app_id}/msg",
    request: {
      params: AppPath,
      query: input(
        z.object({
          limit: Limit,
          iterator: Iterator,
          channel: ChannelFilter,
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
        content: { "application/json": { schema: listOf("MessageOut", MessageOut) } },
      },
      ...refusals(),
    },
  }),
  async (c) => {
    const { deps } = c.var
    const query = c.req.valid("query")
    refuseBoth(query)
    const { id } = c.var.application
    // An iterator knows where it is: the times were for the first page.
    const times = query.iterator === undefined ? query : { limit: query.limit, iterator: query.iterator }
    const { request, since, before } = toTimedPage(times)
    const page = await listEvents(deps, id, request, {
      since,
      before,
      channel: query.channel,
      eventTypes: eventTypesOf(c, query.event_types),
      withPayload: query.with_content,
    })
    const list = toScannedList(
      request,
      page,
      (event) => event.id,
      (event) => toMessage(event, query.with_content),
    )
    return jsonAnswer(c, list, 200)
  },
)

messages.openapi(
  operation({
    operationId: "v1.message.get",
    access: "application",
    tags,
    summary: "Get a message by its id or eventId",
    method: "get",
    path: "/api/v1/app/{app_id}/msg/{msg_id}",
    request: { params: MessagePath, query: z.object({ with_content: WithContent }) },
    responses: {
      200: { description: "The message", content: { "application/json": { schema: MessageOut } } },
      ...refusals(),
    },
  }),
  async (c) => {
    const { msg_id } = c.req.valid("param")
    const { id } = c.var.application
    const event = await getEvent(c.var.deps, id, msg_id)
    return jsonAnswer(c, toMessage(event, c.req.valid("query").with_content), 200)
  },
)

messages.openapi(
  operation({
    operationId: "v1.message.expunge-content",
    tags,
    summary: "Delete a message's payload",
    description: "What is still owed of it ends as expired, and it cannot be resent.",
    method: "delete",
    path: "/api/v1/app/{app_id}/msg/{msg_id}/content",
    request: { params: MessagePath },
    responses: { 204: { description: "Deleted" }, ...refusals() },
  }),
  async (c) => {
    const { msg_id } = c.req.valid("param")
    const { id } = c.var.application
    await expungeEvent(c.var.deps, id, msg_id)
    return c.body(null, 204)
  },
)
