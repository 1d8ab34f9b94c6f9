import { ApiException } from "svix"
import { beforeEach, describe, expect, it } from "vitest"

import { countRows, customersDB } from "../support/shards.ts"
import { createWorld, type World } from "../support/world.ts"
import { callApi, svixFor } from "./svix.ts"

const DAY_MS = 24 * 3600 * 1000

let world: World

beforeEach(setUp)

async function setUp(): Promise<void> {
  world = await createWorld()
  const svix = svixFor(world)
  const { id } = await svix.application.create({ name: "Acme", uid: "acme" })
  await svix.eventType.create({ name: "thing.done", description: "" })
  await svix.endpoint.create("acme", { url: "http://receiver.example/", uid: "hook" })
  await svix.message.create("acme", { eventType: "thing.done", eventId: "first", payload: {} })
  await makeWaiting(id)
  await customersDB
    .prepare(
      `INSERT INTO tasks (id, application_id, kind, input, status, created_at, updated_at)
       VALUES ('qtask_1', ?, 'recover', '{}', 'running', 1, 1)`,
    )
    .bind(id)
    .run()
}

/** The message waits to be sent to the endpoint again. */
async function makeWaiting(application: string): Promise<void> {
  await customersDB
    .prepare(
      `INSERT INTO deliveries (event_id, endpoint_id, application_id, status, attempts, next_attempt_at, created_at, attempt_id)
       SELECT v.id, e.id, v.application_id, 'pending', 1, ?2, ?2, 'att_1' FROM events v JOIN endpoints e ON e.uid = 'hook'
       WHERE v.application_id = ?1`,
    )
    .bind(application, world.clock.now())
    .run()
}

function post(path: string, json: unknown, key: string, headers: Record<string, string> = {}) {
  return callApi(world, path, { json, headers: { "idempotency-key": key, ...headers } })
}

/** Every row that a request could have written, but for those that keep the answers. */
const everything = () => world.everything("idempotency_keys")

/** Another endpoint of the uid. */
async function anotherHook(): Promise<void> {
  const svix = svixFor(world)
  await svix.endpoint.delete("acme", "hook")
  world.clock.advance(1)
  await svix.endpoint.create("acme", { url: "http://receiver.example/", uid: "hook" })
}

/** Another application of the uid, with the same in it. */
async function anotherAcme(): Promise<void> {
  const svix = svixFor(world)
  await svix.application.delete("acme")
  world.clock.advance(1)
  await svix.application.create({ name: "Acme", uid: "acme" })
  await svix.endpoint.create("acme", { url: "http://receiver.example/", uid: "hook" })
}

/** How many rows there are of everything. */
async function rows(): Promise<number[]> {
  const tables: unknown[][] = JSON.parse(await everything())
  return tables.map((table) => table.length)
}

/** What each POST may be sent twice with, in a world as above; null for a body that there is none of. */
const POSTS: [path: string, body: unknown, status: number][] = [
  ["/api/v1/app", { name: "Globex" }, 201],
  ["/api/v1/app?get_if_exists=true", { name: "Acme", uid: "acme" }, 200],
  ["/api/v1/event-type", { name: "thing.made", description: "" }, 201],
  ["/api/v1/app/acme/endpoint", { url: "http://other.example/" }, 201],
  ["/api/v1/app/acme/endpoint/hook/secret/rotate", {}, 200],
  ["/api/v1/app/acme/endpoint/hook/recover", { since: "2026-01-14T00:00:00Z" }, 202],
  ["/api/v1/app/acme/endpoint/hook/send-example", { eventType: "svix.ping" }, 200],
  ["/api/v1/app/acme/msg", { eventType: "thing.done", payload: { n: 1 } }, 202],
  ["/api/v1/app/acme/msg/first/endpoint/hook/resend", {}, 202],
  ["/api/v1/app/acme/msg/first/endpoint/hook/cancel", {}, 204],
  ["/api/v1/background-task/qtask_1/cancel", {}, 200],
  ["/api/v1/auth/app-portal-access/acme", {}, 200],
  ["/api/v1/auth/dashboard-access/acme", {}, 200],
  ["/api/v1/auth/app/acme/expire-all", {}, 204],
  ["/users", { username: "alice" }, 200],
  ["/invoices", { amount: 200 }, 201],
]

describe("a POST with an Idempotency-Key", () => {
  it.each(POSTS)("is done once, and answered the same again: %s", async (path, body, status) => {
    const first = await post(path, body, "key-1")
    expect([first.status, status]).toEqual([status, status])
    const text = await first.text()
    const before = await everything()
    world.clock.advance(DAY_MS - 1)
    const second = await post(path, body, "key-1")
    expect([second.status, await second.text()]).toEqual([status, text])
    expect(await everything()).toBe(before)
  })

  it.each(POSTS)("is done once when it is sent several times at once: %s", async (path, body, status) => {
    await post(path, body, "key-1")
    const afterOne = await rows()
    await setUp()
    const answers = await Promise.all(Array.from({ length: 4 }, () => post(path, body, "key-1")))
    const texts = await Promise.all(answers.map((answer) => answer.text()))
    expect(answers.map((answer) => answer.status)).toEqual([status, status, status, status])
    expect(new Set(texts).size).toBe(1)
    expect(await rows()).toEqual(afterOne)
    expect(await (await post(path, body, "key-1")).text()).toBe(texts[0])
  })

  it.each(POSTS)("is refused with another body under the same key: %s", async (path, body) => {
    await post(path, body, "key-1")
    const before = await everything()
    const response = await post(path, { ...(body as object), x: 1 }, "key-1")
    expect(response.status).toBe(422)
    const { detail } = await response.json<{ detail: { loc: string[] }[] }>()
    expect(detail[0]?.loc).toEqual(["header", "idempotency-key"])
    expect(await everything()).toBe(before)
  })

  it("names every POST of the API here that writes, but for the logout and inboxes, which end by themselves", async () => {
    const { paths } = await (await world.fetch("/openapi.json")).json<{ paths: Record<string, object> }>()
    const posts = Object.entries(paths).filter(
      ([path, item]) =>
        path.startsWith("/api/v1/") && "post" in item && !/\/(logout|msg\/dry-run|inbox)$/.test(path),
    )
    const fits = (template: string) => {
      const pattern = new RegExp(`^${template.replace(/\{[^}]+\}/g, "[^/?]+")}(\\?.*)?$`)
      return POSTS.some(([path]) => pattern.test(path))
    }
    expect(posts.map(([path]) => path).filter((path) => !fits(path))).toEqual([])
    expect(posts.length).toBeGreaterThanOrEqual(9)
  })

  it("publishes once for A and B: what receivers get arrives once", async () => {
    await world.fetch("/webhook", { json: { url: "http://a.example/", event: "user_send_message" } })
    for (const username of ["alice", "bob"]) await world.fetch("/users", { json: { username } })
    const message = { sender: "alice", recipient: "bob", subject: "Hello", message: "How are you?" }
    for (let n = 0; n < 2; n++) await post("/users/messages", message, "m-1")
    await world.fetch("/register", { json: { url: "http://b.example/", event: "invoice_paid" } })
    await world.fetch("/register", { json: { url: "http://b.example/", event: "mine" } })
    const invoice = await (await post("/invoices", { amount: 5 }, "i-1")).json<{ invoice_id: string }>()
    for (let n = 0; n < 2; n++) {
      expect((await post(`/invoices/${invoice.invoice_id}/pay`, {}, "p-1")).status).toBe(200)
    }
    const ids: unknown[] = []
    for (let n = 0; n < 2; n++) {
      const response = await post("/events", { event: "mine", data: {} }, "e-1")
      expect(response.status).toBe(202)
      ids.push((await response.json<{ id: string }>()).id)
    }
    expect(ids[0]).toBe(ids[1])
    await world.runAll()
    const arrived = world.receivers.received.map(({ url, body }) => [url, JSON.parse(body).event])
    expect(arrived.filter(([url]) => url !== "http://receiver.example/").sort()).toEqual([
      ["http://a.example/", "user_send_message"],
      ["http://b.example/", "invoice_paid"],
      ["http://b.example/", "mine"],
    ])
  })

  it.each<[string, unknown, () => Promise<unknown>]>([
    ["/api/v1/app/acme/endpoint/hook/secret/rotate", {}, anotherHook],
    ["/api/v1/app/acme/endpoint/hook/recover", { since: "2026-01-14T00:00:00Z" }, anotherHook],
    ["/api/v1/app/acme/endpoint/hook/send-example", { eventType: "svix.ping" }, anotherHook],
    ["/api/v1/app/acme/msg/first/endpoint/hook/resend", {}, anotherHook],
    ["/api/v1/app/acme/endpoint", { url: "http://other.example/" }, anotherAcme],
    ["/api/v1/app/acme/msg", { eventType: "thing.done", payload: { n: 1 } }, anotherAcme],
    ["/api/v1/app/acme/endpoint/hook/secret/rotate", {}, anotherAcme],
    ["/api/v1/auth/app-portal-access/acme", {}, anotherAcme],
  ])("is another one for whoever takes over the uid in its path: %s, %j", async (path, body, takeOver) => {
    const first = await post(path, body, "key-1")
    expect(first.ok).toBe(true)
    await takeOver()
    const before = await everything()
    const second = await post(path, body, "key-1")
    expect(second.ok).toBe(true)
    if (path.includes("/auth/")) expect(await second.json()).not.toEqual(await first.json())
    else expect(await everything()).not.toBe(before)
  })

  it("is done again a day later", async () => {
    const body = { name: "Globex" }
    const first = await (await post("/api/v1/app", body, "key-1")).json<{ id: string }>()
    world.clock.advance(DAY_MS)
    const second = await (await post("/api/v1/app", body, "key-1")).json<{ id: string }>()
    expect(second.id).not.toBe(first.id)
    const third = await (await post("/api/v1/app", body, "key-1")).json<{ id: string }>()
    expect(third.id).toBe(second.id)
  })

  it("is forgotten by the sweep after a day, and not before", async () => {
    await post("/api/v1/app", { name: "Globex" }, "key-1")
    const kept = await countRows("idempotency_keys")
    world.clock.advance(DAY_MS - 1)
    await world.sweep()
    expect(await countRows("idempotency_keys")).toBe(kept)
    world.clock.advance(1)
    await world.sweep()
    expect(await countRows("idempotency_keys")).toBe(0)
  })

  it("keeps no failure: the same key works once the reason is gone", async () => {
    const body = { name: "Other", uid: "acme" }
    expect((await post("/api/v1/app", body, "key-1")).status).toBe(409)
    await svixFor(world).application.delete("acme")
    expect((await post("/api/v1/app", body, "key-1")).status).toBe(201)
  })

  it("keeps its answer in the batch of the write: a fault of that batch leaves neither", async () => {
    const before = await everything()
    world.probe.before = (statements) => {
      if (statements.some((text) => text.includes("INSERT INTO idempotency_keys")))
        throw new Error("D1 is away")
    }
    expect(
      (await world.fetch("/api/v1/app", { json: { name: "Globex" }, headers: { "idempotency-key": "k" } }))
        .status,
    ).toBe(500)
    expect(await everything()).toBe(before)
    world.probe.before = null
    expect((await post("/api/v1/app", { name: "Globex" }, "k")).status).toBe(201)
  })

  it("is answered as done when the answer of D1 gets lost on the way", async () => {
    let lost = 0
    world.probe.after = (statements) => {
      if (lost === 0 && statements.some((text) => text.includes("INSERT INTO idempotency_keys"))) {
        lost++
        throw new Error("Network connection lost.")
      }
    }
    const before = await countRows("applications")
    expect((await post("/api/v1/app", { name: "Globex" }, "key-1")).status).toBe(201)
    expect([lost, await countRows("applications")]).toEqual([1, before + 1])
  })

  it("stands for its principal and its path alone", async () => {
    const json = { url: "http://other.example/" }
    const { token } = await svixFor(world).authentication.appPortalAccess("acme", {})
    const authorization = `Bearer ${token}`
    const ids = []
    for (const headers of [{}, { authorization }, { authorization }]) {
      ids.push(
        (await (await post("/api/v1/app/acme/endpoint", json, "key-1", headers)).json<{ id: string }>()).id,
      )
    }
    expect(ids[0]).not.toBe(ids[1])
    expect(ids[1]).toBe(ids[2])
    expect((await post("/api/v1/app", { name: "Globex" }, "key-1")).status).toBe(201)
  })

  it("may be any printable text of 1 to 256 characters, and nothing else", async () => {
    for (const key of ["", "x".repeat(257), "snö", "tab\tbed"]) {
      const response = await post("/api/v1/app", { name: "Globex" }, key)
      expect([key, response.status]).toEqual([key, 422])
      const { detail } = await response.json<{ detail: { loc: string[] }[] }>()
      expect(detail[0]?.loc).toEqual(["header", "idempotency-key"])
    }
    for (const key of ["x".repeat(256), "a b~!"]) {
      expect((await post("/api/v1/app", { name: "Globex" }, key)).status).toBe(201)
    }
  })

  it("keeps its answer sealed", async () => {
    world = await createWorld({ ENCRYPTION_KEY: btoa("k".repeat(32)) })
    await post("/api/v1/app", { name: "Globex Corporation" }, "key-1")
    const { results } = await world.env.DB.prepare("SELECT * FROM idempotency_keys").all()
    expect(results.length).toBe(1)
    expect(JSON.stringify(results)).not.toContain("Globex")
  })

  it("is what the official client sends with every POST, and may be chosen", async () => {
    const svix = svixFor(world)
    const make = () =>
      svix.message.create("acme", { eventType: "thing.done", payload: {} }, { idempotencyKey: "mine" })
    const [first, second] = [await make(), await make()]
    expect(second).toEqual(first)
    const other = svix.message.create(
      "acme",
      { eventType: "thing.done", payload: { n: 2 } },
      { idempotencyKey: "mine" },
    )
    expect(await other.catch((error: unknown) => error instanceof ApiException && error.code)).toBe(422)
  })
})
