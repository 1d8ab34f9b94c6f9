import type { Svix } from "svix"
import { beforeEach, describe, expect, it } from "vitest"

import { customersDB } from "../support/shards.ts"
import { createWorld, type World } from "../support/world.ts"
import { callApi, svixFor } from "./svix.ts"

const HOOK = "http://receiver.example/hook"

interface Verdict {
  endpointId: string
  endpointUid: string | null
  verdict: string
  reason: string | null
  explanation: string
  nextAttempt: string | null
}
interface Match extends Omit<Verdict, "verdict" | "nextAttempt"> {
  gets: boolean
}
interface List<Item> {
  data: Item[]
  done: boolean
  iterator: string | null
  prevIterator: string | null
}
type DryRun = List<Match> & { refusal: { status: number; code: string; detail: string } | null }

let world: World
let svix: Svix

beforeEach(async () => {
  world = await createWorld({ RETRY_SCHEDULE: "60" })
  svix = svixFor(world)
  await svix.application.create({ name: "Acme", uid: "acme" })
  await svix.eventType.create({ name: "a", description: "" })
  await svix.eventType.create({ name: "b", description: "" })
})

async function listOf(message: string, query = ""): Promise<List<Verdict>> {
  const answer = await callApi(world, `/api/v1/app/acme/msg/${message}/verdict${query}`)
  expect(answer.status).toBe(200)
  return answer.json()
}

/** The verdict of the one endpoint of this uid. */
async function verdictOf(message: string, uid: string): Promise<Verdict | undefined> {
  return (await listOf(message)).data.find(({ endpointUid }) => endpointUid === uid)
}

async function dryRun(body: object, query = ""): Promise<DryRun> {
  const answer = await callApi(world, `/api/v1/app/acme/msg/dry-run${query}`, { json: body })
  expect(answer.status).toBe(200)
  return answer.json()
}

/** Makes an endpoint of this uid with a URL of its own. */
function make(uid: string, more: { eventTypes?: string[]; channels?: string[]; disabled?: boolean } = {}) {
  return svix.endpoint.create("acme", { url: `http://${uid}.example/`, uid, ...more })
}

async function send(more: { channels?: string[] } = {}, forMs = 0): Promise<string> {
  const { id } = await svix.message.create("acme", { eventType: "a", payload: {}, ...more })
  await world.runAll(forMs)
  return id
}

describe("the verdicts on a message", () => {
  it("name every endpoint, with what became of its delivery or why it has none", async () => {
    const [taken] = [await make("taken"), await make("failing"), await make("refusing")]
    await make("other-type", { eventTypes: ["b"] })
    await make("other-channel", { channels: ["x"] })
    await make("off", { disabled: true })
    world.receivers.at("http://failing.example/", 500, 200)
    world.receivers.at("http://refusing.example/", 500)
    const id = await send({ channels: ["y"] })
    await svix.messageAttempt.resend("acme", id, taken.id)
    world.clock.advance(1)
    await make("late")
    await world.runDue()

    const { data, done } = await listOf(id)
    expect(done).toBe(true)
    expect(data.map(({ endpointUid, verdict, reason }) => [endpointUid, verdict, reason])).toEqual([
      ["taken", "delivered", null],
      ["failing", "pending", null],
      ["refusing", "pending", null],
      ["other-type", "no-delivery", "not-subscribed"],
      ["other-channel", "no-delivery", "channel-mismatch"],
      ["off", "no-delivery", "disabled"],
      ["late", "no-delivery", "created-later"],
    ])
    expect(data.map(({ nextAttempt }) => nextAttempt !== null)).toEqual([
      false,
      true,
      true,
      ...Array(4).fill(false),
    ])
    for (const { explanation } of data) expect(explanation).toMatch(/^[A-Z].{15,}\.$/)

    await world.runAllWithSweeps(10 * 60_000)
    expect(await verdictOf(id, "failing")).toMatchObject({ verdict: "delivered", reason: null })
    expect(await verdictOf(id, "refusing")).toMatchObject({ verdict: "failed", reason: "exhausted" })
  })

  it("tell who asked for the type too late from who never did", async () => {
    await make("hook", { eventTypes: ["b"] })
    const id = await send()
    expect(await verdictOf(id, "hook")).toMatchObject({ verdict: "no-delivery", reason: "not-subscribed" })
    world.clock.advance(1)
    await svix.endpoint.patch("acme", "hook", { eventTypes: ["a", "b"] })
    expect(await verdictOf(id, "hook")).toMatchObject({ verdict: "no-delivery", reason: "subscribed-later" })
  })

  it("do not blame a filter or a switch that has changed since", async () => {
    await make("filtered", { channels: ["x"] })
    await make("off", { disabled: true })
    const id = await send({ channels: ["y"] })
    world.clock.advance(1)
    await svix.endpoint.patch("acme", "filtered", { channels: null })
    await svix.endpoint.patch("acme", "off", { disabled: false })
    expect((await listOf(id)).data.map(({ reason }) => reason)).toEqual(["changed-since", "changed-since"])
    // Disabled now, which is not why it missed the message.
    await svix.endpoint.patch("acme", "filtered", { disabled: true })
    expect(await verdictOf(id, "filtered")).toMatchObject({ verdict: "no-delivery", reason: "changed-since" })
  })

  it("say of a message for one endpoint that it was for that one alone", async () => {
    await make("one")
    await make("two")
    const { id } = await svix.endpoint.sendExample("acme", "one", { eventType: "svix.ping" })
    await world.runDue()
    expect((await listOf(id)).data.map(({ verdict, reason }) => [verdict, reason])).toEqual([
      ["delivered", null],
      ["no-delivery", "directed-elsewhere"],
    ])
  })

  it("say that a message is still to be dispatched", async () => {
    await make("hook")
    await make("other", { eventTypes: ["b"] })
    const { id } = await svix.message.create("acme", { eventType: "a", payload: {} })
    expect((await listOf(id)).data.map(({ verdict, reason }) => [verdict, reason])).toEqual([
      ["pending", "undispatched"],
      ["no-delivery", "not-subscribed"],
    ])
  })

  it("say that dispatching was given up", async () => {
    await make("hook")
    const { id } = await svix.message.create("acme", { eventType: "a", payload: {} })
    await customersDB.prepare("UPDATE events SET dispatched_at = created_at, failure = 'internal'").run()
    expect(await verdictOf(id, "hook")).toMatchObject({ verdict: "failed", reason: "internal" })
  })

  it("include endpoints deleted since, and none that were gone before", async () => {
    await make("before")
    await svix.endpoint.delete("acme", "before")
    world.clock.advance(1)
    const taken = await make("taken")
    const idle = await make("idle", { eventTypes: ["b"] })
    const id = await send()
    world.clock.advance(1)
    for (const uid of ["taken", "idle"]) await svix.endpoint.delete("acme", uid)
    expect(
      (await listOf(id)).data.map(({ endpointId, verdict, reason }) => [endpointId, verdict, reason]),
    ).toEqual([
      [taken.id, "delivered", null],
      [idle.id, "no-delivery", "removed"],
    ])
  })

  it("explain why a delivery was canceled or ended", async () => {
    await make("left")
    await make("off")
    world.receivers.at("http://left.example/", 500)
    world.receivers.at("http://off.example/", 500)
    const id = await send()
    await svix.endpoint.patch("acme", "left", { eventTypes: ["b"] })
    await svix.endpoint.patch("acme", "off", { disabled: true })
    await world.runAllWithSweeps(5 * 60_000)
    expect((await listOf(id)).data.map(({ verdict, reason }) => [verdict, reason])).toEqual([
      ["canceled", "unsubscribed"],
      ["failed", "disabled"],
    ])
  })

  it("come by pages, in both directions", async () => {
    for (const uid of ["e1", "e2", "e3"]) await make(uid)
    const id = await send()
    const uids = ({ data }: List<Verdict>) => data.map(({ endpointUid }) => endpointUid)
    const first = await listOf(id, "?limit=2")
    expect([uids(first), first.done]).toEqual([["e1", "e2"], false])
    const second = await listOf(id, `?limit=2&iterator=${first.iterator}`)
    expect([uids(second), second.done]).toEqual([["e3"], true])
    expect(uids(await listOf(id, `?limit=2&iterator=${second.prevIterator}`))).toEqual(["e1", "e2"])
  })

  it("read a bounded number of rows of an application with 10,000 endpoints", async () => {
    // A shard copies the application when it is first needed.
    await make("first")
    const { id: applicationId } = await svix.application.get("acme")
    await customersDB
      .prepare(
        `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 10000)
         INSERT INTO endpoints (id, application_id, url, created_at, updated_at, enabled_at, all_event_types_since)
         SELECT 'ep_' || printf('%08d', i), ?, 'http://receiver.example/' || i, 1, 1, 1, 1 FROM c`,
      )
      .bind(applicationId)
      .run()
    const { id } = await svix.message.create("acme", { eventType: "a", payload: {} })
    let read = 0
    world.probe.onTrip = (trip) => {
      for (const { rowsRead } of trip) read += rowsRead
    }
    expect((await listOf(id)).data).toHaveLength(50)
    // At most 2,000 keys are looked at, twice: for the page, and for where it goes on.
    expect(read).toBeLessThan(4_700)
    read = 0
    expect((await dryRun({ eventType: "a", payload: {} })).data).toHaveLength(50)
    expect(read).toBeLessThan(4_700)
  })

  it("are refused for a message that is not there, and under another application's name", async () => {
    await svix.application.create({ name: "Other", uid: "other" })
    const id = await send()
    for (const path of [`/api/v1/app/acme/msg/evt_none/verdict`, `/api/v1/app/other/msg/${id}/verdict`]) {
      expect((await callApi(world, path)).status).toBe(404)
    }
  })

  it("are for the application's own token, and a dry run is not", async () => {
    await make("hook")
    const id = await send()
    await svix.application.create({ name: "Other", uid: "other" })
    const { token } = await svix.authentication.appPortalAccess("acme", {})
    const other = await svix.authentication.appPortalAccess("other", {})
    const as = (bearer: string) => ({ headers: { authorization: `Bearer ${bearer}` } })
    const path = `/api/v1/app/acme/msg/${id}/verdict`
    expect((await callApi(world, path, as(token))).status).toBe(200)
    expect((await callApi(world, path, as(other.token))).status).toBe(403)
    const json = { eventType: "a", payload: {} }
    expect((await callApi(world, "/api/v1/app/acme/msg/dry-run", { json, ...as(token) })).status).toBe(403)
  })
})

describe("a dry run", () => {
  it("says who would get the message and who would not and why, and writes and sends nothing", async () => {
    await make("one")
    await make("typed", { eventTypes: ["a"] })
    await make("other-type", { eventTypes: ["b"] })
    await make("other-channel", { channels: ["x"] })
    await make("off", { disabled: true })
    await make("gone")
    await svix.endpoint.delete("acme", "gone")
    await world.runAll()
    const before = await world.everything()
    const message = { eventType: "a", channels: ["y"], eventId: "mine", payload: {} }
    const { data, refusal } = await dryRun(message)
    expect(refusal).toBe(null)
    expect(data.map(({ endpointUid, gets, reason }) => [endpointUid, gets, reason])).toEqual([
      ["one", true, null],
      ["typed", true, null],
      ["other-type", false, "not-subscribed"],
      ["other-channel", false, "channel-mismatch"],
      ["off", false, "disabled"],
    ])
    for (const { explanation } of data) expect(explanation).toMatch(/^[A-Z].{15,}\.$/)
    await world.runAll()
    expect(await world.everything()).toBe(before)
    expect(world.receivers.received).toEqual([])

    // What it says is what happens.
    await svix.message.create("acme", message)
    await world.runAll()
    expect(world.receivers.received.map(({ url }) => url).sort()).toEqual([
      "http://one.example/",
      "http://typed.example/",
    ])
  })

  it("comes by pages", async () => {
    for (const uid of ["e1", "e2", "e3"]) await make(uid)
    const message = { eventType: "a", payload: {} }
    const first = await dryRun(message, "?limit=2")
    expect([first.data.length, first.done]).toEqual([2, false])
    const second = await dryRun(message, `?limit=2&iterator=${first.iterator}`)
    expect([second.data.map(({ endpointUid }) => endpointUid), second.done]).toEqual([["e3"], true])
  })

  it("takes a type that is still to be made, and makes none", async () => {
    await make("all")
    await make("typed", { eventTypes: ["a"] })
    const { data, refusal } = await dryRun({ eventType: "brand.new", payload: {} })
    expect([refusal, data.map(({ gets, reason }) => [gets, reason])]).toEqual([
      null,
      [
        [true, null],
        [false, "not-subscribed"],
      ],
    ])
    expect((await callApi(world, "/api/v1/event-type/brand.new")).status).toBe(404)
  })

  it.each([
    ["a payload that its type's schema does not take", { eventType: "strict", payload: { n: "one" } }],
    ["an archived type", { eventType: "old", payload: {} }],
    ["a type of a name that may not be made", { eventType: "-dash", payload: {} }],
    ["an eventId that is taken", { eventType: "a", eventId: "taken", payload: {} }],
    ["a payload that is too large", { eventType: "a", payload: { text: "x".repeat(256 * 1024) } }],
  ])("says how %s would be refused, as sending it is, and who would get it", async (_, message) => {
    const schema = { type: "object", properties: { n: { type: "number" } } }
    const strict = { name: "strict", description: "", schemas: { "1": schema }, enforceSchema: true }
    await callApi(world, "/api/v1/event-type", { json: strict })
    await svix.eventType.create({ name: "old", description: "" })
    await svix.eventType.delete("old")
    await svix.message.create("acme", { eventType: "a", eventId: "taken", payload: {} })
    await make("hook")
    const { refusal, data } = await dryRun(message)
    expect(data.map(({ gets }) => gets)).toEqual([true])
    const sent = await callApi(world, "/api/v1/app/acme/msg", { json: message })
    const body = await sent.json<{ code?: string; detail: string | { msg: string; type: string }[] }>()
    const [place] = Array.isArray(body.detail) ? body.detail : []
    expect(refusal).toEqual({
      status: sent.status,
      code: place?.type ?? body.code,
      detail: place?.msg ?? body.detail,
    })
    expect(sent.status).toBeGreaterThanOrEqual(400)
  })

  it("says that a full database would refuse it", async () => {
    for (const db of world.deps.shards) db.sizeBytes = () => world.config.databaseLimitBytes * 0.96
    const { refusal } = await dryRun({ eventType: "a", payload: {} })
    expect(refusal).toMatchObject({ status: 507, code: "storage_full" })
  })

  it.each([
    ["without an event type", { payload: {} }],
    ["with a channel that is none", { eventType: "a", payload: {}, channels: ["a b"] }],
    ["with what is not supported", { eventType: "a", payload: {}, deliverAt: "2030-01-01T00:00:00Z" }],
  ])("of a body %s is refused as sending it is", async (_, json) => {
    const [rehearsed, sent] = [
      await callApi(world, "/api/v1/app/acme/msg/dry-run", { json }),
      await callApi(world, "/api/v1/app/acme/msg", { json }),
    ]
    expect(rehearsed.status).toBe(422)
    expect(await rehearsed.json()).toEqual(await sent.json())
  })

  it("takes an application along, as sending does, and makes none", async () => {
    const json = { eventType: "a", payload: {} }
    const path = "/api/v1/app/newcomer/msg/dry-run"
    expect((await callApi(world, path, { json })).status).toBe(404)
    const along = { ...json, application: { name: "Newcomer", uid: "newcomer" } }
    const answer = await callApi(world, path, { json: along })
    expect([answer.status, await answer.json()]).toMatchObject([200, { data: [], done: true, refusal: null }])
    expect((await callApi(world, "/api/v1/app/newcomer")).status).toBe(404)
  })

  it("of a message to a built-in application goes by that application's own types", async () => {
    await world.fetch("/webhook", { json: { event: "user_registered", url: HOOK } })
    const path = "/api/v1/app/users/msg/dry-run"
    const answer = await callApi(world, path, { json: { eventType: "user_registered", payload: {} } })
    expect(await answer.json()).toMatchObject({ data: [{ url: HOOK, gets: true }], refusal: null })
  })
})
