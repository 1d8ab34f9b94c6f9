import { describe, expect, it } from "vitest"
import { SCANNED_ROWS } from "../../src/engine/kit/scan.ts"
import { codeOf, FULL, HOOK, worldWithEndpoint } from "../support/endpoint-world.ts"
import { callApi } from "./svix.ts"

const OTHER = "http://other.example/hook"

const MINUTE_MS = 60_000

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
    await world.customersDB.prepare("UPDATE deliveries SET status = 'failed', next_attempt_at = NULL").run()
    world.clock.advance(MINUTE_MS)
    await send("m3", { eventType: "a" })
    await world.runAll()
    await world.customersDB.prepare("UPDATE deliveries SET status = 'failed', next_attempt_at = NULL").run()
    world.clock.advance(10 * MINUTE_MS)
    await send("m4", { eventType: "b", channels: ["y"] })
    await world.runAll()
    await world.customersDB.prepare("UPDATE deliveries SET status = 'failed', next_attempt_at = NULL").run()
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
    await world.customersDB
      .prepare(
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
