import { describe, expect, it } from "vitest"
import { SCANNED_ROWS } from "../../src/engine/kit/scan.ts"
import { rawMember } from "../../src/http/raw-json.ts"
import { verify } from "../support/receiver.ts"
import { shards } from "../support/shards.ts"
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

/** What the API answers to a request whose body is this very text. */
function post(world: World, path: string, body: string) {
  return callApi(world, path, { method: "POST", body, headers: { "content-type": "application/json" } })
}

/** The client leaves contents out unless told otherwise. */
const FULL = { withContent: true }

const codeOf = async (promise: Promise<unknown>) =>
  promise.then(
    () => 0,
    (error: { code?: number }) => error.code,
  )

describe("sending a message", () => {
  it("answers 202 and delivers it, signed, to who listens", async () => {
    const { world, svix } = await worldWithApp()
    const endpoint = await svix.endpoint.create("acme", { url: HOOK })
    const { key } = await svix.endpoint.getSecret("acme", endpoint.id)
    const payload = { email: "ada@example.com" }
    const message = await svix.message.create(
      "acme",
      { eventType: "user.signup", eventId: "first", channels: ["a", "b"], payload },
      FULL,
    )
    expect(message).toMatchObject({
      eventType: "user.signup",
      eventId: "first",
      channels: ["a", "b"],
      payload,
    })
    expect(message.timestamp.getTime()).toBe(world.clock.now())
    await world.runDue()
    const [delivery] = world.receivers.to(HOOK)
    expect(delivery?.headers["webhook-id"]).toBe(message.id)
    expect(verify(key, delivery)).toEqual(payload)
  })

  it("delivers the payload byte for byte as it stands in the request", async () => {
    const { world, svix } = await worldWithApp()
    await svix.endpoint.create("acme", { url: HOOK })
    const payload = '{ "z":1, "big": 12345678901234567890123, "1": 1.50, "e": "\\u00e9é\\/" ,\n"z": [ ] }'
    const body = `{"payload": 1, "eventType":"t", "pay\\u006coad" : ${payload} , "x": {"payload": {}}}`
    expect((await post(world, "/api/v1/app/acme/msg", body)).status).toBe(202)
    await world.runDue()
    expect(world.receivers.to(HOOK).map((request) => request.body)).toEqual([payload])
  })

  it("takes a channel that is named twice once", async () => {
    const { svix } = await worldWithApp()
    const sent = await svix.message.create("acme", { eventType: "t", payload: {}, channels: ["a", "b", "a"] })
    expect(sent.channels).toEqual(["a", "b"])
  })

  it("leaves the content out of the answer unless asked for", async () => {
    const { svix } = await worldWithApp()
    const sent = await svix.message.create(
      "acme",
      { eventType: "t", payload: { a: 1 } },
      { withContent: false },
    )
    expect(sent.payload).toEqual({})
    expect((await svix.message.get("acme", sent.id, FULL)).payload).toEqual({ a: 1 })
    expect((await svix.message.get("acme", sent.id, { withContent: false })).payload).toEqual({})
  })

  it("answers 409 for an eventId that the application has used, but not for another application", async () => {
    const { world, svix } = await worldWithApp()
    await svix.application.create({ name: "Other", uid: "other" })
    const message = { eventType: "t", eventId: "once", payload: { n: 1 } }
    await svix.message.create("acme", message)
    expect(await codeOf(svix.message.create("acme", { ...message, payload: { n: 2 } }))).toBe(409)
    expect((await svix.message.create("other", message)).eventId).toBe("once")
    expect((await svix.message.get("acme", "once", FULL)).payload).toEqual({ n: 1 })
    expect((await svix.message.list("acme")).data).toHaveLength(1)
    expect(world.queued).toEqual([])
  })

  it("is accepted once although D1 loses the answer", async () => {
    const { world, svix } = await worldWithApp()
    await svix.endpoint.create("acme", { url: HOOK })
    let faults = 1
    world.probe.after = (statements) => {
      if (statements.some((text) => text.includes("INTO events")) && faults-- > 0)
        throw new Error("D1_ERROR: Network connection lost.")
    }
    await svix.message.create("acme", { eventType: "t", eventId: "once", payload: {} })
    // The repeated batch finds its own Idempotency-Key and breaks: the nudge is the sweep's.
    await world.cron()
    await world.runDue()
    expect(world.receivers.to(HOOK)).toHaveLength(1)
  })

  it.each([
    ["without an Idempotency-Key", {}, 1, 4],
    ["with one", { "idempotency-key": "key" }, 3, 5],
  ])("takes few trips to D1 %s", async (_, headers, inOne, inFurther) => {
    const { world } = await worldWithApp()
    const send = (key: object) =>
      world.fetch("/api/v1/app/acme/msg", { json: { eventType: "t", payload: {} }, headers: { ...key } })
    await send({})
    let trips = 0
    world.probe.onTrip = () => trips++
    expect((await send(headers)).status).toBe(202)
    // In a further shard the directory is asked first, for the application and twice for the type.
    expect(trips).toBe(shards.length === 1 ? inOne : inFurther)
  })

  it("under an Idempotency-Key is one although D1 loses the answer, and goes out without the sweep", async () => {
    const { world, svix } = await worldWithApp()
    await svix.endpoint.create("acme", { url: HOOK })
    await svix.message.create("acme", { eventType: "t", payload: {} })
    await world.runDue()
    let faults = 1
    world.probe.after = (statements) => {
      if (statements.some((text) => text.includes("INTO events")) && faults-- > 0)
        throw new Error("D1_ERROR: Network connection lost.")
    }
    const sent = await svix.message.create("acme", { eventType: "t", payload: { n: 2 } })
    await world.runDue()
    expect(world.receivers.to(HOOK).map(({ headers }) => headers["webhook-id"])).toContain(sent.id)
    expect((await svix.message.list("acme")).data).toHaveLength(2)
  })

  it("gives the same answer again under the same Idempotency-Key, and sends one message", async () => {
    const { svix } = await worldWithApp()
    const message = { eventType: "t", payload: { n: 1 } }
    const send = () => svix.message.create("acme", message, { idempotencyKey: "key" })
    const [first, second] = await Promise.all([send(), send()])
    expect(second).toEqual(first)
    expect(await send()).toEqual(first)
    expect((await svix.message.list("acme")).data).toHaveLength(1)
  })

  it("takes a payload up to 256 KiB and refuses a larger one with 413", async () => {
    const { world, svix } = await worldWithApp()
    const payload = { text: "x".repeat(256 * 1024 - '{"text":""}'.length) }
    const sent = await svix.message.create("acme", { eventType: "t", payload }, FULL)
    expect(JSON.stringify(sent.payload)).toHaveLength(256 * 1024)
    const larger = { text: `${payload.text}x` }
    expect(await codeOf(svix.message.create("acme", { eventType: "t", payload: larger }))).toBe(413)
    const huge = await callApi(world, "/api/v1/app/acme/msg", {
      json: { eventType: "t", payload: { text: "x".repeat(300 * 1024) } },
    })
    expect(huge.status).toBe(413)
    expect((await svix.message.list("acme")).data).toHaveLength(1)
  })

  it.each([
    ["payload", { eventType: "t", payload: [1] }],
    ["payload", { eventType: "t", payload: "text" }],
    ["payload", { eventType: "t" }],
    ["eventType", { eventType: "no spaces", payload: {} }],
    ["eventId", { eventType: "t", eventId: "a/b", payload: {} }],
    ["channels", { eventType: "t", channels: [], payload: {} }],
    ["channels", { eventType: "t", channels: ["1", "2", "3", "4", "5", "6"], payload: {} }],
    ["payloadRetentionPeriod", { eventType: "t", payloadRetentionPeriod: 4, payload: {} }],
    ["payloadRetentionPeriod", { eventType: "t", payloadRetentionPeriod: 91, payload: {} }],
  ])("answers 422 for a bad %s", async (field, json) => {
    const { world } = await worldWithApp()
    const answer = await callApi(world, "/api/v1/app/acme/msg", { json })
    expect(answer.status).toBe(422)
    expect(await answer.json()).toMatchObject({ detail: [{ loc: expect.arrayContaining(["body", field]) }] })
  })

  it("answers 404 for an application that is not there", async () => {
    const { svix } = await worldWithApp()
    expect(await codeOf(svix.message.create("nobody", { eventType: "t", payload: {} }))).toBe(404)
  })

  it("creates the application that it brings along, once, under the name in the path", async () => {
    const { svix } = await worldWithApp()
    const message = { eventType: "t", payload: {}, application: { name: "New", uid: "new" } }
    await svix.message.create("new", message)
    await svix.message.create("new", { ...message, application: { name: "Ignored", uid: "new" } })
    expect((await svix.application.get("new")).name).toBe("New")
    expect((await svix.message.list("new")).data).toHaveLength(2)
    expect(await codeOf(svix.message.create("newer", message))).toBe(422)
    expect(await codeOf(svix.message.create("newer", { ...message, application: { name: "No uid" } }))).toBe(
      422,
    )
    expect((await svix.application.list()).data.map(({ uid }) => uid)).not.toContain("newer")
  })
})

describe("the event type of a message", () => {
  it("is added to the catalog if it is missing", async () => {
    const { svix } = await worldWithApp()
    await svix.message.create("acme", { eventType: "brand.new", payload: {} })
    expect((await svix.eventType.get("brand.new")).name).toBe("brand.new")
  })

  it("is the application's own where it has one of that name", async () => {
    const { world, svix } = await worldWithApp()
    await world.fetch("/webhook", { json: { event: "user_registered", url: HOOK } })
    await svix.message.create("users", { eventType: "user_registered", payload: { by: "hand" } })
    await world.runDue()
    expect(world.receivers.to(HOOK).map(({ json }) => json)).toEqual([{ by: "hand" }])
    expect(await codeOf(svix.eventType.get("user_registered"))).toBe(404)
  })

  it("must not be archived", async () => {
    const { svix } = await worldWithApp()
    await svix.eventType.create({ name: "old", description: "" })
    await svix.eventType.delete("old")
    expect(await codeOf(svix.message.create("acme", { eventType: "old", payload: {} }))).toBe(422)
    expect((await svix.message.list("acme")).data).toEqual([])
  })

  it("has its newest schema enforced if it says so, and not otherwise", async () => {
    const { world, svix } = await worldWithApp()
    const schemas = {
      1: { type: "object" },
      2: { type: "object", required: ["email"], properties: { email: { type: "string", format: "email" } } },
    }
    await svix.eventType.create({ name: "lax", description: "", schemas })
    await callApi(world, "/api/v1/event-type", {
      json: { name: "strict", description: "", schemas, enforceSchema: true },
    })
    await svix.message.create("acme", { eventType: "lax", payload: { email: 1 } })
    await svix.message.create("acme", { eventType: "strict", payload: { email: "ada@example.com" } })
    const refused = await callApi(world, "/api/v1/app/acme/msg", {
      json: { eventType: "strict", payload: { email: 1 } },
    })
    expect(refused.status).toBe(422)
    expect(JSON.stringify(await refused.json())).toContain("#/email")
    expect(await codeOf(svix.message.create("acme", { eventType: "strict", payload: {} }))).toBe(422)
  })
})

describe("who gets a message", () => {
  it("is decided by event types and channels together", async () => {
    const { world, svix } = await worldWithApp()
    await svix.eventType.create({ name: "a", description: "" })
    const at = (name: string) => `http://${name}.example/`
    await svix.endpoint.create("acme", { url: at("all") })
    await svix.endpoint.create("acme", { url: at("typed"), eventTypes: ["a"] })
    await svix.endpoint.create("acme", { url: at("channel"), channels: ["x", "y"] })
    await svix.endpoint.create("acme", { url: at("both"), eventTypes: ["a"], channels: ["x"] })
    await svix.message.create("acme", { eventType: "a", payload: { n: 1 } })
    await svix.message.create("acme", { eventType: "b", channels: ["y", "z"], payload: { n: 2 } })
    await svix.message.create("acme", { eventType: "a", channels: ["x"], payload: { n: 3 } })
    await world.runDue()
    const got = (name: string) =>
      world.receivers
        .to(at(name))
        .map(({ json }) => (json as { n: number }).n)
        .toSorted()
    expect(got("all")).toEqual([1, 2, 3])
    expect(got("typed")).toEqual([1, 3])
    expect(got("channel")).toEqual([2, 3])
    expect(got("both")).toEqual([3])
  })

  it("is nobody whose endpoint is deleted between publishing and dispatching", async () => {
    const { world, svix } = await worldWithApp()
    const gone = await svix.endpoint.create("acme", { url: HOOK })
    await svix.endpoint.create("acme", { url: "http://other.example/" })
    const message = await svix.message.create("acme", { eventType: "t", payload: {} })
    await svix.endpoint.delete("acme", gone.id)
    await world.runDue()
    expect(world.receivers.received.map(({ url }) => url)).toEqual(["http://other.example/"])
    expect((await svix.messageAttempt.listAttemptedDestinations("acme", message.id)).data).toHaveLength(1)
  })
})

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

describe("the text of a member", () => {
  it.each([
    ['{"payload":{}}', "{}"],
    ['{"payload" : { "a" : [1, 2, "}\\"]"] } }', '{ "a" : [1, 2, "}\\"]"] }'],
    ['{"a":"payload","payload":12345678901234567890 }', "12345678901234567890"],
    ['{"payload":"x\\\\","b":1}', '"x\\\\"'],
    ['{"payload":true}', "true"],
    ['{"payload":1,"payload":[ ]}', "[ ]"],
    ['{"a":{"payload":1}}', null],
    ["{}", null],
    [' {\n"payload"\n:\nnull\n}\n', "null"],
  ])("of %s is %s", (text, expected) => {
    JSON.parse(text)
    expect(rawMember(text, "payload")).toBe(expected)
  })
})
