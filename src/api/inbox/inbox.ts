import { z } from "@hono/zod-openapi"

import {
  changeInbox,
  createInbox,
  getInbox,
  type InboxChange,
  listInboxes,
  MAX_INBOXES,
  removeInbox,
  secretOf,
} from "../../engine/inboxes/inbox.ts"
import { clearInbox, listRequests } from "../../engine/inboxes/requests.ts"
import { jsonBody } from "../../http/middleware/json-body.ts"
import { operation } from "../../http/operation.ts"
import { wholeNumber } from "../../http/query.ts"
import { createRouter } from "../../http/router.ts"
import { Iterator, listOf, Ordering, toPageRequest } from "../page.ts"
import { refusals } from "../problems.ts"
import { InboxIn, InboxOut, InboxPatch, InboxRequestOut, toInbox, toRequest } from "./wire.ts"

const tags = ["Inbox"]
const path = "/api/v1/inbox/{inbox_id}"
const InboxPath = z.object({ inbox_id: z.string().regex(/^ibx_[0-9a-f]{32}$/, "must be an inbox's id") })

/** Requests on a page: each may be 64 KiB. */
const MAX_LIMIT = 20

const answer = (description: string) => ({
  description,
  content: { "application/json": { schema: InboxOut } },
})

export const inboxes = createRouter()

inboxes.openapi(
  operation({
    operationId: "v1.inbox.create",
    tags,
    summary: "Make a receiver to try deliveries with",
    description: `It keeps the hundred newest requests to its URL, of each 64 KiB, for a day, and answers as it is told to. There are at most ${MAX_INBOXES}.`,
    method: "post",
    path: "/api/v1/inbox",
    middleware: [jsonBody({ emptyIs: "{}" })],
    request: { body: { content: { "application/json": { schema: InboxIn } } } },
    responses: { 201: answer("The inbox"), ...refusals(413, 415, 507) },
  }),
  async (c) => {
    const { status = 200, retryAfterSeconds = null, delayMs = 0, hangs = false, secret } = c.req.valid("json")
    const { origin } = new URL(c.var.deps.config.publicUrl ?? c.req.url)
    const settings = { status, retryAfterSeconds, delayMs, hangs, secret: secret ?? null }
    return c.json(toInbox(await createInbox(c.var.deps, { origin, ...settings })), 201)
  },
)

inboxes.openapi(
  operation({
    operationId: "v1.inbox.list",
    tags,
    summary: "List the inboxes",
    method: "get",
    path: "/api/v1/inbox",
    responses: {
      200: {
        description: "All of them, the newest first",
        content: { "application/json": { schema: z.object({ data: z.array(InboxOut) }) } },
      },
      ...refusals(),
    },
  }),
  async (c) => c.json({ data: (await listInboxes(c.var.deps)).map(toInbox) }, 200),
)

inboxes.openapi(
  operation({
    operationId: "v1.inbox.get",
    tags,
    summary: "Get an inbox",
    method: "get",
    path,
    request: { params: InboxPath },
    responses: { 200: answer("The inbox"), ...refusals() },
  }),
  async (c) => c.json(toInbox(await getInbox(c.var.deps, c.req.valid("param").inbox_id)), 200),
)

inboxes.openapi(
  operation({
    operationId: "v1.inbox.patch",
    tags,
    summary: "Change how an inbox answers, or what it verifies with",
    method: "patch",
    path,
    middleware: [jsonBody()],
    request: {
      params: InboxPath,
      body: { required: true, content: { "application/json": { schema: InboxPatch } } },
    },
    responses: { 200: answer("The inbox as it is now"), ...refusals(413, 415) },
  }),
  async (c) => {
    // What is not said is left out, and null is a value of its own.
    const change = Object.fromEntries(
      Object.entries(c.req.valid("json")).filter(([, value]) => value !== undefined),
    ) as InboxChange
    return c.json(toInbox(await changeInbox(c.var.deps, c.req.valid("param").inbox_id, change)), 200)
  },
)

inboxes.openapi(
  operation({
    operationId: "v1.inbox.delete",
    tags,
    summary: "Delete an inbox with all that it got",
    method: "delete",
    path,
    request: { params: InboxPath },
    responses: { 204: { description: "Deleted" }, ...refusals() },
  }),
  async (c) => {
    await removeInbox(c.var.deps, c.req.valid("param").inbox_id)
    return c.body(null, 204)
  },
)

inboxes.openapi(
  operation({
    operationId: "v1.inbox.list-requests",
    tags,
    summary: "List what an inbox got",
    description: "Each with whether its signature verifies by the inbox's secret, or why not.",
    method: "get",
    path: `${path}/request`,
    request: {
      params: InboxPath,
      query: z.object({
        limit: wholeNumber(1, MAX_LIMIT).default(MAX_LIMIT),
        iterator: Iterator,
        order: Ordering.optional(),
      }),
    },
    responses: {
      200: {
        description: "A page, the newest first unless asked otherwise",
        content: { "application/json": { schema: listOf("InboxRequestOut", InboxRequestOut) } },
      },
      ...refusals(),
    },
  }),
  async (c) => {
    const { deps } = c.var
    const inbox = await getInbox(deps, c.req.valid("param").inbox_id)
    const page = await listRequests(deps, inbox, toPageRequest(c.req.valid("query"), "descending"))
    const secret = await secretOf(deps, inbox)
    const data = await Promise.all(page.rows.map((request) => toRequest(request, secret)))
    const [first, last] = [page.rows.at(0), page.rows.at(-1)]
    return c.json(
      { data, done: page.done, iterator: last?.id ?? null, prevIterator: first ? `-${first.id}` : null },
      200,
    )
  },
)

inboxes.openapi(
  operation({
    operationId: "v1.inbox.clear",
    tags,
    summary: "Forget what an inbox got",
    method: "delete",
    path: `${path}/request`,
    request: { params: InboxPath },
    responses: { 204: { description: "Forgotten" }, ...refusals() },
  }),
  async (c) => {
    await clearInbox(c.var.deps, c.req.valid("param").inbox_id)
    return c.body(null, 204)
  },
)
