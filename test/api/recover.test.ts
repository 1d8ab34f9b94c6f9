import { describe, expect, it } from "vitest"

import { newId } from "../../src/db/ids.ts"
import { exampleOf } from "../../src/engine/event-types/example.ts"
import { flawOf, misfit, newestSchema } from "../../src/engine/event-types/schema.ts"
import { RECOVER_STEP } from "../../src/engine/tasks/recover.ts"
import { consume } from "../../src/queue.ts"
import { batchOf, createWorld, type World } from "../support/world.ts"
import { refusalOf } from "./refusal.ts"
import { callApi, svixFor } from "./svix.ts"

const HOOK = "http://receiver.example/hook"
const OTHER = "http://other.example/hook"
const DAY_MS = 24 * 3600 * 1000
const MINUTE_MS = 60_000
const LEASE_MS = 61_000

async function worldWithEndpoint(settings: Record<string, string> = { RETRY_SCHEDULE: "1" }) {
  const world = await createWorld(settings)
  const svix = svixFor(world)
  const app = await svix.application.create({ name: "Acme", uid: "acme" })
  const endpoint = await svix.endpoint.create("acme", { url: HOOK, uid: "ep" })
  await world.runDue()
  const send = (eventId: string, eventType = "t") =>
    svix.message.create("acme", { eventType, eventId, payload: { eventId } })
  /** Sends a message that fails for good. */
  async function miss(eventId: string) {
    world.receivers.at(HOOK, 500)
    await send(eventId)
    await world.runAllWithSweeps(10 * MINUTE_MS)
  }
  const ago = (ms: number) => new Date(world.clock.now() - ms)
  return { world, svix, app, endpoint, send, miss, ago }
}

/** An endpoint that lost one message for good, and is left alone for minutes while another one is due. */
async function pausedWorld() {
  const life = await worldWithEndpoint({ RETRY_SCHEDULE: "1" })
  const { world, miss, send } = life
  await miss("lost")
  world.clock.advance(DAY_MS)
  world.receivers.at(HOOK, () => new Response(null, { status: 503, headers: { "retry-after": "1" } }))
  await send("held")
  await world.runDue()
  await world.customersDB
    .prepare(`UPDATE deliveries SET next_attempt_at = ?1 WHERE status = 'pending'`)
    .bind(world.clock.now())
    .run()
  const state = await world.customersDB.prepare("SELECT paused_until FROM endpoints").first<{
    paused_until: number
  }>()
  expect(state?.paused_until).toBe(world.clock.now() + 5 * MINUTE_MS)
  world.queued.length = 0
  await world.runDue()
  return life
}

const codeOf = async (promise: Promise<unknown>) =>
  promise.then(
    () => 0,
    (error: { code?: number }) => error.code,
  )

/** Failed deliveries of the endpoint, straight into D1, all of one millisecond. */
async function makeFailed(world: World, applicationId: string, endpointId: string, count: number) {
  const now = world.clock.now()
  const { customersDB: DB } = world
  const prefix = newId("event", now).slice(0, -6)
  await DB.batch([
    DB.prepare(
      `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ?1)
       INSERT INTO events (id, application_id, event_type_id, event_type, created_at, dispatched_at, payload)
       SELECT ?2 || printf('%06d', i), ?3, 'ety_t', 't', ?4, ?4, '{}' FROM c`,
    ).bind(count, prefix, applicationId, now),
    DB.prepare(
      `INSERT INTO deliveries (event_id, endpoint_id, application_id, status, reason, attempts, created_at, ended_at,
         attempt_id)
       SELECT id, ?1, application_id, 'failed', 'exhausted', 2, ?2, ?2, 'att' || substr(id, 4) FROM events WHERE id LIKE ?3`,
    ).bind(endpointId, now, `${prefix}%`),
  ])
}

const countOf = (world: World, status: string) =>
  world.customersDB
    .prepare("SELECT count(*) AS n FROM deliveries WHERE status = ?")
    .bind(status)
    .first<number>("n")

describe("recovering an endpoint", () => {
  it("sends again what has failed of that time, and nothing else", async () => {
    const { world, svix, miss, send, ago } = await worldWithEndpoint()
    await miss("too-early")
    world.clock.advance(DAY_MS)
    const since = ago(0)
    await miss("missed-1")
    await miss("missed-2")
    world.receivers.at(HOOK, 200)
    await send("got")
    await world.runAllWithSweeps(10 * MINUTE_MS)
    const until = ago(0)
    world.clock.advance(1)
    await miss("too-late")
    const before = world.receivers.to(HOOK).length
    world.receivers.at(HOOK, 200)
    const task = await svix.endpoint.recover("acme", "ep", { since, until })
    expect(task).toMatchObject({ status: "running", task: "endpoint.recover" })
    expect(task.updatedAt.getTime()).toBe(world.clock.now())
    // What failed last has the endpoint left alone for a while.
    await world.runAllWithSweeps(5 * MINUTE_MS)
    const again = world.receivers
      .to(HOOK)
      .slice(before)
      .map(({ json }) => json)
    expect(again).toHaveLength(2)
    expect(again).toEqual(expect.arrayContaining([{ eventId: "missed-1" }, { eventId: "missed-2" }]))
    expect(await svix.endpoint.getStats("acme", "ep")).toMatchObject({ success: 3, fail: 2, pending: 0 })
    const row = await world.customersDB.prepare("SELECT id, status, processed FROM tasks").first()
    expect(row).toEqual({ id: task.id, status: "finished", processed: 2 })
  })

  it.each<[string, (life: Awaited<ReturnType<typeof pausedWorld>>) => Promise<unknown>, string[]]>([
    [
      "a recovery",
      ({ svix, ago }) => svix.endpoint.recover("acme", "ep", { since: ago(2 * DAY_MS) }),
      ["lost", "held"],
    ],
    ["a resend that arrives", ({ svix }) => svix.messageAttempt.resend("acme", "lost", "ep"), ["held"]],
    [
      "enabling it",
      async ({ svix, world }) => {
        // As if it had been disabled in the midst of its pause.
        await world.customersDB
          .prepare("UPDATE endpoints SET disabled_at = 1, disabled_reason = 'failing'")
          .run()
        await svix.endpoint.patch("acme", "ep", { disabled: false })
      },
      ["held"],
    ],
  ])(
    "ends the pause of an endpoint, and sends what it waits for without the sweep: %s",
    async (_, say, ids) => {
      const life = await pausedWorld()
      const { world } = life
      const before = world.receivers.to(HOOK).length
      world.receivers.at(HOOK, 200)
      await say(life)
      await world.runDue()
      const arrived = world.receivers.to(HOOK).slice(before)
      expect(arrived.map(({ json }) => (json as { eventId: string }).eventId)).toEqual(
        expect.arrayContaining(ids),
      )
      const row = await world.customersDB.prepare("SELECT paused_until, gone_at FROM endpoints").first()
      expect(row).toEqual({ paused_until: null, gone_at: null })
    },
  )

  it("keeps to the endpoint's rate, whatever pause it ends", async () => {
    const { world, svix, ago } = await pausedWorld()
    await svix.endpoint.patch("acme", "ep", { throttleRate: 2 })
    const usedUntil = world.clock.now() + 3_000
    await world.customersDB.prepare("UPDATE endpoints SET throttled_until = ?").bind(usedUntil).run()
    await svix.endpoint.recover("acme", "ep", { since: ago(DAY_MS) })
    await world.runDue()
    const row = await world.customersDB.prepare("SELECT paused_until, due_at FROM endpoints").first()
    expect(row).toEqual({ paused_until: null, due_at: usedUntil })
  })

  it("books the drain for when the endpoint's rate lets it begin, not for the sweep", async () => {
    const { world, svix, miss, ago } = await worldWithEndpoint()
    await miss("missed")
    await world.customersDB
      .prepare("UPDATE endpoints SET paused_until = ?1, throttled_until = ?2, throttle_rate = 2")
      .bind(world.clock.now() + 5 * MINUTE_MS, world.clock.now() + 3_000)
      .run()
    world.receivers.at(HOOK, 200)
    const before = world.receivers.to(HOOK).length
    await svix.endpoint.recover("acme", "ep", { since: ago(DAY_MS) })
    // Queues count in whole seconds, and a drain is never early.
    await world.runAll(4_000)
    expect(world.receivers.to(HOOK).length).toBe(before + 1)
  })

  it("goes up to now by default, and gives each a fresh schedule", async () => {
    const { world, svix, miss, ago } = await worldWithEndpoint({ RETRY_SCHEDULE: "1,2" })
    await miss("m1")
    const before = world.receivers.to(HOOK).length
    await svix.endpoint.recover("acme", "ep", { since: ago(DAY_MS) })
    await world.runAllWithSweeps(5 * MINUTE_MS)
    expect(world.receivers.to(HOOK)).toHaveLength(before + 3)
  })

  it("leaves alone what has no payload any more, and other endpoints", async () => {
    const { world, svix, miss, ago } = await worldWithEndpoint()
    await svix.endpoint.create("acme", { url: OTHER })
    world.receivers.at(OTHER, 500)
    await miss("m1")
    await miss("m2")
    await svix.message.expungeContent("acme", "m1")
    world.receivers.at(HOOK, 200)
    const [mine, others] = [world.receivers.to(HOOK).length, world.receivers.to(OTHER).length]
    await svix.endpoint.recover("acme", "ep", { since: ago(DAY_MS) })
    await world.runAllWithSweeps(2 * MINUTE_MS)
    expect(world.receivers.to(HOOK)).toHaveLength(mine + 1)
    expect(world.receivers.to(OTHER)).toHaveLength(others)
  })

  it("is refused with 422 for more than 14 days or the wrong order, 409 while disabled, 404 for none", async () => {
    const { world, svix, ago } = await worldWithEndpoint()
    const recover = (since: Date, until?: Date) =>
      codeOf(svix.endpoint.recover("acme", "ep", until ? { since, until } : { since }))
    expect(await recover(ago(14 * DAY_MS))).toBe(0)
    expect(await recover(ago(15 * DAY_MS))).toBe(422)
    expect(await recover(ago(20 * DAY_MS), ago(10 * DAY_MS))).toBe(0)
    expect(await recover(ago(0), ago(DAY_MS))).toBe(422)
    expect(await codeOf(svix.endpoint.recover("acme", "none", { since: ago(0) }))).toBe(404)
    await svix.endpoint.patch("acme", "ep", { disabled: true })
    expect(await recover(ago(DAY_MS))).toBe(409)
    const bad = await callApi(world, "/api/v1/app/acme/endpoint/ep/recover", { json: { since: "yesterday" } })
    expect(bad.status).toBe(422)
  })

  it("goes in steps of a bounded number of rows, and finishes what many steps take", async () => {
    const { world, svix, app, endpoint, ago } = await worldWithEndpoint()
    await makeFailed(world, app.id, endpoint.id, 2 * RECOVER_STEP + 500)
    await svix.endpoint.recover("acme", "ep", { since: ago(DAY_MS) })
    const [job] = world.queued.splice(0)
    if (!job) throw new Error("no job was sent")
    await world.run([job])
    expect(await countOf(world, "pending")).toBe(2 * RECOVER_STEP + 500)
    const row = await world.customersDB.prepare("SELECT status, processed FROM tasks").first()
    expect(row).toEqual({ status: "finished", processed: 2 * RECOVER_STEP + 500 })
    expect(world.queued.map(({ job }) => job.kind)).toContain("drain")
  })

  it("survives the death of its consumer in the midst of it: each delivery is made due once", async () => {
    const { world, svix, app, endpoint, ago } = await worldWithEndpoint()
    await makeFailed(world, app.id, endpoint.id, 2 * RECOVER_STEP + 500)
    await svix.endpoint.recover("acme", "ep", { since: ago(DAY_MS) })
    const jobs = world.queued.splice(0)
    // The process dies behind its first step: D1 answers it no more.
    let steps = 0
    world.probe.before = (statements) => {
      if (statements.some((text) => text.includes("UPDATE tasks AS t")) && steps++ > 0)
        throw new Error("the process is dead")
    }
    const batch = batchOf(jobs)
    await consume(batch, world.deps)
    world.probe.before = null
    expect(await countOf(world, "pending")).toBe(RECOVER_STEP)
    // Recovered ones that are delivered meanwhile are not recovered again.
    await world.customersDB
      .prepare("UPDATE deliveries SET status = 'delivered' WHERE status = 'pending'")
      .run()
    await world.cron()
    expect(world.queued.some(({ job }) => job.kind === "task")).toBe(false)
    world.clock.advance(LEASE_MS)
    await world.cron()
    const recoveries = world.queued.filter(({ job }) => job.kind === "task")
    expect(recoveries).toHaveLength(1)
    await world.run(recoveries)
    expect(await countOf(world, "pending")).toBe(RECOVER_STEP + 500)
    const row = await world.customersDB.prepare("SELECT status, processed FROM tasks").first()
    expect(row).toEqual({ status: "finished", processed: 2 * RECOVER_STEP + 500 })
  })

  it("does a step once although D1 loses its answer", async () => {
    const { world, svix, app, endpoint, ago } = await worldWithEndpoint()
    await makeFailed(world, app.id, endpoint.id, RECOVER_STEP + 10)
    await svix.endpoint.recover("acme", "ep", { since: ago(DAY_MS) })
    let faults = 1
    world.probe.after = (statements) => {
      if (statements.some((text) => text.includes("UPDATE tasks AS t")) && faults-- > 0)
        throw new Error("D1_ERROR: Network connection lost.")
    }
    await world.run(world.queued.splice(0))
    const row = await world.customersDB.prepare("SELECT status, processed FROM tasks").first()
    expect(row).toEqual({ status: "finished", processed: RECOVER_STEP + 10 })
  })

  it("is found by the sweep when its job is lost, and worked by it when the queue refuses", async () => {
    const { world, svix, miss, ago } = await worldWithEndpoint()
    await miss("m1")
    world.queueRefuses = true
    await svix.endpoint.recover("acme", "ep", { since: ago(DAY_MS) })
    await world.cron()
    expect(await countOf(world, "failed")).toBe(0)
    world.queueRefuses = false
    world.receivers.at(HOOK, 200)
    await world.runAllWithSweeps(5 * MINUTE_MS)
    expect(await countOf(world, "delivered")).toBe(1)
    await miss("m2")
    await svix.endpoint.recover("acme", "ep", { since: ago(DAY_MS) })
    world.queued.length = 0
    world.receivers.at(HOOK, 200)
    await world.runAllWithSweeps(5 * MINUTE_MS)
    expect(await countOf(world, "delivered")).toBe(2)
  })

  it("is one task for two jobs at once, and for the same Idempotency-Key twice", async () => {
    const { world, svix, miss, ago } = await worldWithEndpoint()
    await miss("m1")
    const since = ago(DAY_MS)
    const ask = () => svix.endpoint.recover("acme", "ep", { since }, { idempotencyKey: "once" })
    const first = await ask()
    expect(await ask()).toEqual(first)
    const jobs = world.queued.splice(0)
    expect(jobs).toHaveLength(1)
    await Promise.all([consume(batchOf(jobs), world.deps), consume(batchOf(jobs), world.deps)])
    const rows = await world.customersDB.prepare("SELECT status, processed FROM tasks").all()
    expect(rows.results).toEqual([{ status: "finished", processed: 1 }])
  })
})

describe("an endpoint's stats", () => {
  it("count its messages by how far they are, in the time asked for", async () => {
    const { world, svix, send, miss, ago } = await worldWithEndpoint({ RETRY_SCHEDULE: "1" })
    await miss("failed")
    world.clock.advance(DAY_MS)
    world.receivers.at(HOOK, 200)
    await send("delivered")
    await world.runAllWithSweeps(10 * MINUTE_MS)
    world.receivers.at(HOOK, 500)
    await send("retried")
    await world.runDue()
    expect(await svix.endpoint.getStats("acme", "ep")).toEqual({
      success: 1,
      pending: 0,
      fail: 1,
      sending: 1,
      canceled: 0,
    })
    expect(await svix.endpoint.getStats("acme", "ep", { since: ago(MINUTE_MS) })).toMatchObject({
      success: 0,
      sending: 1,
      fail: 0,
    })
    expect(await svix.endpoint.getStats("acme", "ep", { until: ago(DAY_MS) })).toMatchObject({
      success: 0,
      sending: 0,
      fail: 1,
    })
  })

  it("are refused with 400 for more than 28 days or the future, with 404 for no endpoint", async () => {
    const { svix, ago } = await worldWithEndpoint()
    const stats = (since: Date | null, until: Date | null = null) =>
      codeOf(svix.endpoint.getStats("acme", "ep", { since, until }))
    expect(await stats(ago(28 * DAY_MS))).toBe(0)
    expect(await refusalOf(svix.endpoint.getStats("acme", "ep", { since: ago(29 * DAY_MS) }))).toEqual({
      status: 400,
      body: { code: "invalid_range", detail: expect.stringContaining("28 days") },
    })
    expect(await refusalOf(svix.endpoint.getStats("acme", "ep", { until: ago(-DAY_MS) }))).toEqual({
      status: 400,
      body: { code: "invalid_range", detail: expect.stringContaining("future") },
    })
    expect(await codeOf(svix.endpoint.getStats("acme", "none"))).toBe(404)
  })
})

describe("sending an example", () => {
  it("of `svix.ping` needs no event type, and goes to that endpoint alone", async () => {
    const { world, svix } = await worldWithEndpoint()
    await svix.endpoint.create("acme", { url: OTHER })
    const message = await svix.endpoint.sendExample("acme", "ep", { eventType: "svix.ping" })
    expect(message).toMatchObject({ eventType: "svix.ping", payload: { success: true } })
    await world.runDue()
    expect(world.receivers.received.map(({ url, json }) => ({ url, json }))).toEqual([
      { url: HOOK, json: { success: true } },
    ])
    expect((await svix.message.list("acme")).data.map(({ id }) => id)).toEqual([message.id])
    expect(await codeOf(svix.eventType.get("svix.ping"))).toBe(404)
  })

  it("is made from the newest schema, whatever the endpoint's event types and channels are", async () => {
    const { world, svix } = await worldWithEndpoint()
    await svix.eventType.create({
      name: "user.signup",
      description: "",
      schemas: {
        1: { type: "object", examples: [{ old: true }] },
        10: { type: "object", examples: [{ id: 7 }] },
      },
    })
    await svix.eventType.create({ name: "other", description: "" })
    await svix.endpoint.create("acme", { url: OTHER, uid: "picky", eventTypes: ["other"], channels: ["x"] })
    await svix.endpoint.sendExample("acme", "picky", { eventType: "user.signup" })
    await world.runDue()
    expect(world.receivers.to(OTHER).map(({ json }) => json)).toEqual([{ id: 7 }])
    expect(world.receivers.to(HOOK)).toEqual([])
  })

  it("can be looked at first, and sent with changes to that endpoint alone", async () => {
    const { world, svix } = await worldWithEndpoint()
    await svix.endpoint.create("acme", { url: OTHER })
    const schemas = { 1: { type: "object", properties: { id: { type: "integer" } } } }
    await svix.eventType.create({
      name: "user.signup",
      description: "",
      schemas,
      enforceSchema: true,
    } as never)
    await svix.eventType.create({ name: "bare", description: "" })
    const exampleOf = async (type: string) => {
      const answer = await callApi(world, `/api/v1/app/acme/event-example/${type}`)
      return [answer.status, (await answer.json<{ payload?: unknown }>()).payload]
    }
    expect(await exampleOf("user.signup")).toEqual([200, { id: 0 }])
    expect(await exampleOf("bare")).toEqual([200, {}])
    expect(await exampleOf("svix.ping")).toEqual([200, { success: true }])
    expect(await exampleOf("unknown")).toEqual([404, undefined])
    const sent = [{ id: "not a number" }, { id: 8 }]
    for (const payload of sent) {
      const json = { eventType: "user.signup", payload }
      const path = "/api/v1/app/acme/endpoint/ep/send-example"
      expect((await callApi(world, path, { method: "POST", json })).status).toBe(200)
      await world.runDue()
    }
    expect(world.receivers.to(HOOK).map(({ json }) => json)).toEqual(sent)
    expect(world.receivers.to(OTHER)).toEqual([])
  })

  it("is refused with 404, 422 or 409 where there is nothing to send or nobody to send it to", async () => {
    const { world, svix } = await worldWithEndpoint()
    await svix.eventType.create({ name: "bare", description: "" })
    await svix.eventType.create({ name: "old", description: "", schemas: { 1: { type: "object" } } })
    await svix.eventType.delete("old")
    const example = (eventType: string, endpoint = "ep") =>
      codeOf(svix.endpoint.sendExample("acme", endpoint, { eventType }))
    expect(await example("unknown")).toBe(404)
    expect(await example("bare")).toBe(422)
    expect(await example("old")).toBe(422)
    expect(await example("svix.ping", "none")).toBe(404)
    await svix.endpoint.patch("acme", "ep", { disabled: true })
    expect(await example("svix.ping")).toBe(409)
    await world.runDue()
    expect(world.receivers.received).toEqual([])
  })
})

describe("the example of a schema", () => {
  it.each<[string, Record<string, unknown>, unknown]>([
    ["its first example", { type: "object", examples: [{ a: 1 }, { a: 2 }], default: {} }, { a: 1 }],
    ["its example", { type: "object", example: { b: 1 } }, { b: 1 }],
    ["its default", { type: "object", default: { c: 1 } }, { c: 1 }],
    [
      "else the smallest thing of its shape",
      {
        type: "object",
        properties: {
          text: { type: "string", minLength: 8 },
          mail: { type: "string", format: "email" },
          whole: { type: "integer", minimum: 3 },
          flag: { type: "boolean" },
          none: { type: "null" },
          kind: { enum: ["x", "y"] },
          list: { type: "array", items: { type: "number" }, minItems: 2 },
          maybe: { type: ["string", "null"], maxLength: 3 },
          either: { anyOf: [{ const: 5 }, { type: "string" }] },
          place: { $ref: "#/$defs/place" },
          all: { allOf: [{ properties: { a: { const: 1 } } }, { properties: { b: { const: 2 } } }] },
          unknown: {},
        },
        $defs: { place: { properties: { city: { default: "Oslo" } } } },
      },
      {
        text: "stringxx",
        mail: "name@example.com",
        whole: 3,
        flag: true,
        none: null,
        kind: "x",
        list: [0, 0],
        maybe: "str",
        either: 5,
        place: { city: "Oslo" },
        all: { a: 1, b: 2 },
      },
    ],
    ["nothing, if it describes nothing", {}, undefined],
  ])("is %s", (_, schema, example) => {
    expect(exampleOf(schema)).toEqual(example)
  })

  it("of a shape that contains itself comes to an end", () => {
    const tree = { type: "object", properties: { name: { const: "n" }, child: { $ref: "#" } } }
    expect(exampleOf(tree)).toMatchObject({ name: "n", child: { name: "n" } })
    expect(exampleOf({ $ref: "#" })).toBeUndefined()
  })
})

describe("a schema", () => {
  it("that refers to what is not there, or to itself without end, stops nothing: none is written any more", () => {
    for (const schema of [{ $ref: "#/$defs/none" }, { $ref: "#" }]) {
      expect(misfit(schema, {})).toBeNull()
      expect(flawOf(schema)).not.toBeNull()
    }
  })

  it("names what does not fit", () => {
    const schema = {
      type: "object",
      properties: { a: { type: "object", properties: { b: { type: "string" } } } },
    }
    expect(misfit(schema, { a: { b: "x" } })).toBeNull()
    expect(misfit(schema, { a: { b: 1 } })).toContain("#/a/b")
  })

  it("is the newest by its number", () => {
    expect(newestSchema({ 2: { title: "two" }, 10: { title: "ten" }, 1: { title: "one" } })).toEqual({
      title: "ten",
    })
    expect(newestSchema({})).toBeNull()
    expect(newestSchema(null)).toBeNull()
  })
})
