import { describe, expect, it, vi } from "vitest"

import { newId } from "../../src/db/ids.ts"
import { STATEMENTS_PER_INVOCATION } from "../../src/engine/pipeline/budget.ts"
import { FANOUT_STEP } from "../../src/engine/pipeline/interest.ts"
import { STEP_MS, startConsumers } from "../support/consumers.ts"
import { makeDue, makeEndpoints, registerUser } from "../support/make.ts"
import type { Answer } from "../support/receiver.ts"
import { shards } from "../support/shards.ts"
import { createWorld, type Queued, type World } from "../support/world.ts"

// Whatever has piled up: an invocation does what it may, jobs stay few, and somebody else's fresh events do not wait.

// Tens of thousands of deliveries take a while on a machine that has other things to do.
vi.setConfig({ testTimeout: 120_000 })

const SECOND_MS = 1_000
const MINUTE_MS = 60_000
const BACKLOG = "http://backlog.example/hook"
const NEIGHBOUR = "http://neighbour.example/hook"
/** Below what a consumer can dispatch in a step. */
const PER_STEP = 20
/** Drains at one time that are under way, or wait for a consumer. */
const JOBS = 8
/** A due delivery, and its entries in indexes. */
const ROWS_PER_CANDIDATE = 3
/** What a neighbour's event waits for at worst: a batch that meets a straggler, and those that have come meanwhile. */
const PROMPT_MS = 3_000

describe("an event with 10,000 endpoints", () => {
  it("gets to all of them within every bound, and lets a neighbour's fresh ones pass", async () => {
    const world = await createWorld()
    await makeEndpoints(world, 10_000)
    await registerUser(world, "ada")
    await expectBounded(world, 30)
    expect(await count(world, "status = 'delivered' AND application_id = 'app_users'")).toBe(10_000)
  })
})

describe("10,000 events to one endpoint", () => {
  const KNOWN = "UPDATE endpoints SET proven_at = 1"
  const inASecond = ({ clock }: World): Answer => {
    return () => new Promise((resolve) => clock.after(SECOND_MS, () => resolve(200)))
  }
  it.each<[string, (world: World) => Answer, string | null]>([
    ["that is well", () => 200, null],
    ["that takes a second to answer", inASecond, null],
    ["that takes a second to answer all at once", inASecond, KNOWN],
    ["that is dead", () => 500, null],
    ["that hangs", () => "hang", null],
    ["that hangs all at once", () => "hang", KNOWN],
  ])(
    "%s, nearly as many as can be dispatched, stay within every bound and let a neighbour's pass",
    async (_what, answer, before) => {
      const world = await createWorld()
      await makeEndpoints(world, 1, () => BACKLOG)
      if (before) await world.env.DB.prepare(before).run()
      world.receivers.at(BACKLOG, answer(world))
      const jobs = await makeUndispatched(world, 10_000, world.clock.now())
      await expectBounded(world, 60, () => send(world, jobs.splice(0, PER_STEP)))
      expect(jobs).toEqual([])
      await expect(
        world.env.DB.prepare("SELECT 1 FROM events WHERE dispatched_at IS NULL").first(),
      ).resolves.toBeNull()
    },
  )

  it("that has a rate keep to it, and let a neighbour's pass", async () => {
    const world = await createWorld()
    await makeEndpoints(world, 1, () => BACKLOG)
    await world.env.DB.prepare("UPDATE endpoints SET throttle_rate = 10").run()
    const jobs = await makeUndispatched(world, 10_000, world.clock.now())
    await expectBounded(world, 60, () => send(world, jobs.splice(0, PER_STEP)))
    expect(world.receivers.to(BACKLOG).length).toBeGreaterThanOrEqual(570)
    expect(world.receivers.to(BACKLOG).length).toBeLessThanOrEqual(630)
  })

  it("left behind by an outage of the queue are caught up with, and let a neighbour's pass", async () => {
    const world = await createWorld()
    await makeEndpoints(world, 1, () => BACKLOG)
    await makeUndispatched(world, 10_000, world.clock.now() - 2 * MINUTE_MS)
    await expectBounded(world, 60)
    expect(world.receivers.to(BACKLOG)).toHaveLength(10_000)
  })
})

describe("50,000 overdue deliveries, half of them at a dead endpoint", () => {
  it.each<[string, Answer]>([
    ["fails", 500],
    ["hangs", "hang"],
  ])("that %s, stay within every bound and let a neighbour's fresh ones pass", async (_, answer) => {
    const world = await createWorld()
    const endpoints = await makeEndpoints(world, 101, (n) => (n === 0 ? BACKLOG : `http://r${n}.example/`))
    world.receivers.at(BACKLOG, answer)
    await makeDue(world, 25_000, endpoints.slice(0, 1))
    await makeDue(world, 250, endpoints.slice(1))
    await expectBounded(world, 15)
    const toOthers = world.receivers.received.filter(({ url }) => url.startsWith("http://r"))
    expect(toOthers.length).toBeGreaterThanOrEqual(4_000)
    expect(world.receivers.to(BACKLOG).length).toBeLessThanOrEqual(50)
  })
})

describe("300 hanging endpoints of one tenant", () => {
  const RETRY_MS = 2_000
  const PROBES = 12
  it.each<[string, number | null]>([
    ["met for the first time", null],
    ["that are known to be slow", 4_000],
  ])(
    "%s, with an event every ten seconds, let a neighbour's retry pass within 2 s of due, and few drains wait",
    async (_, slow) => {
      const world = await createWorld({ RETRY_SCHEDULE: `${RETRY_MS / SECOND_MS},60,600` })
      const endpoints = await makeEndpoints(world, 300)
      for (const { url } of endpoints) world.receivers.at(url, "hang")
      await world.env.DB.prepare("UPDATE endpoints SET slow_ms = ?").bind(slow).run()
      await makeNeighbour(world)
      // In a shard of its own a neighbour needs a consumer, who must be free: a queue that grows gets more of them.
      const { most, pass } = startConsumers(world, () => {}, shards.length > 1 ? 4 : 1)
      for (let n = 0; n < PROBES; n++) {
        await registerUser(world, `user${n}`)
        world.receivers.at(NEIGHBOUR, 500, 200)
        await publish(world, n)
        await pass(10 * SECOND_MS)
      }
      const arrivals = world.receivers.to(NEIGHBOUR).map(({ at }) => at)
      expect(arrivals).toHaveLength(2 * PROBES)
      const lags = arrivals.flatMap((at, n) => (n % 2 === 1 ? [at - (arrivals[n - 1] ?? 0) - RETRY_MS] : []))
      expect(Math.max(...lags)).toBeLessThanOrEqual(2_000)
      expect(most.drains).toBeLessThanOrEqual(JOBS)
      expect(world.receivers.received.length).toBeGreaterThan(400)
    },
  )
})

/**
 * Works the queues for so many seconds, in which a neighbour publishes every second: no invocation goes beyond its budget,
 * no statement beyond what D1 takes, no answer beyond a page, jobs stay few, and the neighbour's events are prompt.
 */
async function expectBounded(world: World, seconds: number, everyStep = () => {}): Promise<void> {
  await makeNeighbour(world)
  const { most, pass } = startConsumers(world, everyStep)
  const publishedAt: number[] = []
  for (let n = 0; n < seconds; n++) {
    await publish(world, n)
    publishedAt.push(world.clock.now())
    await pass(SECOND_MS)
  }
  const arrivals = world.receivers.to(NEIGHBOUR)
  // The last ones have hardly had their time.
  const lags = publishedAt.slice(0, -3).map((at, n) => (arrivals[n]?.at ?? Infinity) - at)
  const { largest } = world.probe
  expect(most.statements).toBeLessThanOrEqual(STATEMENTS_PER_INVOCATION)
  expect(most.attempts).toBeLessThanOrEqual(world.config.attemptsPerInvocation)
  // A step of a fan-out, and what became of its event.
  expect(most.rows).toBeLessThanOrEqual(FANOUT_STEP + 1)
  expect(most.drains).toBeLessThanOrEqual(JOBS)
  expect(largest.rowsWritten).toBeLessThanOrEqual(ROWS_PER_CANDIDATE * FANOUT_STEP)
  expect(largest.parameters).toBeLessThanOrEqual(100)
  expect(largest.parameterBytes).toBeLessThanOrEqual(1_000_000)
  expect(Math.max(...lags)).toBeLessThanOrEqual(PROMPT_MS)
}

async function makeNeighbour(world: World): Promise<void> {
  await world.fetch("/api/v1/app", { json: { name: "Neighbour", uid: "neighbour" } })
  await world.fetch("/api/v1/app/neighbour/endpoint", { json: { url: NEIGHBOUR } })
}

async function publish(world: World, n: number): Promise<void> {
  await world.fetch("/api/v1/app/neighbour/msg", { json: { eventType: "made", payload: { n } } })
}

function send(world: World, jobs: readonly Queued[]): void {
  for (const job of jobs) world.queued.push({ ...job, at: world.clock.now() })
}

/** Events for the endpoints of application A, so many a step, and their jobs, which nobody has sent. */
async function makeUndispatched(world: World, events: number, at: number): Promise<Queued[]> {
  const prefix = newId("event", at)
  await world.env.DB.prepare(
    `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ?1)
     INSERT INTO events (id, application_id, event_type_id, event_type, created_at, payload)
     SELECT ?2 || i, 'app_users', 'ety_user_registered', 'user_registered', ?3 + (i - 1) / ?4 * ?5, '{}' FROM c`,
  )
    .bind(events, prefix, at, PER_STEP, STEP_MS)
    .run()
  return Array.from({ length: events }, (_, n) => ({
    queue: "events",
    job: {
      kind: "dispatch",
      shard: 0,
      applicationId: "app_users",
      eventId: `${prefix}${n + 1}`,
    } as Queued["job"],
    at,
  }))
}

function count(world: World, where: string) {
  return world.env.DB.prepare(`SELECT count(*) AS n FROM deliveries WHERE ${where}`).first<number>("n")
}
