import { beforeEach, describe, expect, it } from "vitest"

import { createWorld, type World } from "../support/world.ts"
import { callApi, svixFor } from "./svix.ts"

const HOOK = "http://receiver.example/hook"
const OTHER = "http://receiver.example/other"
const MINUTE_MS = 60_000
const HOUR_MS = 3600_000

let world: World

beforeEach(async () => {
  world = await createWorld({ RETRY_SCHEDULE: "60,3600" })
  const svix = svixFor(world)
  await svix.application.create({ name: "acme", uid: "acme" })
  await svix.application.create({ name: "globex", uid: "globex" })
  await svix.endpoint.create("acme", { url: HOOK, uid: "hook" })
})

async function ask(path: string) {
  return (await callApi(world, `/api/v1/app/acme/${path}`)).json<Record<string, unknown>>()
}
const health = () => ask("endpoint/hook/health")
const counts = (query = "") => ask(`endpoint/hook/delivery-counts${query}`)

async function send(times = 1): Promise<string[]> {
  const ids: string[] = []
  for (let n = 0; n < times; n++) {
    const { id } = await svixFor(world).message.create("acme", { eventType: "thing.made", payload: {} })
    ids.push(id)
  }
  await world.runDue()
  return ids
}

describe("an endpoint's health", () => {
  it("is healthy before anything was sent, and after a success", async () => {
    expect(await health()).toMatchObject({
      state: "healthy",
      pending: 0,
      lastAttempt: null,
      lastSuccessAt: null,
    })
    await send()
    expect(await health()).toMatchObject({
      state: "healthy",
      url: HOOK,
      uid: "hook",
      failingSince: null,
      nextAttempt: null,
      lastAttempt: { statusCode: 200, result: "2xx" },
      lastSuccessAt: expect.any(String),
      lastFailureAt: null,
    })
  })

  it("fails from its first failure on, says with what, when it is tried again and what it is owed", async () => {
    world.receivers.at(HOOK, 503, 200)
    await send()
    const failing = await health()
    expect(failing).toMatchObject({
      state: "failing",
      failingSince: "2026-01-15T12:00:00.000Z",
      nextAttempt: "2026-01-15T12:01:00.000Z",
      pending: 1,
      lastAttempt: { statusCode: 503, result: "5xx" },
      lastSuccessAt: null,
    })
    expect(failing.lastFailureAt).toBe((failing.lastAttempt as { at: string }).at)
    await world.runAll(2 * MINUTE_MS)
    expect(await health()).toMatchObject({ state: "healthy", pending: 0, lastAttempt: { result: "2xx" } })
  })

  it("is paused for as long as the receiver asks, and disabled by a person, with the reason", async () => {
    world.receivers.at(HOOK, () => new Response(null, { status: 429, headers: { "retry-after": "600" } }))
    await send()
    expect(await health()).toMatchObject({ state: "paused", pausedUntil: "2026-01-15T12:10:00.000Z" })
    await svixFor(world).endpoint.patch("acme", "hook", { disabled: true })
    expect(await health()).toMatchObject({
      state: "disabled",
      disabledReason: "manual",
      disabledAt: expect.any(String),
    })
  })

  it("has a bar for each of the 24 hours that are over", async () => {
    world.receivers.at(HOOK, 200, 200, 500, 200)
    await send(3)
    await world.runAllWithSweeps(HOUR_MS + 10 * MINUTE_MS)
    const { hours, lastSuccessAt } = (await health()) as {
      hours: { start: string; success: number; fail: number }[]
      lastSuccessAt: string
    }
    expect(hours).toHaveLength(24)
    expect(hours[0]?.start).toBe("2026-01-14T13:00:00.000Z")
    expect(hours.at(-1)).toEqual({ start: "2026-01-15T12:00:00.000Z", success: 3, fail: 1 })
    expect(Date.parse(lastSuccessAt)).toBeGreaterThanOrEqual(Date.UTC(2026, 0, 15, 12, 1))
  })

  it("is listed for all of an application's endpoints, page by page, removed ones left out", async () => {
    const svix = svixFor(world)
    await svix.endpoint.create("acme", { url: OTHER, uid: "other" })
    await svix.endpoint.create("acme", { url: OTHER, uid: "gone" })
    await svix.endpoint.delete("acme", "gone")
    await svix.endpoint.create("globex", { url: OTHER, uid: "foreign" })
    world.receivers.at(OTHER, 500)
    await send()
    const first = (await ask("endpoint-health?limit=1")) as {
      data: object[]
      iterator: string
      done: boolean
    }
    expect([first.data, first.done]).toMatchObject([[{ uid: "hook", state: "healthy" }], false])
    const second = (await ask(`endpoint-health?limit=1&iterator=${first.iterator}`)) as typeof first
    expect([second.data, second.done]).toMatchObject([[{ uid: "other", state: "failing" }], true])
  })
})

describe("the counts of an endpoint's deliveries", () => {
  it("tell how far the newest are, and whether these are all", async () => {
    world.receivers.at(HOOK, 200, 500)
    await send(2)
    expect(await counts()).toEqual({
      delivered: 1,
      pending: 0,
      sending: 0,
      retrying: 1,
      failed: 0,
      canceled: 0,
      isComplete: true,
    })
  })

  it("are of messages from a time on, if it is given", async () => {
    await send(2)
    world.clock.advance(1000)
    const since = new Date(world.clock.now()).toISOString()
    await send()
    expect(await counts(`?since=${since}`)).toMatchObject({ delivered: 1, isComplete: true })
    expect(await counts()).toMatchObject({ delivered: 3, isComplete: true })
  })

  it("leave pings out", async () => {
    await world.fetch("/webhook", { json: { event: "user_registered", url: OTHER } })
    const [endpoint] = (await svixFor(world).endpoint.list("users")).data
    world.pingsWork()
    await world.fetch("/ping", { method: "POST" })
    expect(world.receivers.to(OTHER)).toHaveLength(1)
    const path = `/api/v1/app/users/endpoint/${endpoint?.id}`
    for (const counted of ["delivery-counts", "stats"]) {
      const answered = await (await callApi(world, `${path}/${counted}`)).json<Record<string, unknown>>()
      expect(
        Object.entries(answered).filter(([name, count]) => name !== "isComplete" && count !== 0),
      ).toEqual([])
    }
  })

  it("count the newest 2,000, however many there are, and of an earlier time those of that time", async () => {
    await send()
    const until = new Date(world.clock.now()).toISOString()
    world.clock.advance(HOUR_MS)
    const [id = ""] = await send()
    await copyDelivered(id, 2_000)
    expect(await counts()).toMatchObject({ delivered: 2000, isComplete: false })
    expect(await ask("endpoint/hook/stats")).toMatchObject({ success: 2000 })
    expect(await ask(`endpoint/hook/stats?until=${until}`)).toMatchObject({ success: 1 })
  })
})

/** So many more messages like this one, straight into D1. */
async function copyDelivered(id: string, copies: number): Promise<void> {
  const { customersDB } = world
  await customersDB.batch(
    ["events", "deliveries"].map((table) => {
      const [key, columns] = table === "events" ? ["id", EVENT] : ["event_id", DELIVERY]
      return customersDB
        .prepare(
          `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ?2)
           INSERT INTO ${table} (${key}, ${columns}${table === "deliveries" ? ", attempt_id" : ""})
           SELECT ${key} || i, ${columns}${table === "deliveries" ? ", attempt_id || i" : ""} FROM c JOIN ${table} WHERE ${key} = ?1`,
        )
        .bind(id, copies)
    }),
  )
}

const EVENT = "application_id, event_type_id, event_type, created_at, dispatched_at, payload"
const DELIVERY = "endpoint_id, application_id, status, attempts, created_at"

describe("the progress of messages", () => {
  it("says of each how many endpoints have got it, in the order asked for", async () => {
    await svixFor(world).endpoint.create("acme", { url: OTHER, uid: "other" })
    world.receivers.at(OTHER, 500, 200)
    const [one = "", two = ""] = await send(2)
    await svixFor(world).endpoint.patch("acme", "hook", { disabled: true })
    await svixFor(world).endpoint.patch("acme", "other", { disabled: true })
    const none = await svixFor(world).message.create("acme", { eventType: "thing.made", payload: {} })
    const foreign = await svixFor(world).message.create("globex", { eventType: "thing.made", payload: {} })
    const ids = [two, one, none.id, foreign.id, "nobody", two]
    const { data } = await ask(`message-progress?${ids.map((id) => `message_id=${id}`).join("&")}`)
    const rest = { pending: 0, canceled: 0 }
    expect(data).toEqual([
      { id: two, delivered: 2, retrying: 0, failed: 0, ...rest },
      { id: one, delivered: 1, retrying: 1, failed: 0, ...rest },
      { id: none.id, delivered: 0, retrying: 0, failed: 0, ...rest },
    ])
  })

  it("is empty where nothing is asked for", async () => {
    expect(await ask("message-progress")).toEqual({ data: [] })
  })

  it.each([
    ["a name that no path could have", "?message_id=a%2Fb"],
    ["more than 50", `?${"message_id=x&".repeat(51)}`],
  ])("refuses %s", async (_, query) => {
    const response = await callApi(world, `/api/v1/app/acme/message-progress${query}`)
    expect(response.status).toBe(422)
    expect((await response.json<{ detail: { loc: string[] }[] }>()).detail[0]?.loc.slice(0, 2)).toEqual([
      "query",
      "message_id",
    ])
  })
})
