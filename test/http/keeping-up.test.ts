import { beforeEach, describe, expect, it } from "vitest"

import { leaseMs } from "../../src/engine/pipeline/budget.ts"
import { lateMs, SWEEP_LATE_MS } from "../../src/engine/upkeep/health.ts"
import { makeTenants } from "../support/make.ts"
import { shards } from "../support/shards.ts"
import { createWorld, type World } from "../support/world.ts"

// What /health says of how far behind the system is: of its own doing alone, whatever receivers do.

const SECOND_MS = 1_000
const MINUTE_MS = 60_000
const LOOK_MS = 5_000
const HOOK = "http://receiver.example/hook"

interface Health {
  status: string
  dispatch: { status: string; detail: string | null; oldestMs: number | null }
  retries: { status: string; detail: string | null; overdueMs: number | null }
}

let world: World

beforeEach(async () => {
  world = await createWorld()
  await world.fetch("/api/v1/app", { json: { name: "acme", uid: "acme" } })
})

/** What is seen now, whatever was remembered. */
async function look(): Promise<Health> {
  world.clock.advance(LOOK_MS)
  await world.sweep()
  world.queued.length = 0
  return (await world.fetch("/health")).json()
}

async function createEndpoint(settings: object = {}): Promise<void> {
  const answer = await world.fetch("/api/v1/app/acme/endpoint", { json: { url: HOOK, ...settings } })
  if (answer.status !== 201) throw new Error(await answer.text())
}

async function publish(): Promise<void> {
  const json = { eventType: "thing.made", payload: {} }
  const answer = await world.fetch("/api/v1/app/acme/msg", { json })
  if (answer.status !== 202) throw new Error(await answer.text())
}

const inEachShard = (statement: string) => Promise.all(shards.map((d1) => d1.prepare(statement).run()))

describe("the oldest event that is not dispatched", () => {
  it("is told, and is late once it has waited for longer than a lease and three sweeps", async () => {
    await createEndpoint()
    await publish()
    world.clock.advance(30 * SECOND_MS)
    await publish()
    expect(await look()).toMatchObject({ status: "ok", dispatch: { oldestMs: 30 * SECOND_MS + LOOK_MS } })
    world.clock.advance(lateMs(world.deps) - 30 * SECOND_MS - 2 * LOOK_MS)
    expect(await look()).toMatchObject({
      status: "ok",
      dispatch: { status: "ok", detail: null, oldestMs: lateMs(world.deps) },
    })
    expect(await look()).toMatchObject({
      status: "degraded",
      dispatch: { status: "degraded", detail: expect.stringContaining("`events`") },
      retries: { status: "ok" },
    })
    await world.sweep()
    await world.runDue()
    expect(await look()).toMatchObject({ status: "ok", dispatch: { status: "ok", oldestMs: 0 } })
  })

  it("is as late as the timeout of attempts allows", async () => {
    const { config } = world
    const patient = { ...world.deps, config: { ...config, attemptTimeoutMs: 2 * config.attemptTimeoutMs } }
    expect(lateMs(world.deps)).toBe(4 * MINUTE_MS)
    expect(lateMs(patient)).toBe(leaseMs(patient) + SWEEP_LATE_MS)
    expect(lateMs(patient)).toBeGreaterThan(lateMs(world.deps))
  })

  it("is nobody's who is held while its application moves", async () => {
    await createEndpoint()
    await publish()
    world.clock.advance(10 * MINUTE_MS)
    expect((await look()).status).toBe("degraded")
    await inEachShard("UPDATE events SET lease_token = 'moving', leased_until = 8640000000000000")
    expect(await look()).toMatchObject({ status: "ok", dispatch: { oldestMs: 0 } })
  })
})

describe("how overdue the retry lane is", () => {
  it("counts from the moment at which the retry could have been made", async () => {
    world.receivers.at(HOOK, 500, 200)
    await createEndpoint()
    await publish()
    await world.runDue()
    const due = Math.min(...world.queued.map(({ at }) => at))
    world.clock.advance(due - world.clock.now() + 20 * SECOND_MS)
    const { retries } = await look()
    expect(retries.status).toBe("ok")
    // The queue counts its delays in whole seconds.
    expect(Math.abs((retries.overdueMs ?? 0) - 20 * SECOND_MS - LOOK_MS)).toBeLessThanOrEqual(SECOND_MS)
    world.clock.advance(lateMs(world.deps))
    expect(await look()).toMatchObject({
      status: "degraded",
      dispatch: { status: "ok", oldestMs: 0 },
      retries: { status: "degraded", detail: expect.stringContaining("`retries`") },
    })
    await world.sweep()
    await world.runDue()
    expect(world.receivers.received).toHaveLength(2)
    expect(await look()).toMatchObject({ status: "ok", retries: { status: "ok", overdueMs: 0 } })
  })

  it("is told of the worst shard, and of the most overdue of its applications", async () => {
    const at = world.clock.now()
    await makeTenants(world, [
      { id: "app_1", endpoints: 2, dueAt: at + 90 * SECOND_MS },
      { id: "app_2", endpoints: 2, dueAt: at },
      { id: "app_3", endpoints: 2, dueAt: at + 10 * SECOND_MS },
    ])
    expect((await look()).retries.overdueMs).toBe(LOOK_MS)
  })

  it("counts what somebody has leased who died", async () => {
    await makeTenants(world, [{ id: "app_1", endpoints: 1, dueAt: world.clock.now() }])
    await inEachShard(
      `UPDATE endpoints SET due_at = NULL, lease_token = 'gone', leased_until = ${world.clock.now()}`,
    )
    world.clock.advance(MINUTE_MS)
    const answer = await world.fetch("/health")
    expect(((await answer.json()) as Health).retries.overdueMs).toBe(MINUTE_MS)
  })

  it.each([
    ["asks for a pause", new Response("", { status: 429, headers: { "retry-after": "86400" } })],
    ["fails, and is between two retries", 500],
  ])("does not count an endpoint that %s", async (_, answer) => {
    world = await createWorld({ RETRY_SCHEDULE: "86400" })
    await world.fetch("/api/v1/app", { json: { name: "acme", uid: "acme" } })
    world.receivers.at(HOOK, answer)
    await createEndpoint()
    await publish()
    await world.runDue()
    world.clock.advance(60 * MINUTE_MS)
    expect(await look()).toMatchObject({ status: "ok", retries: { overdueMs: 0 } })
  })

  it.each([
    ["endpoint's", "UPDATE endpoints SET throttle_rate = 1"],
    ["application's", "UPDATE applications SET throttle_rate = 1 WHERE uid IS 'acme'"],
  ])("counts what waits for its %s rate from when there was room", async (_, limit) => {
    await createEndpoint()
    await publish()
    await world.runDue()
    await inEachShard(limit)
    for (let n = 0; n < 80; n++) await publish()
    let worst = 0
    for (let second = 0; second < 60; second++) {
      await world.runDue()
      world.clock.advance(SECOND_MS)
      if (second % 5 === 0) {
        const { retries } = (await (await world.fetch("/health")).json()) as Health
        worst = Math.max(worst, retries.overdueMs ?? Infinity)
      }
    }
    expect(world.receivers.received.length).toBeLessThan(80)
    expect(worst).toBeLessThan(10 * SECOND_MS)
  })

  it.each([
    ["slow itself", "UPDATE endpoints SET slow_ms = 4000 WHERE application_id = 'app_1'"],
    ["removed", "UPDATE endpoints SET removed_at = 1, due_at = 0 WHERE application_id = 'app_1'"],
  ])("does not count an endpoint that is %s", async (_, change) => {
    await makeTenants(world, [{ id: "app_1", endpoints: 1, dueAt: world.clock.now() }])
    world.clock.advance(10 * MINUTE_MS)
    expect((await look()).status).toBe("degraded")
    await inEachShard(change)
    expect(await look()).toMatchObject({ status: "ok", retries: { overdueMs: 0 } })
  })
})
