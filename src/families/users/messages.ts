import { z } from "@hono/zod-openapi"
import { invalid, problems } from "../../http/dialects/plain.ts"
import { IdempotencyKey, idempotent } from "../../http/middleware/idempotency.ts"
import { jsonBody } from "../../http/middleware/json-body.ts"
import { operation } from "../../http/operation.ts"
import { paged, pageFrom, pageQuery } from "../../http/page.ts"
import { Problem } from "../../http/problem.ts"
import { withExamples } from "../../http/refusals.ts"
import { createRouter } from "../../http/router.ts"
import {
  APPLICATION,
  createMessage,
  listMessages,
  type Message as MessageRow,
  type Unsendable,
} from "./store.ts"
import { Text, toPayload, toTime, Username } from "./wire.ts"

const MAX_SUBJECT = 256
const MAX_MESSAGE_BYTES = 16 * 1024

const REFUSALS: Record<Unsendable, string> = {
  "no sender": "Sender does not exist",
  "no recipient": "Recipient does not exist",
  "to oneself": "Sender and recipient cannot be the same",
}

const EXAMPLE = { sender: "alice", recipient: "bob", subject: "Hello", message: "How are you?" }

const NewMessage = z
  .object({
    sender: Username,
    recipient: Username,
    subject: Text(MAX_SUBJECT, "characters"),
    message: Text(MAX_MESSAGE_BYTES, "bytes"),
  })
  .openapi("NewMessage", { example: { ...EXAMPLE, sender: "Alice", recipient: "Bob" } })

const Message = z
  .object({
    sender: z.string(),
    recipient: z.string(),
    subject: z.string(),
    message: z.string(),
    received_at: z.string(),
  })
  .openapi("Message", { example: { ...EXAMPLE, received_at: "2025-05-07T04:03:10.779+00:00" } })

export const messages = createRouter()

messages.openapi(
  operation({
    operationId: "sendMessage",
    tags: ["Users"],
    summary: "Send a message to a user",
    description: "Stores it and publishes `user_send_message`.",
    method: "post",
    path: "/users/messages",
    middleware: [jsonBody()],
    request: {
      headers: IdempotencyKey,
      body: { required: true, content: { "application/json": { schema: NewMessage } } },
    },
    responses: {
      200: { description: "Sent", content: { "application/json": { schema: Message } } },
      ...withExamples(problems(400, 413, 507), { 400: { detail: REFUSALS["no sender"] } }),
      ...invalid,
    },
  }),
  async (c) => {
    const { status, body } = await idempotent(
      c,
      { applicationId: APPLICATION },
      async (remember) => {
        const payloadOf = (created: MessageRow) => toPayload("user_send_message", toWire(created))
        const message = await createMessage(c.var.deps, c.req.valid("json"), payloadOf, remember)
        if (typeof message === "string") throw new Problem(400, null, REFUSALS[message])
        return message
      },
      (message: MessageRow) => ({ status: 200, body: toWire(message) }),
    )
    return c.json(body, status)
  },
)

messages.openapi(
  operation({
    operationId: "listMessages",
    tags: ["Users"],
    summary: "List the messages to a user, oldest first",
    description:
      "The name is compared without case. At most 1,000 a page; the `Link` header leads to the next one.",
    method: "get",
    path: "/users/messages",
    request: {
      query: z.object({ recipient: z.string().openapi({ example: "Alice" }), ...pageQuery }),
    },
    responses: {
      200: {
        description: "A page of messages",
        content: { "application/json": { schema: z.array(Message) } },
      },
      ...withExamples(problems(400), { 400: { detail: REFUSALS["no recipient"] } }),
      ...invalid,
    },
  }),
  async (c) => {
    const { recipient, ...query } = c.req.valid("query")
    const page = await listMessages(c.var.deps, recipient.toLowerCase(), pageFrom(query))
    if (page === null) throw new Problem(400, null, REFUSALS["no recipient"])
    return c.json(paged(c, page).map(toWire), 200)
  },
)

function toWire({ sender, recipient, subject, message, receivedAt }: MessageRow) {
  return { sender, recipient, subject, message, received_at: toTime(receivedAt) }
}
