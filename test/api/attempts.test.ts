import { describe, expect, it } from "vitest"

import { SCANNED_ROWS } from "../../src/engine/kit/scan.ts"
import { consume } from "../../src/queue.ts"
import { verify } from "../support/receiver.ts"
import { batchOf, createWorld, type World } from "../support/world.ts"
import { callApi, svixFor } from "./svix.ts"

const HOOK = "http://receiver.example/hook"
const OTHER = "http://other.example/hook"
const MINUTE_MS = 60_000
const LEASE_MS = 61_000
const FULL = { withContent: true }

async function worldWithEndpoint(settings: Record<string, string> = {}) {
  const world = await createWorld(settings)
  const svix = svixFor(world)
  await svix.application.create({ name: "Acme", uid: "acme" })
  const endpoint = await svix.endpoint.create("acme", { url: HOOK, uid: "ep" })
  const send = (eventId: string, more: { eventType?: string; channels?: string[] } = {}) =>
    svix.message.create("acme", { eventType: "t", eventId, payload: { eventId }, ...more })
  return { world, svix, endpoint, send }
}

const codeOf = async (promise: Promise<unknown>) =>
  promise.then(
    () => 0,
    (error: { code?: number }) => error.code,
  )

const statusOf = async (world: World, msg: string) => {
  const [owed] = (await svixFor(world).messageAttempt.listAttemptedDestinations("acme", msg)).data
  return owed?.statusText
}

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

describe("listing attempts", () => {
  /** Four messages, a minute apart: 200, 500, no answer, 404. */
  async function worldWithAttempts() {
    const made = await worldWithEndpoint()
    const { world, send } = made
    const start = world.clock.now()
    world.receivers.at(HOOK, 200, 500, new Error("Network connection lost."), 404)
    await send("m1", { eventType: "a", channels: ["x"] })
    await world.runDue()
    world.clock.advance(MINUTE_MS)
    await send("m2", { eventType: "b", channels: ["x", "y"] })
    await world.runDue()
    await world.env.DB.prepare("UPDATE deliveries SET status = 'failed', next_attempt_at = NULL").run()
    world.clock.advance(MINUTE_MS)
    await send("m3", { eventType: "a" })
    await world.runAll()
    await world.env.DB.prepare("UPDATE deliveries SET status = 'failed', next_attempt_at = NULL").run()
    world.clock.advance(10 * MINUTE_MS)
    await send("m4", { eventType: "b", channels: ["y"] })
    await world.runAll()
    await world.env.DB.prepare("UPDATE deliveries SET status = 'failed', next_attempt_at = NULL").run()
    const codes = (list: { data: { responseStatusCode: number }[] }) =>
      list.data.map(({ responseStatusCode }) => responseStatusCode)
    return { ...made, start, codes }
  }

  it("by endpoint goes newest first, and filters combine", async () => {
    const { svix, start, codes } = await worldWithAttempts()
    const list = async (options: Parameters<typeof svix.messageAttempt.listByEndpoint>[2]) =>
      codes(await svix.messageAttempt.listByEndpoint("acme", "ep", options))
    expect(await list({})).toEqual([404, 0, 500, 200])
    expect(await list({ status: 0 })).toEqual([200])
    expect(await list({ status: 2 })).toEqual([404, 0, 500])
    expect(await list({ status: 1 })).toEqual([])
    expect(await list({ status: 3 })).toEqual([])
    expect(await list({ statusCodeClass: 500 })).toEqual([500])
    expect(await list({ statusCodeClass: 0 })).toEqual([0])
    expect(await list({ eventTypes: ["a"] })).toEqual([0, 200])
    expect(await list({ channel: "x" })).toEqual([500, 200])
    expect(await list({ channel: "y", eventTypes: ["b"], statusCodeClass: 400 })).toEqual([404])
    expect(await list({ status: 0, statusCodeClass: 500 })).toEqual([])
    expect(await list({ before: new Date(start + 2 * MINUTE_MS) })).toEqual([500, 200])
    expect(await list({ after: new Date(start + MINUTE_MS) })).toEqual([404, 0, 500])
    expect(await list({ after: new Date(start + MINUTE_MS + 1) })).toEqual([404, 0])
    const both = { after: new Date(start + 1), before: new Date(start + 2 * MINUTE_MS) }
    expect(await list(both)).toEqual([500])
  })

  it("beginning at an attempt's own time has it, in every list that can begin at a time", async () => {
    const { world, svix, send } = await worldWithEndpoint()
    await send("m1")
    await world.runDue()
    const own = new Date(world.clock.now())
    const lists = async (after: Date) => {
      const [attempt] = (await svix.messageAttempt.listByMsg("acme", "m1", { after })).data
      const [ofEndpoint] = (await svix.messageAttempt.listByEndpoint("acme", "ep", { after })).data
      const [attempted] = (await svix.messageAttempt.listAttemptedMessages("acme", "ep", { after })).data
      const [message] = (await svix.message.list("acme", { after })).data
      return [attempt?.timestamp, ofEndpoint?.timestamp, attempted?.timestamp, message?.timestamp]
    }
    expect(await lists(own)).toEqual([own, own, own, own])
    expect(await lists(new Date(own.getTime() + 1))).toEqual([undefined, undefined, undefined, undefined])
  })

  it("by message keeps to its message, and to one endpoint if it is named", async () => {
    const { world, svix, send, endpoint } = await worldWithEndpoint()
    await svix.endpoint.create("acme", { url: OTHER, uid: "other" })
    world.receivers.at(OTHER, 500, 200)
    await send("m1")
    await send("m2")
    await world.runAll(10_000)
    const codes = async (msg: string, options = {}) =>
      (await svix.messageAttempt.listByMsg("acme", msg, options)).data.map((one) => one.responseStatusCode)
    expect((await codes("m1")).toSorted()).toEqual([200, 200, 500])
    expect(await codes("m1", { endpointId: "ep" })).toEqual([200])
    expect(await codes("m1", { endpointId: endpoint.id })).toEqual([200])
    expect(await codes("m1", { endpointId: "other" })).toEqual([200, 500])
    expect(await codes("m1", { endpointId: "other", status: 2 })).toEqual([500])
    expect(await codes("m1", { eventTypes: ["none"] })).toEqual([])
    expect(await codeOf(svix.messageAttempt.listByMsg("acme", "m1", { endpointId: "none" }))).toBe(404)
  })

  it("pages forward and back while attempts are made", async () => {
    const { world, svix, send } = await worldWithEndpoint()
    const go = async (id: string) => {
      world.clock.advance(1000)
      await send(id)
      await world.runDue()
    }
    for (const id of ["m1", "m2", "m3"]) await go(id)
    const page = async (iterator?: string | null) => {
      const list = await svix.messageAttempt.listByEndpoint("acme", "ep", {
        limit: 2,
        ...(iterator ? { iterator } : {}),
      })
      const ids = await Promise.all(list.data.map((one) => svix.message.get("acme", one.msgId)))
      return { ...list, ids: ids.map(({ eventId }) => eventId) }
    }
    const first = await page()
    expect(first.ids).toEqual(["m3", "m2"])
    await go("m4")
    const second = await page(first.iterator)
    expect(second.ids).toEqual(["m1"])
    expect(second.done).toBe(true)
    expect((await page(second.prevIterator)).ids).toEqual(["m3", "m2"])
    expect((await page(first.prevIterator)).ids).toEqual(["m4"])
  })

  it("pages through first attempts and retries alike, in the order in which they were made", async () => {
    const { world, svix, send } = await worldWithEndpoint()
    world.receivers.at(HOOK, 500, 200, 500, 200, 500, 500, 200)
    for (const id of ["m1", "m2", "m3"]) {
      world.clock.advance(MINUTE_MS)
      await send(id)
      await world.runAllWithSweeps(10 * MINUTE_MS)
    }
    const list = (iterator: string | null | undefined, limit: number) =>
      svix.messageAttempt.listByEndpoint("acme", "ep", { limit, ...(iterator ? { iterator } : {}) })
    const all = (await list(null, 50)).data
    expect(all.map(({ responseStatusCode }) => responseStatusCode)).toEqual([
      200, 500, 500, 200, 500, 200, 500,
    ])
    expect(all.map(({ id }) => id)).toEqual(
      all
        .map(({ id }) => id)
        .toSorted()
        .toReversed(),
    )
    for (const limit of [1, 2, 3]) {
      const forward: string[] = []
      let page = await list(null, limit)
      for (;;) {
        forward.push(...page.data.map(({ id }) => id))
        if (page.done) break
        page = await list(page.iterator, limit)
      }
      expect(forward).toEqual(all.map(({ id }) => id))
      const back: string[] = page.data.map(({ id }) => id)
      while (back.length < all.length) {
        page = await list(page.prevIterator, limit)
        back.unshift(...page.data.map(({ id }) => id))
      }
      expect(back).toEqual(forward)
    }
    for (const { id, msgId } of all) expect((await svix.messageAttempt.get("acme", msgId, id)).id).toBe(id)
  })

  it("shows and forgets the answer of a first attempt and of a retry alike", async () => {
    const { world, svix, send } = await worldWithEndpoint()
    world.receivers.at(HOOK, new Response("no", { status: 500 }), new Response("yes"))
    await send("m1")
    await world.runAll(10_000)
    const answers = async () =>
      (await svix.messageAttempt.listByMsg("acme", "m1", FULL)).data.map(({ response }) => response)
    expect(await answers()).toEqual(["yes", "no"])
    for (const { id } of (await svix.messageAttempt.listByMsg("acme", "m1")).data)
      await svix.messageAttempt.expungeContent("acme", "m1", id)
    expect(await answers()).toEqual(["EXPUNGED", "EXPUNGED"])
  })

  it("looks at a bounded number of attempts for a rare kind, forward and back", async () => {
    const { world, svix, endpoint, send } = await worldWithEndpoint()
    world.receivers.at(HOOK, 404, 200)
    const { id } = await send("m1")
    await world.runDue()
    await world.env.DB.prepare(
      `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ?1)
       INSERT INTO attempts (event_id, id, endpoint_id, application_id, trigger, url, status_code, duration_ms,
         created_at, body_encoding, body_truncated, body)
       SELECT ?2, 'att_1' || printf('%031d', i), ?3, 'app', 'scheduled', 'http://x.example/', 200, 1, 1, 'utf8', 0, ''
       FROM c`,
    )
      .bind(SCANNED_ROWS + 10, id, endpoint.id)
      .run()
    for (const list of [
      (iterator = "") =>
        svix.messageAttempt.listByEndpoint("acme", "ep", { status: 2, ...(iterator && { iterator }) }),
      (iterator = "") =>
        svix.messageAttempt.listByMsg("acme", "m1", { status: 2, ...(iterator && { iterator }) }),
    ]) {
      const first = await list()
      expect(first).toMatchObject({ data: [], done: false })
      const second = await list(first.iterator ?? "")
      expect(second.data.map(({ responseStatusCode }) => responseStatusCode)).toEqual([404])
      expect(second.done).toBe(true)
      const back = await list(second.prevIterator ?? "")
      expect(back).toMatchObject({ data: [], done: false })
      expect((await list(back.prevIterator ?? "")).done).toBe(true)
    }
  })

  it.each(["status=4", "status=x", "status_code_class=600", "limit=0", "iterator=%20"])(
    "answers 422 for %s",
    async (query) => {
      const { world } = await worldWithEndpoint()
      expect((await callApi(world, `/api/v1/app/acme/attempt/endpoint/ep?${query}`)).status).toBe(422)
    },
  )
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

describe("resending", () => {
  async function failed(settings: Record<string, string> = { RETRY_SCHEDULE: "5" }) {
    const made = await worldWithEndpoint(settings)
    const { world, send } = made
    world.receivers.at(HOOK, 500)
    const message = await send("m1")
    await world.runAll(20_000)
    return { ...made, message }
  }

  it("makes one attempt by hand, now, under the message's id; success delivers", async () => {
    const { world, svix, endpoint, message } = await failed()
    expect(await statusOf(world, "m1")).toBe("fail")
    world.receivers.at(HOOK, 200)
    const { key } = await svix.endpoint.getSecret("acme", "ep")
    const before = world.receivers.to(HOOK).length
    await svix.messageAttempt.resend("acme", "m1", "ep")
    await world.runDue()
    const made = world.receivers.to(HOOK).slice(before)
    expect(made).toHaveLength(1)
    expect(made[0]?.headers["webhook-id"]).toBe(message.id)
    expect(verify(key, made[0])).toEqual({ eventId: "m1" })
    expect(await statusOf(world, "m1")).toBe("success")
    const [attempt] = (await svix.messageAttempt.listByMsg("acme", "m1")).data
    expect(attempt).toMatchObject({ triggerType: 1, statusText: "success", endpointId: endpoint.id })
  })

  it("that fails changes neither the status nor the schedule of a delivery that waits", async () => {
    const { world, svix, message } = await failed({ RETRY_SCHEDULE: "5,300" })
    const due = async () => (await svix.messageAttempt.listAttemptedDestinations("acme", "m1")).data
    const before = await due()
    expect(before).toMatchObject([{ statusText: "fail", nextAttempt: expect.any(Date) }])
    await svix.messageAttempt.resend("acme", message.id, "ep")
    await world.runDue()
    expect(world.receivers.to(HOOK)).toHaveLength(3)
    expect(await due()).toEqual(before)
    world.receivers.at(HOOK, 200)
    await world.runAllWithSweeps(6 * MINUTE_MS)
    expect(await statusOf(world, "m1")).toBe("success")
    expect(world.receivers.to(HOOK)).toHaveLength(4)
  })

  it("that succeeds ends the failing of the endpoint: what waits is sent at once", async () => {
    const { world, svix, send } = await failed({ RETRY_SCHEDULE: "5,300" })
    await send("m2")
    await world.runDue()
    await world.runAllWithSweeps(2 * MINUTE_MS)
    world.receivers.at(HOOK, 200)
    await svix.messageAttempt.resend("acme", "m1", "ep")
    await world.runDue()
    await send("m3")
    await world.runDue()
    expect(await statusOf(world, "m3")).toBe("success")
  })

  it("that fails leaves what has failed as it was", async () => {
    const { world, svix } = await failed()
    await svix.messageAttempt.resend("acme", "m1", "ep")
    await world.runAllWithSweeps(10 * MINUTE_MS)
    expect(world.receivers.to(HOOK)).toHaveLength(3)
    expect(await statusOf(world, "m1")).toBe("fail")
  })

  it("reaches an endpoint that the message was never owed to, once", async () => {
    const { world, svix } = await failed()
    await svix.endpoint.create("acme", { url: OTHER, uid: "late", eventTypes: null, channels: ["z"] })
    world.receivers.at(OTHER, 500)
    await svix.messageAttempt.resend("acme", "m1", "late")
    await world.runAllWithSweeps(10 * MINUTE_MS)
    expect(world.receivers.to(OTHER)).toHaveLength(1)
    const failedThere = (await svix.messageAttempt.listAttemptedDestinations("acme", "m1")).data
    expect(failedThere.find(({ uid }) => uid === "late")).toMatchObject({
      statusText: "fail",
      nextAttempt: null,
    })
    world.receivers.at(OTHER, 200)
    await svix.messageAttempt.resend("acme", "m1", "late")
    await world.runDue()
    expect((await svix.messageAttempt.listAttemptedMessages("acme", "late")).data).toMatchObject([
      { eventId: "m1", statusText: "success" },
    ])
  })

  it("before the message is dispatched takes nothing from anybody", async () => {
    const { world, svix, send } = await worldWithEndpoint()
    await svix.endpoint.create("acme", { url: OTHER })
    world.receivers.at(HOOK, 500, 200)
    await send("m1")
    const [dispatch] = world.queued.splice(0)
    await svix.messageAttempt.resend("acme", "m1", "ep")
    await world.runDue()
    expect(world.receivers.to(HOOK)).toHaveLength(1)
    if (dispatch) world.queued.push(dispatch)
    await world.runAllWithSweeps(MINUTE_MS)
    expect(world.receivers.to(OTHER)).toHaveLength(1)
    expect(world.receivers.to(HOOK)).toHaveLength(2)
    const ends = (await svix.messageAttempt.listAttemptedDestinations("acme", "m1")).data
    expect(ends.map(({ statusText }) => statusText)).toEqual(["success", "success"])
  })

  it("survives a lost job, and a consumer that dies before or after sending", async () => {
    const { world, svix } = await failed()
    world.receivers.at(HOOK, 200)
    await svix.messageAttempt.resend("acme", "m1", "ep")
    world.queued.length = 0
    await world.cron()
    await world.runUntilDeath(() => true)
    expect(await statusOf(world, "m1")).toBe("fail")
    await world.cron()
    expect(await world.runDue()).toBe(0)
    world.clock.advance(LEASE_MS)
    await world.cron()
    await world.runDue()
    expect(await statusOf(world, "m1")).toBe("success")
    expect(world.receivers.to(HOOK)).toHaveLength(4)
    await world.cron()
    expect(await world.runDue()).toBe(0)
  })

  it("that a queue refuses is made by the sweep", async () => {
    const { world, svix } = await failed()
    world.receivers.at(HOOK, 200)
    world.queueRefuses = true
    await svix.messageAttempt.resend("acme", "m1", "ep")
    await world.cron()
    expect(await statusOf(world, "m1")).toBe("success")
  })

  it("that is answered 410 disables the endpoint, and says so", async () => {
    const { world, svix } = await failed()
    await svix.endpoint.create("operations", { url: OTHER, eventTypes: ["endpoint.disabled"] })
    world.receivers.at(HOOK, 410)
    await svix.messageAttempt.resend("acme", "m1", "ep")
    await world.runDue()
    expect((await svix.endpoint.get("acme", "ep")).disabled).toBe(true)
    expect(world.receivers.to(OTHER).map(({ json }) => json)).toMatchObject([{ type: "endpoint.disabled" }])
  })

  it("that is answered 410 disables one that has been answering 2xx at the second time alone", async () => {
    const { world, svix } = await failed()
    const resend = async (answer: number) => {
      world.receivers.at(HOOK, answer)
      world.clock.advance(1)
      await svix.messageAttempt.resend("acme", "m1", "ep")
      await world.runDue()
      return (await svix.endpoint.get("acme", "ep")).disabled
    }
    expect(await resend(200)).toBe(false)
    expect(await resend(410)).toBe(false)
    expect(await resend(200)).toBe(false)
    expect(await resend(410)).toBe(false)
    expect(await resend(410)).toBe(true)
  })

  it("whose job comes twice is one attempt; asked twice, one after the other, it is two", async () => {
    const { world, svix } = await failed()
    await svix.messageAttempt.resend("acme", "m1", "ep")
    const jobs = world.queued.splice(0)
    await Promise.all([consume(batchOf(jobs), world.deps), consume(batchOf(jobs), world.deps)])
    expect(world.receivers.to(HOOK)).toHaveLength(3)
    world.clock.advance(1)
    await svix.messageAttempt.resend("acme", "m1", "ep")
    await world.runDue()
    expect(world.receivers.to(HOOK)).toHaveLength(4)
  })

  it("asked for again while one is being made is made too", async () => {
    const { world, svix } = await failed()
    let answer: (status: number) => void = () => {}
    const waiting = new Promise<number>((resolve) => {
      answer = resolve
    })
    world.receivers.at(HOOK, () => waiting, 500)
    await svix.messageAttempt.resend("acme", "m1", "ep")
    const working = world.runDue()
    await expect.poll(() => world.receivers.to(HOOK).length).toBe(3)
    world.clock.advance(1000)
    await svix.messageAttempt.resend("acme", "m1", "ep")
    answer(500)
    await working
    await world.runDue()
    expect(world.receivers.to(HOOK)).toHaveLength(4)
  })

  it("that kills whoever makes it is given up after an hour", async () => {
    const { world, svix } = await failed()
    await svix.endpoint.create("acme", { url: OTHER, uid: "late" })
    await svix.messageAttempt.resend("acme", "m1", "late")
    await world.runUntilDeath(() => true)
    world.clock.advance(60 * MINUTE_MS)
    await world.cron()
    await world.runDue()
    expect(world.receivers.to(OTHER)).toHaveLength(1)
    const row = await world.env.DB.prepare(
      "SELECT status, reason FROM deliveries ORDER BY created_at DESC",
    ).first()
    expect(row).toEqual({ status: "failed", reason: "internal" })
  })

  it("is refused with 409 for a disabled endpoint and without a payload, with 404 for what is not there", async () => {
    const { world, svix } = await failed()
    const sent = world.receivers.to(HOOK).length
    await svix.endpoint.patch("acme", "ep", { disabled: true })
    expect(await codeOf(svix.messageAttempt.resend("acme", "m1", "ep"))).toBe(409)
    await svix.endpoint.patch("acme", "ep", { disabled: false })
    await svix.message.expungeContent("acme", "m1")
    expect(await codeOf(svix.messageAttempt.resend("acme", "m1", "ep"))).toBe(409)
    expect(await codeOf(svix.messageAttempt.resend("acme", "none", "ep"))).toBe(404)
    expect(await codeOf(svix.messageAttempt.resend("acme", "m1", "none"))).toBe(404)
    await world.runAllWithSweeps(MINUTE_MS)
    expect(world.receivers.to(HOOK)).toHaveLength(sent)
  })

  it("sends nothing once the endpoint is disabled or deleted, or the payload gone, before the job comes", async () => {
    for (const change of [
      ({ svix }: Awaited<ReturnType<typeof failed>>) => svix.endpoint.patch("acme", "ep", { disabled: true }),
      ({ svix }: Awaited<ReturnType<typeof failed>>) => svix.endpoint.delete("acme", "ep"),
      ({ svix }: Awaited<ReturnType<typeof failed>>) => svix.message.expungeContent("acme", "m1"),
    ]) {
      const made = await failed()
      const sent = made.world.receivers.to(HOOK).length
      await made.svix.messageAttempt.resend("acme", "m1", "ep")
      await change(made)
      await made.world.runAllWithSweeps(MINUTE_MS)
      expect(made.world.receivers.to(HOOK)).toHaveLength(sent)
      await made.world.cron()
      expect(await made.world.runDue()).toBe(0)
    }
  })
})
