import { describe, expect, it } from "vitest"
import { rawMember } from "../../src/http/raw-json.ts"
import { verify } from "../support/receiver.ts"
import { shards } from "../support/shards.ts"
import { createWorld, type World } from "../support/world.ts"
import { callApi, svixFor } from "./svix.ts"

const HOOK = "http://receiver.example/hook"

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
    ["without an Idempotency-Key", {}],
    ["with one", { "idempotency-key": "key" }],
  ])("takes one trip to D1 %s, where one database is all there is", async (_, headers) => {
    const { world } = await worldWithApp()
    const send = (key: object) =>
      world.fetch("/api/v1/app/acme/msg", { json: { eventType: "t", payload: {} }, headers: { ...key } })
    await send({})
    let trips = 0
    world.probe.onTrip = () => trips++
    expect((await send(headers)).status).toBe(202)
    // For a further shard the directory is asked first, where the application is and whether its type is in order.
    expect(trips).toBe(shards.length === 1 ? 1 : 2)
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

  it("is one under an Idempotency-Key, whether the path names the application by id or by uid", async () => {
    const { svix, app } = await worldWithApp()
    const send = (application: string) =>
      svix.message.create(application, { eventType: "t", payload: {} }, { idempotencyKey: "key" })
    const first = await send("acme")
    expect(await send(app.id)).toEqual(first)
    expect(await send("acme")).toEqual(first)
  })

  it("writes nothing when its Idempotency-Key comes again", async () => {
    const { world } = await worldWithApp()
    const send = () =>
      callApi(world, "/api/v1/app/acme/msg", {
        json: { eventType: "t", payload: {} },
        headers: { "idempotency-key": "key" },
      })
    const first = await send()
    let written = 0
    world.probe.onTrip = (statements) => {
      for (const { rowsWritten } of statements) written += rowsWritten
    }
    const second = await send()
    expect([await second.json(), written]).toEqual([await first.json(), 0])
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
