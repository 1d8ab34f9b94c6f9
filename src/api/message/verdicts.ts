import { z } from "@hono/zod-openapi"

import { listVerdicts } from "../../engine/deliveries/verdicts.ts"
import { rehearseEvent } from "../../engine/events/rehearse.ts"
import { operation } from "../../http/operation.ts"
import { toProblem } from "../../http/problem.ts"
import { createRouter } from "../../http/router.ts"
import { inApplication } from "../application/get-or-create.ts"
import { toScannedList } from "../filters.ts"
import { Iterator, Limit, listOf, toPageRequest } from "../page.ts"
import { refusals } from "../problems.ts"
import { AppPath, MessagePath } from "../wire.ts"
import { MessageIn, messageBody, toNewEvent } from "./message-in.ts"
import { EndpointMatchOut, EndpointVerdictOut, toMatch, toVerdict } from "./verdict-wire.ts"

const tags = ["Message"]
const query = z.object({ limit: Limit, iterator: Iterator })

const MessageDryRunOut = listOf("EndpointMatchOut", EndpointMatchOut)
  .extend({
    refusal: z
      .object({ status: z.number().int(), code: z.string(), detail: z.string() })
      .nullable()
      .openapi({ description: "How the message would be refused; null: it would be accepted" }),
  })
  .openapi("MessageDryRunOut")

export const verdicts = createRouter()

verdicts.openapi(
  operation({
    operationId: "v1.message.list-verdicts",
    access: "application",
    tags,
    summary: "List every endpoint, and whether it gets a message or why not",
    description:
      "An operation of our own. In the order of the endpoints' ids; those are among them that were deleted after the message was sent. A page may be short of its limit, even empty, before the end: `done` tells.",
    method: "get",
    path: "/api/v1/app/{app_id}/msg/{msg_id}/verdict",
    request: { params: MessagePath, query },
    responses: {
      200: {
        description: "A page of endpoints",
        content: { "application/json": { schema: listOf("EndpointVerdictOut", EndpointVerdictOut) } },
      },
      ...refusals(),
    },
  }),
  async (c) => {
    const { msg_id } = c.req.valid("param")
    const { id } = c.var.application
    const request = toPageRequest(c.req.valid("query"), "ascending")
    const page = await listVerdicts(c.var.deps, id, msg_id, request)
    return c.json(
      toScannedList(request, page, ({ endpoint }) => endpoint.id, toVerdict),
      200,
    )
  },
)

verdicts.openapi(
  operation({
    operationId: "v1.message.dry-run",
    makesApplication: true,
    tags,
    summary: "Say who would get a message, who would not and why, and send nothing",
    description:
      "An operation of our own: the body is that of a message to be sent, and nothing is written. Input that does not fit is refused as if it were sent; whatever else would stand against the message is in `refusal`. In the order of the endpoints' ids; a page may be short of its limit, even empty, before the end: `done` tells.",
    method: "post",
    path: "/api/v1/app/{app_id}/msg/dry-run",
    middleware: [messageBody],
    request: {
      params: AppPath,
      query,
      body: { required: true, content: { "application/json": { schema: MessageIn } } },
    },
    responses: {
      200: {
        description: "A page of endpoints",
        content: { "application/json": { schema: MessageDryRunOut } },
      },
      ...refusals(413),
    },
  }),
  async (c) => {
    const { deps } = c.var
    const { app_id } = c.req.valid("param")
    const given = c.req.valid("json")
    const event = toNewEvent(given, await c.req.text())
    const request = toPageRequest(c.req.valid("query"), "ascending")
    const page = await inApplication(deps, app_id, given.application, ({ id }) =>
      rehearseEvent(deps, { applicationId: id, ...event }, request),
    )
    const list = toScannedList(request, page, ({ endpoint }) => endpoint.id, toMatch)
    const { refusal } = page
    return c.json({ ...list, refusal: refusal && refusalOut(refusal) }, 200)
  },
)

/** A refusal as the message would have been answered with it. */
function refusalOut(refusal: Error) {
  const { status, code, detail } = toProblem(refusal, "")
  return { status, code: code ?? "invalid", detail }
}
