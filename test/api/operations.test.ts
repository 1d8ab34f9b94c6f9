import { type Svix, Webhook } from "svix"
import { beforeEach, describe, expect, it, vi } from "vitest"

import type { Received } from "../support/receiver.ts"
import { createWorld, type World } from "../support/world.ts"
import { absent, refusalOf, unfit } from "./refusal.ts"
import { svixFor } from "./svix.ts"

const OPERATIONS = "http://operations.example/"
const HOOK = "http://receiver.example/"
const DAY_MS = 24 * 3600 * 1000
const SETTINGS = { RETRY_SCHEDULE: "1,1,1,1,1" }

let world: World
let svix: Svix

beforeEach(() => setUp())

async function setUp(settings: Record<string, string> = SETTINGS): Promise<void> {
  world = await createWorld(settings)
  svix = svixFor(world)
  await svix.endpoint.create("operations", { url: OPERATIONS })
  await svix.application.create({ name: "Acme", uid: "acme" })
}

interface Told {
  type: string
  data: Record<string, unknown>
}

/** What the endpoint of `operations` was told until now. */
async function told(forMs = 0): Promise<Told[]> {
  await world.runAll(forMs)
  return world.receivers.to(OPERATIONS).map(({ json }) => json as Told)
}

async function ids(endpoint: string) {
  const appId = (await svix.application.get("acme")).id
  return { appId, appUid: "acme", endpointId: (await svix.endpoint.get("acme", endpoint)).id }
}

function send(payload: object = {}, eventId?: string) {
  return svix.message.create("acme", { eventType: "thing.done", payload, ...(eventId ? { eventId } : {}) })
}

/** Lets an endpoint that always fails get through its schedule; pauses make its retries wait. */
async function untilExhausted(): Promise<void> {
  await world.runAllWithSweeps(20 * 60_000)
}

describe("what happens to endpoints", () => {
  it("is told when one is created, changed and deleted, with the uids that there are", async () => {
    await svix.endpoint.create("acme", { url: HOOK, uid: "hook" })
    const data = { ...(await ids("hook")), endpointUid: "hook" }
    await svix.endpoint.patch("acme", "hook", { description: "Ours" })
    await svix.endpoint.delete("acme", "hook")
    expect(await told()).toEqual([
      { type: "endpoint.created", data },
      { type: "endpoint.updated", data },
      { type: "endpoint.deleted", data },
    ])
  })

  it("is told without a field for a uid that there is not", async () => {
    const endpoint = await svix.endpoint.create("users", { url: HOOK })
    expect(await told()).toEqual([
      {
        type: "endpoint.created",
        data: { appId: "app_users", appUid: "users", endpointId: endpoint.id },
      },
    ])
  })

  it("is told of a new secret and of new headers, without either", async () => {
    await svix.endpoint.create("acme", { url: HOOK, uid: "hook" })
    await told()
    await svix.endpoint.rotateSecret("acme", "hook", {})
    await svix.endpoint.setHeaders("acme", "hook", { headers: { authorization: "Bearer hush" } })
    const news = (await told()).slice(1)
    expect(news.map(({ type }) => type)).toEqual(["endpoint.updated", "endpoint.updated"])
    expect(JSON.stringify(news)).not.toMatch(/hush|whsec/)
  })

  it("is told of the endpoints that A, B and C register by themselves", async () => {
    const hook = { url: "http://a.example/", event: "user_registered" }
    await world.fetch("/webhook", { json: hook })
    await world.fetch("/webhook", { json: hook })
    await world.fetch("/webhook", { json: { ...hook, event: "user_send_message" } })
    await world.fetch("/webhook", { method: "DELETE", json: hook })
    expect((await told()).map(({ type, data }) => [type, data.appUid])).toEqual([
      ["endpoint.created", "users"],
    ])
    await world.fetch("/webhook", { method: "DELETE", json: { ...hook, event: "user_send_message" } })
    expect((await told()).map(({ type }) => type)).toEqual(["endpoint.created", "endpoint.deleted"])
  })

  it("is not told when the change is refused", async () => {
    await svix.endpoint.create("acme", { url: HOOK, uid: "hook" })
    await expect(svix.endpoint.create("acme", { url: HOOK, uid: "hook" })).rejects.toThrow()
    await expect(svix.endpoint.delete("acme", "nobody")).rejects.toThrow()
    expect((await told()).length).toBe(1)
  })

  it("is told when one is disabled because it is gone, with the time since when it failed", async () => {
    await svix.endpoint.create("acme", { url: HOOK, uid: "hook" })
    world.receivers.at(HOOK, 500, 410)
    await send()
    await world.runDue()
    const failSince = new Date(world.receivers.to(HOOK)[0]?.at ?? 0).toISOString()
    const news = await told(10_000)
    expect(news.filter(({ type }) => type === "endpoint.disabled")).toEqual([
      { type: "endpoint.disabled", data: { ...(await ids("hook")), endpointUid: "hook", failSince } },
    ])
  })

  it("is told once when one is disabled because it only ever failed", async () => {
    await setUp({ RETRY_SCHEDULE: "3600,3600,3600", DISABLE_AFTER_SECONDS: "7200" })
    await svix.endpoint.create("acme", { url: HOOK, uid: "hook" })
    world.receivers.at(HOOK, 500)
    for (let n = 0; n < 3; n++) await send()
    await world.runAllWithSweeps(4 * 3600_000)
    const disabled = (await told()).filter(({ type }) => type === "endpoint.disabled")
    expect(disabled.length).toBe(1)
    expect((await svix.endpoint.get("acme", "hook")).disabled).toBe(true)
  })

  it("is not told of one that failed long ago and fails again: twice the time that disables forgives", async () => {
    await setUp({ RETRY_SCHEDULE: "1", DISABLE_AFTER_SECONDS: "7200" })
    await svix.endpoint.create("acme", { url: HOOK, uid: "hook" })
    world.receivers.at(HOOK, 500)
    const fail = async () => {
      await send()
      await world.runAllWithSweeps(60_000)
    }
    await fail()
    world.clock.advance(2 * 7200_000)
    await fail()
    expect((await svix.endpoint.get("acme", "hook")).disabled).toBe(false)
    // The spell that has begun anew disables in its own time.
    world.clock.advance(7200_000)
    await fail()
    expect((await svix.endpoint.get("acme", "hook")).disabled).toBe(true)
    expect((await told()).filter(({ type }) => type === "endpoint.disabled")).toHaveLength(1)
  })

  it("is not told of the endpoints of operations itself: nothing goes round in circles", async () => {
    await told()
    world.receivers.at(OPERATIONS, 410)
    await svix.endpoint.create("operations", { url: "http://second.example/", uid: "second" })
    await svix.endpoint.create("acme", { url: HOOK })
    await untilExhausted()
    const types = (await svix.message.list("operations")).data.map(({ eventType }) => eventType)
    expect(types).toEqual(["endpoint.created"])
  })
})

describe("the bytes of an operational event", () => {
  const bodies = () => world.receivers.to(OPERATIONS).map(({ body }) => body)

  it("of an endpoint have their fields in this order", async () => {
    await svix.endpoint.create("acme", { url: HOOK, uid: "hook" })
    const { appId, endpointId } = await ids("hook")
    world.receivers.at(HOOK, 410)
    await send()
    await told()
    const data = `"appId":"${appId}","appUid":"acme","endpointId":"${endpointId}","endpointUid":"hook"`
    const failSince = new Date(world.receivers.to(HOOK)[0]?.at ?? 0).toISOString()
    expect(bodies()).toContain(`{"type":"endpoint.created","data":{${data}}}`)
    expect(bodies()).toContain(`{"type":"endpoint.disabled","data":{${data},"failSince":"${failSince}"}}`)
  })

  it("of a message have their fields in this order", async () => {
    await svix.endpoint.create("acme", { url: HOOK, uid: "hook" })
    const { appId, endpointId } = await ids("hook")
    world.receivers.at(HOOK, 410)
    const message = await send({}, "order-1")
    await told()
    const [attempt] = (await svix.messageAttempt.listByMsg("acme", message.id)).data
    const last = `{"id":"${attempt?.id}","responseStatusCode":410,"timestamp":"${attempt?.timestamp.toISOString()}"}`
    expect(bodies()).toContain(
      `{"type":"message.attempt.exhausted","data":{"appId":"${appId}","appUid":"acme","endpointId":"${endpointId}",` +
        `"msgId":"${message.id}","msgEventId":"order-1","lastAttempt":${last}}}`,
    )
  })

  it("say 0, a whole number, for a receiver that did not answer", async () => {
    await svix.endpoint.create("acme", { url: HOOK })
    world.receivers.at(HOOK, new Error("Network connection lost."))
    await send()
    await untilExhausted()
    expect(bodies().filter((body) => body.includes('"responseStatusCode":0,"timestamp"'))).toHaveLength(2)
  })
})

describe("what happens to messages", () => {
  beforeEach(async () => {
    await svix.endpoint.create("acme", { url: HOOK, uid: "hook" })
    await told()
    world.receivers.received.length = 0
  })

  it("is not told as long as all is well, nor for a few failures", async () => {
    world.receivers.at(HOOK, 500, 500, 500, 200)
    await send()
    await untilExhausted()
    expect(world.receivers.to(HOOK).length).toBe(4)
    expect(await told()).toEqual([])
  })

  it("is told after the fourth failure, once, and when it is delivered after all", async () => {
    world.receivers.at(HOOK, 500, 500, 500, 503, 500, 200)
    const message = await send({}, "order-1")
    await untilExhausted()
    const attempts = (await svix.messageAttempt.listByMsg("acme", message.id)).data.toReversed()
    const { appId, appUid, endpointId } = await ids("hook")
    const about = { appId, appUid, endpointId, msgId: message.id, msgEventId: "order-1" }
    const last = (n: number, responseStatusCode: number) => ({
      id: attempts[n]?.id,
      responseStatusCode,
      timestamp: attempts[n]?.timestamp.toISOString(),
    })
    expect(await told()).toEqual([
      { type: "message.attempt.failing", data: { ...about, lastAttempt: last(3, 503) } },
      { type: "message.attempt.recovered", data: { ...about, lastAttempt: last(5, 200) } },
    ])
  })

  it("is told when the last attempt has failed, with 0 for a receiver that did not answer", async () => {
    world.receivers.at(HOOK, new Error("Network connection lost."))
    const message = await send()
    await untilExhausted()
    const news = await told()
    expect(news.map(({ type }) => type)).toEqual(["message.attempt.failing", "message.attempt.exhausted"])
    expect(news[1]?.data).toMatchObject({ msgId: message.id, lastAttempt: { responseStatusCode: 0 } })
    expect(news[1]?.data).not.toHaveProperty("msgEventId")
  })

  it("is told when a message that was failing is delivered by hand", async () => {
    world.receivers.at(HOOK, 500)
    const message = await send()
    await untilExhausted()
    world.receivers.at(HOOK, 200)
    await svix.messageAttempt.resend("acme", message.id, "hook")
    const types = (await told()).map(({ type }) => type)
    expect(types).toEqual([
      "message.attempt.failing",
      "message.attempt.exhausted",
      "message.attempt.recovered",
    ])
    await svix.messageAttempt.resend("acme", message.id, "hook")
    expect((await told()).length).toBe(3)
  })

  it("is told of the systems with a wire of their own as well", async () => {
    await world.fetch("/webhook", { json: { url: "http://a.example/", event: "user_registered" } })
    world.receivers.at("http://a.example/", 410)
    await world.fetch("/users", { json: { username: "alice" } })
    const news = (await told()).slice(1)
    expect(news.map(({ type, data }) => [type, data.appUid])).toEqual([
      ["message.attempt.exhausted", "users"],
      ["endpoint.disabled", "users"],
    ])
  })

  it("is told though the queue was away: the sweep finds it", async () => {
    world.receivers.at(HOOK, 410)
    await send()
    const [job] = world.queued.splice(0)
    if (!job) throw new Error("no job")
    world.queueRefuses = true
    await world.run([job])
    world.queueRefuses = false
    expect(await told()).toEqual([])
    world.clock.advance(2_001)
    await world.sweep()
    expect((await told()).length).toBe(2)
  })

  it("is told once though the answer of D1 gets lost, and though the batch has to be repeated", async () => {
    world.receivers.at(HOOK, 410)
    let lost = 0
    world.probe.after = (statements) => {
      if (lost < 2 && statements.some((text) => text.includes("INSERT INTO attempts"))) {
        lost++
        throw new Error("Network connection lost.")
      }
    }
    await send()
    await world.runAll()
    world.clock.advance(2_001)
    await world.sweep()
    expect((await told()).map(({ type }) => type).sort()).toEqual([
      "endpoint.disabled",
      "message.attempt.exhausted",
    ])
    expect(lost).toBe(2)
    expect(world.logged.filter(({ unit }) => unit === "fault")).toEqual([])
  })

  it("costs a delivery that goes well no statement", async () => {
    const statements: string[] = []
    world.probe.before = (batch) => statements.push(...batch)
    await send()
    const published = statements.length
    await world.runDue()
    const recorded = statements.slice(published).filter((text) => text.includes("INSERT INTO events"))
    expect(recorded).toEqual([])
    expect(world.receivers.to(HOOK).length).toBe(1)
  })
})

describe("SVIX_HEADERS", () => {
  /** Verifies at the time of arrival; throws if it does not hold. */
  function verify(secret: string, { at, body }: Received, headers: Record<string, string>): void {
    const now = vi.spyOn(Date, "now").mockReturnValue(at)
    try {
      new Webhook(secret).verify(body, headers)
    } finally {
      now.mockRestore()
    }
  }

  const only = (headers: Record<string, string>, prefix: string) =>
    Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith(prefix)))

  it("adds copies that an older library verifies, next to the standard ones", async () => {
    await setUp({ SVIX_HEADERS: "true" })
    await svix.endpoint.create("acme", { url: HOOK, uid: "hook" })
    const { key } = await svix.endpoint.getSecret("acme", "hook")
    await send({ n: 1 })
    await world.runAll()
    const [received] = world.receivers.to(HOOK)
    if (!received) throw new Error("nothing arrived")
    const copies = only(received.headers, "svix-")
    expect(Object.keys(copies).sort()).toEqual(["svix-id", "svix-signature", "svix-timestamp"])
    verify(key, received, copies)
    verify(key, received, only(received.headers, "webhook-"))
    expect(() => verify(key, { ...received, body: "{}" }, copies)).toThrow()
  })

  it("is off unless it is set", async () => {
    await svix.endpoint.create("acme", { url: HOOK })
    await send()
    await world.runAll()
    expect(only(world.receivers.to(HOOK)[0]?.headers ?? {}, "svix-")).toEqual({})
  })
})

it("writes nothing as long as operations has no endpoint that could hear it", async () => {
  await svix.endpoint.delete("operations", (await svix.endpoint.list("operations")).data[0]?.id ?? "")
  await svix.endpoint.create("acme", { url: HOOK })
  world.receivers.at(HOOK, 410)
  await send()
  await world.runAll()
  expect((await svix.message.list("operations")).data).toEqual([])
})

it("keeps a day's worth of news as messages that can be listed and sent again", async () => {
  await svix.endpoint.create("acme", { url: HOOK })
  await world.runDue()
  world.clock.advance(DAY_MS / 2)
  const [message] = (await svix.message.list("operations", { withContent: true })).data
  expect(message).toMatchObject({ eventType: "endpoint.created", payload: { type: "endpoint.created" } })
})

describe("the operational event types", () => {
  const TYPES = [
    "endpoint.created",
    "endpoint.deleted",
    "endpoint.disabled",
    "endpoint.updated",
    "message.attempt.exhausted",
    "message.attempt.failing",
    "message.attempt.recovered",
  ]
  const clientOf = async (application: string) =>
    svixFor(world, (await svix.authentication.appPortalAccess(application, {})).token)

  it.each(TYPES)("can be read: %s", async (name) => {
    const type = await svix.eventType.get(name)
    expect(type).toMatchObject({ name, archived: false, deprecated: false })
    expect(type.description).toMatch(/^Sent when /)
  })

  it("are listed to who stands for operations, and are not among those that customers' endpoints can get", async () => {
    const names = async (client: Svix) => (await client.eventType.list()).data.map(({ name }) => name)
    const operations = await clientOf("operations")
    expect(await names(operations)).toEqual(TYPES)
    expect((await operations.eventType.get("endpoint.created")).name).toBe("endpoint.created")
    expect(await names(svix)).toEqual([])
    const acme = await clientOf("acme")
    expect(await names(acme)).toEqual([])
    expect(await refusalOf(acme.eventType.get("endpoint.created"))).toEqual(absent)
    const endpoint = { url: HOOK, eventTypes: ["endpoint.created"] }
    expect(await refusalOf(svix.endpoint.create("acme", endpoint))).toEqual(unfit("body", "eventTypes"))
  })

  it("stay as they are, whatever is done to one of the same name in the catalog", async () => {
    expect(await refusalOf(svix.eventType.patch("endpoint.created", { description: "mine" }))).toEqual(absent)
    expect(await refusalOf(svix.eventType.delete("endpoint.created"))).toEqual(absent)
    await svix.eventType.create({ name: "endpoint.created", description: "mine" })
    expect((await svix.eventType.get("endpoint.created")).description).toBe("mine")
    await svix.eventType.delete("endpoint.created", { expunge: true })
    expect((await svix.eventType.get("endpoint.created")).description).toMatch(/^Sent when /)
    await svix.eventType.upsert("endpoint.created", { description: "mine" })
    const operations = await clientOf("operations")
    expect((await operations.eventType.get("endpoint.created")).description).toMatch(/^Sent when /)
    await svix.endpoint.create("acme", { url: HOOK, uid: "hook" })
    expect((await told()).map(({ type }) => type)).toEqual(["endpoint.created"])
  })
})
