import { describe, expect, it } from "vitest"

import { documentOf } from "../api/document.ts"
import { callApi, svixFor } from "../api/svix.ts"
import { shards } from "../support/shards.ts"
import { createWorld, type World } from "../support/world.ts"

const HOOK = "http://receiver.example/"
const NEW = "http://new.example/"
const DOWN = "http://down.example/hook"
const UPLOADED = "21f8e1f7-4142-42f9-ac30-74961702b2eb"
const APP = "/api/v1/app/acme"

interface Names {
  attempt: string
  inbox: string
  invoice: string
  webhook: string
  token: string
  task: string
}
type Write = [operationId: string, method: string, path: string | ((names: Names) => string), body?: unknown]

/** What makes the database grow: refused while it is full. */
const GROWING: Write[] = [
  ["createUser", "POST", "/users", { username: "bob" }],
  [
    "sendMessage",
    "POST",
    "/users/messages",
    { sender: "alice", recipient: "carol", subject: "", message: "" },
  ],
  ["registerWebhook", "POST", "/webhook", { event: "user_send_message", url: NEW }],
  ["pingWebhooks", "POST", "/ping"],
  ["registerUrl", "POST", "/register", { event: "new", url: NEW }],
  ["publishEvent", "POST", "/events", { event: "known", data: {} }],
  ["createInvoice", "POST", "/invoices", { amount: 1 }],
  ["updateInvoice", "PATCH", ({ invoice }) => `/invoices/${invoice}`, { amount: 2 }],
  ["payInvoice", "POST", ({ invoice }) => `/invoices/${invoice}/pay`, {}],
  ["registerUploadWebhook", "POST", "/webhook/register", { event_type_id: UPLOADED, user_id: 1, url: NEW }],
  ["uploadFile", "POST", ({ webhook }) => `/upload_file/webhook_id/${webhook}`, new FormData()],
  ["v1.application.create", "POST", "/api/v1/app", { name: "New" }],
  ["v1.application.update", "PUT", APP, { name: "New", uid: "acme" }],
  ["patch_application", "PATCH", APP, { name: "New" }],
  ["v1.event-type.create", "POST", "/api/v1/event-type", { name: "new", description: "" }],
  ["v1.event-type.update", "PUT", "/api/v1/event-type/new", { description: "" }],
  ["patch_event_type", "PATCH", "/api/v1/event-type/known", { description: "longer" }],
  ["v1.endpoint.create", "POST", `${APP}/endpoint`, { url: NEW }],
  ["v1.endpoint.update", "PUT", `${APP}/endpoint/hook`, { url: NEW }],
  ["patch_endpoint", "PATCH", `${APP}/endpoint/hook`, { description: "longer" }],
  [
    "v1.endpoint.update-headers",
    "PUT",
    `${APP}/endpoint/hook/headers`,
    { headers: { "x-new": "1", "x-more": "2" } },
  ],
  ["v1.endpoint.patch-headers", "PATCH", `${APP}/endpoint/hook/headers`, { headers: { "x-more": "2" } }],
  ["v1.endpoint.recover", "POST", `${APP}/endpoint/hook/recover`, { since: "2026-01-14T00:00:00Z" }],
  ["v1.endpoint.send-example", "POST", `${APP}/endpoint/hook/send-example`, { eventType: "svix.ping" }],
  ["v1.message.create", "POST", `${APP}/msg`, { eventType: "known", payload: {} }],
  ["v1.message-attempt.resend", "POST", `${APP}/msg/first/endpoint/hook/resend`],
  [
    "v1.authentication.app-portal-access",
    "POST",
    "/api/v1/auth/app-portal-access/other",
    { application: { name: "Other", uid: "other" } },
  ],
  [
    "v1.authentication.dashboard-access",
    "POST",
    "/api/v1/auth/dashboard-access/other",
    { application: { name: "Other", uid: "other" } },
  ],
  ["v1.inbox.create", "POST", "/api/v1/inbox", {}],
]

/** What goes on while the database is full, in this order, and why. */
const GOING_ON: [why: string, ...write: Write][] = [
  [
    "a dry run writes nothing, and says that the message would be refused",
    "v1.message.dry-run",
    "POST",
    `${APP}/msg/dry-run`,
    { eventType: "a", payload: {} },
  ],
  [
    "a leaked secret must not wait",
    "v1.endpoint.rotate-secret",
    "POST",
    `${APP}/endpoint/hook/secret/rotate`,
    {},
  ],
  [
    "what runs must be ended",
    "v1.background-task.cancel",
    "POST",
    ({ task }) => `/api/v1/background-task/${task}/cancel`,
  ],
  ["a leaked token must not wait", "logout_api_v1_auth_logout__post", "POST", "/api/v1/auth/logout"],
  [
    "nor many of them",
    "v1.authentication.expire-all",
    "POST",
    "/api/v1/auth/app/acme/expire-all",
    { sessionIds: ["user_1"] },
  ],
  [
    "a token is no row",
    "v1.authentication.app-portal-access",
    "POST",
    "/api/v1/auth/app-portal-access/acme",
    {},
  ],
  ["it ends", "v1.message-attempt.cancel", "POST", `${APP}/msg/first/endpoint/down/cancel`],
  ["disabling", "patch_endpoint", "PATCH", `${APP}/endpoint/hook`, { disabled: true }],
  ["enabling", "patch_endpoint", "PATCH", `${APP}/endpoint/hook`, { disabled: false }],
  ["archiving", "patch_event_type", "PATCH", "/api/v1/event-type/known", { archived: true }],
  [
    "fewer headers",
    "v1.endpoint.patch-headers",
    "PATCH",
    `${APP}/endpoint/hook/headers`,
    { headers: { "x-one": null } },
  ],
  [
    "a receiver is told how to answer",
    "v1.inbox.patch",
    "PATCH",
    ({ inbox }) => `/api/v1/inbox/${inbox}`,
    { status: 500 },
  ],
  [
    "it writes nothing",
    "v1.message.dry-run",
    "POST",
    `${APP}/msg/dry-run`,
    { eventType: "known", payload: {} },
  ],
  ["removing", "v1.inbox.clear", "DELETE", ({ inbox }) => `/api/v1/inbox/${inbox}/request`],
  ["removing", "v1.inbox.delete", "DELETE", ({ inbox }) => `/api/v1/inbox/${inbox}`],
  ["it makes room elsewhere", "posthorn.shard.move", "PUT", `${APP}/shard/${shards.length - 1}`],
  ["it makes room elsewhere", "posthorn.shard.cancel-move", "DELETE", `${APP}/shard/${shards.length - 1}`],
  ["removing", "v1.message.expunge-content", "DELETE", `${APP}/msg/first/content`],
  [
    "removing",
    "v1.message-attempt.expunge-content",
    "DELETE",
    ({ attempt }) => `${APP}/msg/first/attempt/${attempt}/content`,
  ],
  ["removing", "v1.endpoint.delete", "DELETE", `${APP}/endpoint/hook`],
  ["removing", "v1.event-type.delete", "DELETE", "/api/v1/event-type/known"],
  ["removing", "v1.application.delete", "DELETE", APP],
  ["removing", "unregisterWebhook", "DELETE", "/webhook", { event: "user_registered", url: HOOK }],
  ["removing", "unregisterUrl", "POST", "/unregister", { event: "known", url: HOOK }],
]

async function filled(): Promise<{ world: World; names: Names; fill: () => void }> {
  const world = await createWorld()
  const svix = svixFor(world)
  const post = async <T>(path: string, json: unknown) => (await world.fetch(path, { json })).json<T>()
  for (const username of ["alice", "carol"]) await post("/users", { username })
  await post("/webhook", { event: "user_registered", url: HOOK })
  await world.fetch("/register", { json: { event: "known", url: HOOK } })
  const { invoice_id: invoice } = await post<{ invoice_id: string }>("/invoices", { amount: 1 })
  const registration = { event_type_id: UPLOADED, user_id: 1, url: HOOK }
  const { data } = await post<{ data: { id: string } }>("/webhook/register", registration)
  await svix.application.create({ name: "Acme", uid: "acme" })
  await svix.eventType.create({ name: "known", description: "" })
  await svix.endpoint.create("acme", { url: HOOK, uid: "hook", headers: { "x-one": "1" } })
  await svix.endpoint.create("acme", { url: DOWN, uid: "down" })
  world.receivers.at(DOWN, 500)
  await svix.message.create("acme", { eventType: "known", eventId: "first", payload: {} })
  await world.runAll()
  const attempt = (await svix.messageAttempt.listByMsg("acme", "first")).data[0]?.id ?? ""
  const { id: task } = await svix.endpoint.recover("acme", "hook", { since: new Date(world.clock.now()) })
  const { token } = await svix.authentication.appPortalAccess("acme", {})
  const { id: inbox } = await post<{ id: string }>("/api/v1/inbox", {})
  const fill = () => {
    for (const db of world.deps.shards) db.sizeBytes = () => world.config.databaseLimitBytes * 0.96
  }
  return { world, names: { attempt, inbox, invoice, webhook: data.id, token, task }, fill }
}

function send(world: World, names: Names, [id, method, path, body]: Write): Promise<Response> {
  const init = body instanceof FormData ? { body } : body === undefined ? {} : { json: body }
  const headers = id.startsWith("logout") ? { authorization: `Bearer ${names.token}` } : {}
  return callApi(world, typeof path === "string" ? path : path(names), { method, headers, ...init })
}

const SIZES = `SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM endpoints) + (SELECT count(*) FROM event_types)
  + (SELECT count(*) FROM applications) + (SELECT count(*) FROM users) + (SELECT count(*) FROM messages)
  + (SELECT count(*) FROM invoices) + (SELECT count(*) FROM tasks) + (SELECT count(*) FROM uploads)
  + (SELECT count(*) FROM subscriptions) + (SELECT count(*) FROM inboxes) AS n`

describe("a full database", () => {
  it.each(GROWING)("takes nothing new: %s", async (...write) => {
    const { world, names, fill } = await filled()
    const before = await world.env.DB.prepare(SIZES).first("n")
    fill()
    const answer = await send(world, names, write)
    expect(answer.status).toBe(507)
    expect(await answer.text()).toContain("The database is full")
    expect(await world.env.DB.prepare(SIZES).first("n")).toBe(before)
  })

  it("lets go on what makes room, and what must not wait", async () => {
    const { world, names, fill } = await filled()
    fill()
    for (const [why, ...write] of GOING_ON) {
      const answer = await send(world, names, write)
      expect([why, write[0], answer.status < 300]).toEqual([why, write[0], true])
    }
  })

  it("is thought of in every operation that writes", async () => {
    const document = await documentOf(await createWorld())
    const writing = Object.values(document.paths).flatMap((methods) =>
      Object.entries(methods).flatMap(([method, { operationId = "" }]) =>
        method === "get" ? [] : operationId,
      ),
    )
    const known = [...GROWING.map(([id]) => id), ...GOING_ON.map(([, id]) => id)]
    expect(writing.filter((id) => !known.includes(id))).toEqual([])
  })
})
