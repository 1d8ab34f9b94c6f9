import { describe, expect, it } from "vitest"
import { codeOf, FULL, HOOK, statusOf, worldWithEndpoint } from "../support/endpoint-world.ts"

const OTHER = "http://other.example/hook"

const MINUTE_MS = 60_000

describe("an attempt", () => {
  it("that succeeded shows what the receiver answered", async () => {
    const { world, svix, endpoint, send } = await worldWithEndpoint()
    world.receivers.at(HOOK, new Response("thanks", { status: 201 }))
    const message = await send("m1")
    await world.runDue()
    const [attempt] = (await svix.messageAttempt.listByMsg("acme", "m1", FULL)).data
    expect(attempt).toMatchObject({
      url: HOOK,
      response: "thanks",
      responseStatusCode: 201,
      responseDurationMs: 0,
      status: 0,
      statusText: "success",
      triggerType: 0,
      msgId: message.id,
      endpointId: endpoint.id,
    })
    expect(await svix.messageAttempt.get("acme", "m1", attempt?.id ?? "")).toMatchObject({
      response: "thanks",
    })
  })

  it("without an answer has the status code 0 and a sentence that says why", async () => {
    const { world, svix, send } = await worldWithEndpoint()
    world.receivers.at(HOOK, new Error("Network connection lost."))
    await send("m1")
    await world.runDue()
    const [attempt] = (await svix.messageAttempt.listByEndpoint("acme", "ep", FULL)).data
    expect(attempt).toMatchObject({
      response: "Connection refused",
      responseStatusCode: 0,
      statusText: "fail",
    })
  })

  it.each([
    ["", 521, /^The receiver's server refused Cloudflare's connection: [^.]+\.$/],
    [
      "error code: 530",
      530,
      /^Cloudflare could not look up the receiver's host: [^.]+\.\n\nerror code: 530$/,
    ],
    ["", 599, /^$/],
  ])("that was answered %j with %i shows the sentence for it first", async (body, status, response) => {
    const { world, svix, send } = await worldWithEndpoint()
    world.receivers.at(HOOK, new Response(body, { status }))
    await send("m1")
    await world.runDue()
    const [attempt] = (await svix.messageAttempt.listByMsg("acme", "m1", FULL)).data
    expect(attempt).toMatchObject({
      response: expect.stringMatching(response),
      responseStatusCode: status,
      statusText: "fail",
    })
  })

  it("whose answer is no text shows it as near to text as can be", async () => {
    const { world, svix, send } = await worldWithEndpoint()
    world.receivers.at(HOOK, new Response(Uint8Array.of(0x6f, 0x6b, 0xff), { status: 200 }))
    await send("m1")
    await world.runDue()
    const [attempt] = (await svix.messageAttempt.listByMsg("acme", "m1", FULL)).data
    expect(attempt?.response).toBe("ok\ufffd")
  })

  it("is without its content unless asked for, and for good once that is deleted", async () => {
    const { world, svix, send } = await worldWithEndpoint()
    world.receivers.at(HOOK, new Response("secret", { status: 500 }))
    await send("m1")
    await world.runDue()
    const [attempt] = (await svix.messageAttempt.listByMsg("acme", "m1")).data
    expect(attempt?.response).toBe("{}")
    const id = attempt?.id ?? ""
    await svix.messageAttempt.expungeContent("acme", "m1", id)
    expect(await svix.messageAttempt.get("acme", "m1", id)).toMatchObject({
      response: "EXPUNGED",
      responseStatusCode: 500,
    })
    const [owed] = (await svix.messageAttempt.listAttemptedDestinations("acme", "m1")).data
    expect(owed).toMatchObject({ statusText: "fail", nextAttempt: expect.any(Date) })
  })

  it("is 404 under another message or another application", async () => {
    const { world, svix, send } = await worldWithEndpoint()
    await svix.application.create({ name: "Other", uid: "other" })
    await send("m1")
    await send("m2")
    await world.runDue()
    const [attempt] = (await svix.messageAttempt.listByMsg("acme", "m1")).data
    const id = attempt?.id ?? ""
    expect(await codeOf(svix.messageAttempt.get("acme", "m2", id))).toBe(404)
    expect(await codeOf(svix.messageAttempt.get("other", "m1", id))).toBe(404)
    expect(await codeOf(svix.messageAttempt.expungeContent("acme", "m2", id))).toBe(404)
    expect(await codeOf(svix.messageAttempt.get("acme", "m1", "att_none"))).toBe(404)
    expect(await codeOf(svix.messageAttempt.listByMsg("other", "m1"))).toBe(404)
    expect(await codeOf(svix.messageAttempt.listByEndpoint("other", "ep"))).toBe(404)
  })
})

describe("the messages to an endpoint", () => {
  it("show how far each is, and filters combine", async () => {
    const { world, svix, send } = await worldWithEndpoint()
    world.receivers.at(HOOK, 200, 500)
    await send("delivered", { eventType: "a", channels: ["x"] })
    await world.runDue()
    world.clock.advance(1000)
    await send("retried", { eventType: "b" })
    await world.runDue()
    world.clock.advance(1000)
    const all = await svix.messageAttempt.listAttemptedMessages("acme", "ep", FULL)
    expect(all.data).toMatchObject([
      { eventId: "retried", status: 3, statusText: "sending", payload: { eventId: "retried" } },
      { eventId: "delivered", status: 0, statusText: "success", nextAttempt: null },
    ])
    expect(all.data[0]?.nextAttempt?.getTime()).toBe(world.clock.now() + 4000)
    const list = async (options: Parameters<typeof svix.messageAttempt.listAttemptedMessages>[2]) =>
      (await svix.messageAttempt.listAttemptedMessages("acme", "ep", options)).data.map(
        ({ eventId }) => eventId,
      )
    expect(await list({ status: 0 })).toEqual(["delivered"])
    expect(await list({ status: 1 })).toEqual([])
    expect(await list({ status: 2 })).toEqual([])
    expect(await list({ status: 3 })).toEqual(["retried"])
    expect(await list({ eventTypes: ["a", "b"], channel: "x" })).toEqual(["delivered"])
    expect(await list({ eventTypes: ["b"], channel: "x" })).toEqual([])
    expect(await list({ before: new Date(world.clock.now() - 1000) })).toEqual(["delivered"])
    expect(await list({ after: new Date(world.clock.now() - 1999) })).toEqual(["retried"])
    expect((await svix.messageAttempt.listAttemptedMessages("acme", "ep")).data[0]?.payload).toEqual({})
  })

  it("are `sending` while retries are under way, and for the message `fail` with its next attempt", async () => {
    const { world, svix, endpoint, send } = await worldWithEndpoint()
    world.receivers.at(HOOK, 500, "hang", 200)
    await send("m1")
    await world.runDue()
    const sending = async () => {
      const { data } = await svix.messageAttempt.listAttemptedMessages("acme", "ep", { status: 3 })
      return data.map(({ eventId, statusText }) => [eventId, statusText])
    }
    const destination = async () =>
      (await svix.messageAttempt.listAttemptedDestinations("acme", "m1")).data[0]
    const dueAt = world.clock.now() + 5000
    const failed = { id: endpoint.id, status: 2, statusText: "fail", nextAttempt: new Date(dueAt) }
    expect(await sending()).toEqual([["m1", "sending"]])
    expect(await destination()).toMatchObject(failed)
    expect(await svix.endpoint.getStats("acme", "ep")).toMatchObject({ sending: 1, pending: 0, fail: 0 })
    // Nor is it anything else while somebody is at it again.
    world.clock.advance(6000)
    const working = world.runDue()
    await expect.poll(() => world.receivers.to(HOOK).length).toBe(2)
    expect(await sending()).toEqual([["m1", "sending"]])
    expect(await destination()).toMatchObject(failed)
    world.clock.advance(20_000)
    await working
    await world.runAllWithSweeps(20 * MINUTE_MS)
    expect(await sending()).toEqual([])
    expect(await destination()).toMatchObject({ status: 0, statusText: "success", nextAttempt: null })
  })

  it("are `pending` as long as nobody has attempted them, and `sending` in the hands of who does", async () => {
    const { world, svix, endpoint, send } = await worldWithEndpoint({ ATTEMPT_TIMEOUT_MS: "60000" })
    await svix.endpoint.patch("acme", "ep", { throttleRate: 1 })
    await world.runDue()
    world.receivers.at(HOOK, "hang")
    await send("m1")
    const [dispatch] = world.queued
    if (dispatch) await world.run([dispatch])
    const pending = await svix.messageAttempt.listAttemptedMessages("acme", "ep", { status: 1 })
    expect(pending.data).toMatchObject([{ eventId: "m1", statusText: "pending" }])
    expect(await statusOf(world, "m1")).toBe("pending")
    const working = world.runDue()
    await expect.poll(() => world.receivers.to(HOOK).length).toBe(1)
    const sending = await svix.messageAttempt.listAttemptedMessages("acme", "ep", { status: 3 })
    expect(sending.data).toMatchObject([{ eventId: "m1", statusText: "sending" }])
    expect((await svix.messageAttempt.listAttemptedDestinations("acme", "m1")).data).toMatchObject([
      { id: endpoint.id, statusText: "sending" },
    ])
    world.clock.advance(60_000)
    await working
  })
})

describe("the destinations of a message", () => {
  it("are its endpoints in the order of their ids, page by page, deleted ones among them", async () => {
    const { world, svix, send, endpoint } = await worldWithEndpoint()
    world.clock.advance(1000)
    await svix.eventType.create({ name: "t", description: "" })
    const other = await svix.endpoint.create("acme", {
      url: OTHER,
      description: "the other",
      eventTypes: ["t"],
      channels: ["x"],
    })
    await send("m1", { channels: ["x"] })
    await world.runDue()
    await svix.endpoint.delete("acme", endpoint.id)
    const first = await svix.messageAttempt.listAttemptedDestinations("acme", "m1", { limit: 1 })
    expect(first).toMatchObject({ done: false, data: [{ id: endpoint.id, statusText: "success" }] })
    const second = await svix.messageAttempt.listAttemptedDestinations("acme", "m1", {
      limit: 1,
      iterator: first.iterator ?? "",
    })
    expect(second).toMatchObject({
      done: true,
      data: [
        { id: other.id, url: OTHER, description: "the other", eventTypes: ["t"], channels: ["x"], status: 0 },
      ],
    })
    const back = await svix.messageAttempt.listAttemptedDestinations("acme", "m1", {
      limit: 1,
      iterator: second.prevIterator ?? "",
    })
    expect(back.data.map(({ id }) => id)).toEqual([endpoint.id])
  })
})

describe("an endpoint's messages", () => {
  it("are listed in the order in which they came to it, whatever their own age, page by page", async () => {
    const { world, svix, send } = await worldWithEndpoint()
    for (const id of ["m1", "m2", "m3"]) {
      world.clock.advance(1000)
      await send(id)
      await world.runDue()
    }
    await svix.endpoint.create("acme", { url: OTHER, uid: "other" })
    for (const id of ["m2", "m1"]) {
      world.clock.advance(1000)
      await svix.messageAttempt.resend("acme", id, "other")
      await world.runDue()
    }
    const list = (endpoint: string, options = {}) =>
      svix.messageAttempt.listAttemptedMessages("acme", endpoint, options)
    const idsOf = ({ data }: Awaited<ReturnType<typeof list>>) => data.map(({ eventId }) => eventId)
    expect(idsOf(await list("ep"))).toEqual(["m3", "m2", "m1"])
    const first = await list("other", { limit: 1 })
    const second = await list("other", { limit: 1, iterator: first.iterator })
    expect([idsOf(first), idsOf(second)]).toEqual([["m1"], ["m2"]])
    expect(idsOf(await list("other", { limit: 1, iterator: second.prevIterator }))).toEqual(["m1"])
    const before = new Date(world.clock.now() - 3000)
    expect(idsOf(await list("other", { before }))).toEqual(["m1"])
  })
})
