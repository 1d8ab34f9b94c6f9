import { describe, expect, it } from "vitest"
import { SCANNED_ROWS } from "../../src/engine/kit/scan.ts"
import { createWorld, type World } from "../support/world.ts"
import { callApi, svixFor } from "./svix.ts"

const HOOK = "http://receiver.example/hook"
const DAY_MS = 24 * 3600 * 1000

async function worldWithApp() {
  const world = await createWorld()
  const svix = svixFor(world)
  const app = await svix.application.create({ name: "Acme", uid: "acme" })
  return { world, svix, app }
}

/** The client leaves contents out unless told otherwise. */
const FULL = { withContent: true }

const codeOf = async (promise: Promise<unknown>) =>
  promise.then(
    () => 0,
    (error: { code?: number }) => error.code,
  )

describe("listing messages", () => {
  async function send(world: World, svix: ReturnType<typeof svixFor>, from: number, to: number) {
    for (let n = from; n <= to; n++) {
      world.clock.advance(1000)
      await svix.message.create("acme", {
        eventType: n % 2 ? "odd" : "even",
        eventId: `m${n}`,
        payload: { n },
        channels: n % 3 ? null : ["third"],
      } as Parameters<typeof svix.message.create>[1])
    }
  }
  const idsOf = (list: { data: { eventId?: string | null }[] }) => list.data.map(({ eventId }) => eventId)

  it("goes newest first, forward and back, while messages arrive", async () => {
    const { world, svix } = await worldWithApp()
    await send(world, svix, 1, 5)
    const first = await svix.message.list("acme", { limit: 2 })
    expect(idsOf(first)).toEqual(["m5", "m4"])
    await send(world, svix, 6, 7)
    const second = await svix.message.list("acme", { limit: 2, iterator: first.iterator ?? "" })
    expect(idsOf(second)).toEqual(["m3", "m2"])
    expect(second.done).toBe(false)
    const last = await svix.message.list("acme", { limit: 2, iterator: second.iterator ?? "" })
    expect(idsOf(last)).toEqual(["m1"])
    expect(last.done).toBe(true)
    const back = await svix.message.list("acme", { limit: 2, iterator: second.prevIterator ?? "" })
    expect(idsOf(back)).toEqual(["m5", "m4"])
    const front = await svix.message.list("acme", { limit: 2, iterator: back.prevIterator ?? "" })
    expect(idsOf(front)).toEqual(["m7", "m6"])
    expect(front.done).toBe(true)
  })

  it("combines event types and channel", async () => {
    const { world, svix } = await worldWithApp()
    await send(world, svix, 1, 6)
    expect(idsOf(await svix.message.list("acme", { eventTypes: ["odd"] }))).toEqual(["m5", "m3", "m1"])
    expect(idsOf(await svix.message.list("acme", { eventTypes: ["odd", "even"], channel: "third" }))).toEqual(
      ["m6", "m3"],
    )
    expect(idsOf(await svix.message.list("acme", { eventTypes: ["even"], channel: "third" }))).toEqual(["m6"])
  })

  it.each([
    "event_types=odd&event_types=none",
    "event_types=odd,none",
    "event_types[]=odd&event_types[1]=none",
  ])("takes event types as %s", async (query) => {
    const { world, svix } = await worldWithApp()
    await send(world, svix, 1, 3)
    const answer = await callApi(world, `/api/v1/app/acme/msg?${query}`)
    expect(idsOf(await answer.json())).toEqual(["m3", "m1"])
  })

  it("begins at a time: before it, or next behind it, but not both", async () => {
    const { world, svix } = await worldWithApp()
    const start = world.clock.now()
    await send(world, svix, 1, 5)
    const third = new Date(start + 3000)
    expect(idsOf(await svix.message.list("acme", { before: third }))).toEqual(["m2", "m1"])
    const after = await svix.message.list("acme", { after: new Date(start + 2000), limit: 2 })
    expect(idsOf(after)).toEqual(["m3", "m2"])
    expect(after.done).toBe(false)
    const newer = await svix.message.list("acme", { iterator: after.prevIterator ?? "", limit: 2 })
    expect(idsOf(newer)).toEqual(["m5", "m4"])
    expect(await codeOf(svix.message.list("acme", { before: third, after: third }))).toBe(422)
    // With an iterator the times mean nothing.
    const ignored = { before: third, after: third, iterator: newer.iterator ?? "" }
    expect(idsOf(await svix.message.list("acme", ignored))).toEqual(["m3", "m2", "m1"])
  })

  it("shows content unless told not to", async () => {
    const { world, svix } = await worldWithApp()
    await send(world, svix, 1, 1)
    expect((await svix.message.list("acme", { withContent: true })).data[0]?.payload).toEqual({ n: 1 })
    expect((await svix.message.list("acme", { withContent: false })).data[0]?.payload).toEqual({})
  })

  it("never has pings in it, nor another application's messages", async () => {
    const { world, svix } = await worldWithApp()
    await world.fetch("/webhook", { json: { event: "user_registered", url: HOOK } })
    world.pingsWork()
    await world.fetch("/ping", { method: "POST" })
    expect(world.receivers.to(HOOK)).toHaveLength(1)
    expect((await svix.message.list("users")).data).toEqual([])
    expect(
      await codeOf(svix.message.get("users", world.receivers.to(HOOK)[0]?.headers["webhook-id"] ?? "")),
    ).toBe(404)
    const mine = await svix.message.create("acme", { eventType: "t", payload: {} })
    expect((await svix.message.list("users")).data).toEqual([])
    expect(await codeOf(svix.message.get("users", mine.id))).toBe(404)
  })

  it("looks at a bounded number of messages for a rare kind, and goes on from there", async () => {
    const { world, svix, app } = await worldWithApp()
    await svix.message.create("acme", { eventType: "rare", eventId: "old", payload: {} })
    await world.customersDB
      .prepare(
        `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ?1)
       INSERT INTO events (id, application_id, event_type_id, event_type, created_at, dispatched_at, payload)
       SELECT 'evt_1' || printf('%031d', i), ?2, 'ety_x', 'usual', 1, 1, '{}' FROM c`,
      )
      .bind(SCANNED_ROWS + 10, app.id)
      .run()
    const first = await svix.message.list("acme", { eventTypes: ["rare"] })
    expect(first).toMatchObject({ data: [], done: false })
    const second = await svix.message.list("acme", { eventTypes: ["rare"], iterator: first.iterator ?? "" })
    expect(idsOf(second)).toEqual(["old"])
    expect(second.done).toBe(true)
  })

  it("holds no more contents than fit into memory", async () => {
    const { world, svix, app } = await worldWithApp()
    await svix.endpoint.create("acme", { url: HOOK })
    await world.customersDB
      .prepare(
        `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 40)
       INSERT INTO events (id, application_id, event_type_id, event_type, created_at, dispatched_at, payload)
       SELECT 'evt_0' || printf('%031d', i), ?, 'ety_x', 't', 1, 1, '{"t":"' || hex(zeroblob(125000)) || '"}' FROM c`,
      )
      .bind(app.id)
      .run()
    const first = await svix.message.list("acme", { withContent: true })
    expect(first.done).toBe(false)
    const rest = await svix.message.list("acme", { withContent: true, iterator: first.iterator ?? "" })
    expect(rest.done).toBe(true)
    expect(first.data.length).toBeLessThan(40)
    expect(first.data.length + rest.data.length).toBe(40)
    expect((await svix.message.list("acme", { withContent: false })).data).toHaveLength(40)
  })

  it.each([
    "limit=0",
    "limit=251",
    "before=yesterday",
    "channel=a%20b",
    "event_types=a%20b",
    "event_types[]=a%20b",
  ])("answers 422 for %s", async (query) => {
    const { world } = await worldWithApp()
    expect((await callApi(world, `/api/v1/app/acme/msg?${query}`)).status).toBe(422)
  })
})

describe("deleting a message's content", () => {
  it("leaves the message, shows its payload as expired, and ends what is owed of it", async () => {
    const { world, svix } = await worldWithApp()
    const endpoint = await svix.endpoint.create("acme", { url: HOOK })
    world.receivers.at(HOOK, 500)
    const { id } = await svix.message.create("acme", { eventType: "t", eventId: "e", payload: { secret: 1 } })
    await world.runDue()
    await svix.message.expungeContent("acme", "e")
    expect((await svix.message.get("acme", id, FULL)).payload).toEqual({ expired: true })
    expect((await svix.message.list("acme", { withContent: true })).data[0]?.payload).toEqual({
      expired: true,
    })
    const [owed] = (await svix.messageAttempt.listAttemptedDestinations("acme", id)).data
    expect(owed).toMatchObject({ id: endpoint.id, statusText: "fail", nextAttempt: null })
    await world.runAllWithSweeps(10 * 60_000)
    expect(world.receivers.to(HOOK)).toHaveLength(1)
    const row = await world.customersDB.prepare("SELECT status, reason FROM deliveries").first()
    expect(row).toEqual({ status: "failed", reason: "expired" })
  })

  it("before it is dispatched sends nobody anything", async () => {
    const { world, svix } = await worldWithApp()
    await svix.endpoint.create("acme", { url: HOOK })
    const { id } = await svix.message.create("acme", { eventType: "t", payload: {} })
    await svix.message.expungeContent("acme", id)
    await world.runDue()
    expect(world.receivers.received).toEqual([])
    const [owed] = (await svix.messageAttempt.listAttemptedDestinations("acme", id)).data
    expect(owed?.statusText).toBe("fail")
  })

  it("answers 404 for a message that is not there, or another application's", async () => {
    const { svix } = await worldWithApp()
    await svix.application.create({ name: "Other", uid: "other" })
    const { id } = await svix.message.create("acme", { eventType: "t", payload: { a: 1 } })
    expect(await codeOf(svix.message.expungeContent("acme", "nothing"))).toBe(404)
    expect(await codeOf(svix.message.expungeContent("other", id))).toBe(404)
    expect((await svix.message.get("acme", id, FULL)).payload).toEqual({ a: 1 })
  })

  it("comes by itself when the payload's time is over, and no sooner", async () => {
    const world = await createWorld({ RETENTION_DAYS: "90" })
    const svix = svixFor(world)
    await svix.application.create({ name: "Acme", uid: "acme" })
    const send = (payloadRetentionPeriod: number) =>
      svix.message.create("acme", { eventType: "t", payload: { a: 1 }, payloadRetentionPeriod })
    const [short, long] = [await send(5), await send(90)]
    world.clock.advance(5 * DAY_MS - 1)
    await world.sweep()
    expect((await svix.message.get("acme", short.id, FULL)).payload).toEqual({ a: 1 })
    world.clock.advance(1)
    await world.sweep()
    expect((await svix.message.get("acme", short.id, FULL)).payload).toEqual({ expired: true })
    expect((await svix.message.get("acme", long.id, FULL)).payload).toEqual({ a: 1 })
  })
})
