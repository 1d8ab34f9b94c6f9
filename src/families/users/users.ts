import { z } from "@hono/zod-openapi"
import { invalid, problems } from "../../http/dialects/plain.ts"
import { IdempotencyKey, idempotent } from "../../http/middleware/idempotency.ts"
import { jsonBody } from "../../http/middleware/json-body.ts"
import { operation } from "../../http/operation.ts"
import { paged, pageFrom, pageQuery } from "../../http/page.ts"
import { Problem } from "../../http/problem.ts"
import { createRouter } from "../../http/router.ts"
import { APPLICATION, createUser, listUsers, type User as UserRow } from "./store.ts"
import { toPayload, toTime, Username } from "./wire.ts"

const NewUser = z.object({ username: Username }).openapi("NewUser", { example: { username: "Alice" } })

const User = z
  .object({ username: z.string(), registered_at: z.string() })
  .openapi("User", { example: { username: "alice", registered_at: "2025-05-07T04:03:10.779+00:00" } })

export const users = createRouter()

users.openapi(
  operation({
    operationId: "createUser",
    tags: ["Users"],
    summary: "Register a user",
    description: "Stores the name in lower case and publishes `user_registered`.",
    method: "post",
    path: "/users",
    middleware: [jsonBody()],
    request: {
      headers: IdempotencyKey,
      body: { required: true, content: { "application/json": { schema: NewUser } } },
    },
    responses: {
      200: { description: "Registered", content: { "application/json": { schema: User } } },
      ...problems(400, 413, 507),
      ...invalid,
    },
  }),
  async (c) => {
    const { username } = c.req.valid("json")
    const { status, body } = await idempotent(
      c,
      { applicationId: APPLICATION },
      async (remember) => {
        const payloadOf = (created: UserRow) => toPayload("user_registered", toWire(created))
        const user = await createUser(c.var.deps, username, payloadOf, remember)
        if (user === null) throw new Problem(400, null, "Username already exists")
        return user
      },
      (user: UserRow) => ({ status: 200, body: toWire(user) }),
    )
    return c.json(body, status)
  },
)

users.openapi(
  operation({
    operationId: "listUsers",
    tags: ["Users"],
    summary: "List the users, oldest first",
    description: "At most 1,000 a page; the `Link` header leads to the next one.",
    method: "get",
    path: "/users",
    request: { query: z.object(pageQuery) },
    responses: {
      200: { description: "A page of users", content: { "application/json": { schema: z.array(User) } } },
      ...problems(),
      ...invalid,
    },
  }),
  async (c) => {
    const page = await listUsers(c.var.deps, pageFrom(c.req.valid("query")))
    return c.json(paged(c, page).map(toWire), 200)
  },
)

function toWire(user: UserRow) {
  return { username: user.username, registered_at: toTime(user.registeredAt) }
}
