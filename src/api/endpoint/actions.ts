import { z } from "@hono/zod-openapi"
import { countDeliveries } from "../../engine/deliveries/stats.ts"
import { getExample, sendExample } from "../../engine/events/send-example.ts"
import { SCANNED_ROWS } from "../../engine/kit/scan.ts"
import { recover } from "../../engine/tasks/recover.ts"
import type { Task } from "../../engine/tasks/task.ts"
import { IdempotencyKey, idempotent } from "../../http/middleware/idempotency.ts"
import { jsonBody } from "../../http/middleware/json-body.ts"
import { operation } from "../../http/operation.ts"
import { requireCapability, sightOf } from "../../http/principal.ts"
import { jsonAnswer } from "../../http/raw-json.ts"
import { createRouter } from "../../http/router.ts"
import { TASK_NAMES } from "../background-task/background-task.ts"
import { input } from "../input.ts"
import { sendOnce } from "../message/send-once.ts"
import { MessageOut } from "../message/wire.ts"
import { refusals } from "../problems.ts"
import { subjectOf } from "../subject.ts"
import { AppPath, DateTime, EndpointPath, EventTypeName, toTime } from "../wire.ts"

const RecoverIn = z
  .object({
    since: DateTime.openapi({ description: "At most 14 days before `until`" }),
    until: DateTime.nullish().openapi({ type: ["string", "null"], description: "Now, if not given" }),
  })
  .openapi("RecoverIn")

const RecoverOut = z
  .object({
    id: z.string(),
    status: z.enum(["running"]).openapi("BackgroundTaskStatus"),
    task: z.enum([TASK_NAMES.recover]).openapi("BackgroundTaskType"),
    updatedAt: z.iso.datetime(),
  })
  .openapi("RecoverOut")

const count = z.number().int().openapi({ format: "int64" })
const EndpointStats = z
  .object({ success: count, pending: count, sending: count, fail: count, canceled: count })
  .openapi("EndpointStats")

const EventExampleIn = input(
  z
    .object({
      eventType: EventTypeName,
      payload: z.record(z.string(), z.unknown()).nullish().openapi({
        description:
          "Sent in place of the example. The token of an application needs `ManageEndpointSecret` as well: who may give the endpoint a secret can sign whatever they like",
      }),
    })
    .openapi("EventExampleIn"),
  { unsupported: { exampleIndex: 0 } },
)

const EventExampleOut = z
  .object({ eventType: z.string(), payload: z.record(z.string(), z.unknown()) })
  .openapi("EventExampleOut", {
    example: { eventType: "user.signup", payload: { email: "name@example.com" } },
  })

const tags = ["Endpoint"]

export const endpointActions = createRouter()

endpointActions.openapi(
  operation({
    operationId: "v1.endpoint.recover",
    access: "application",
    needs: "CreateAttempts",
    tags,
    summary: "Send an endpoint again what it missed",
    description:
      "What has failed of the messages of that time becomes due again, with a fresh schedule. Works on in steps behind this answer, as a background task. Refused with 409 while the endpoint is disabled.",
    method: "post",
    path: "/api/v1/app/{app_id}/endpoint/{endpoint_id}/recover",
    middleware: [jsonBody()],
    request: {
      params: EndpointPath,
      headers: IdempotencyKey,
      body: { required: true, content: { "application/json": { schema: RecoverIn } } },
    },
    responses: {
      202: { description: "Accepted", content: { "application/json": { schema: RecoverOut } } },
      ...refusals(413, 507),
    },
  }),
  async (c) => {
    const { deps } = c.var
    const { endpoint_id } = c.req.valid("param")
    const { since, until } = c.req.valid("json")
    const { id } = c.var.application
    const { body } = await idempotent(
      c,
      subjectOf(deps, id, endpoint_id),
      (remember) =>
        recover(deps, {
          applicationId: id,
          endpoint: endpoint_id,
          since: Math.ceil(since),
          until: toLast(until),
          remember,
        }),
      (task: Task) => ({ status: 202, body: toTask(task) }),
    )
    return c.json(body, 202)
  },
)

endpointActions.openapi(
  operation({
    operationId: "v1.endpoint.get-stats",
    access: "application",
    tags,
    summary: "Count an endpoint's messages by how far they are",
    description: `Of the last 28 days if not given otherwise; of more than ${SCANNED_ROWS} the newest are counted. \`delivery-counts\` tells whether there are more, \`attempt-stats\` adds up the attempts of every hour.`,
    method: "get",
    path: "/api/v1/app/{app_id}/endpoint/{endpoint_id}/stats",
    request: {
      params: EndpointPath,
      query: z.object({ since: DateTime.optional(), until: DateTime.optional() }),
    },
    responses: {
      200: { description: "The counts", content: { "application/json": { schema: EndpointStats } } },
      ...refusals(400),
    },
  }),
  async (c) => {
    const { endpoint_id } = c.req.valid("param")
    const { since, until } = c.req.valid("query")
    const { id } = c.var.application
    const range = { since, until: toLast(until) }
    const counts = await countDeliveries(c.var.deps, id, endpoint_id, range)
    const { delivered: success, failed: fail, pending, sending, retrying, canceled } = counts
    return c.json({ success, pending, sending: sending + retrying, fail, canceled }, 200)
  },
)

endpointActions.openapi(
  operation({
    operationId: "v1.endpoint.send-example",
    access: "application",
    needs: "CreateAttempts",
    tags,
    summary: "Send an endpoint an example of an event type",
    description:
      "Made from the type's schema. `svix.ping` needs no event type. Refused with 409 while the endpoint is disabled.",
    method: "post",
    path: "/api/v1/app/{app_id}/endpoint/{endpoint_id}/send-example",
    middleware: [jsonBody()],
    request: {
      params: EndpointPath,
      headers: IdempotencyKey,
      body: { required: true, content: { "application/json": { schema: EventExampleIn } } },
    },
    responses: {
      200: { description: "The message", content: { "application/json": { schema: MessageOut } } },
      ...refusals(413, 507),
    },
  }),
  async (c) => {
    const { deps } = c.var
    const { endpoint_id } = c.req.valid("param")
    const { eventType, payload } = c.req.valid("json")
    const { id } = c.var.application
    const subject = subjectOf(deps, id, endpoint_id)
    const sight = sightOf(c.var.principal)
    const own = payload ? JSON.stringify(payload) : undefined
    if (own !== undefined) requireCapability(c.var.principal, "ManageEndpointSecret")
    const message = await sendOnce(c, subject, true, (remember) =>
      sendExample(deps, { applicationId: id, endpoint: endpoint_id, eventType, own, sight, remember }),
    )
    return jsonAnswer(c, message, 200)
  },
)

endpointActions.openapi(
  operation({
    operationId: "v1.endpoint.get-example",
    access: "application",
    tags,
    summary: "What would be sent as an example of an event type",
    description:
      "An operation of our own, for whoever changes it before it is sent. Empty where the type has no schema to make one from.",
    method: "get",
    path: "/api/v1/app/{app_id}/event-example/{event_type_name}",
    request: { params: AppPath.extend({ event_type_name: EventTypeName }) },
    responses: {
      200: { description: "The example", content: { "application/json": { schema: EventExampleOut } } },
      ...refusals(),
    },
  }),
  async (c) => {
    const { event_type_name: eventType } = c.req.valid("param")
    const { id } = c.var.application
    const payload = await getExample(c.var.deps, id, eventType, sightOf(c.var.principal))
    return c.json({ eventType, payload: payload === null ? {} : JSON.parse(payload) }, 200)
  },
)

function toTask({ id, updatedAt }: Task): z.infer<typeof RecoverOut> {
  return { id, status: "running", task: TASK_NAMES.recover, updatedAt: toTime(updatedAt) }
}

/** The last millisecond that is not behind a time. */
function toLast(time: number | null | undefined): number | undefined {
  return time === null || time === undefined ? undefined : Math.floor(time)
}
