import { describe, expect, it } from "vitest"

import { makeDue, makeEndpoints, makeTenants, registerHook, registerUser } from "../support/make.ts"
import { attemptsOf, deliveriesOf } from "../support/read.ts"
import { createWorld, type World } from "../support/world.ts"

const HOOK = "http://receiver.example/hook"
const OTHER = "http://other.example/hook"
const HOUR_MS = 3_600_000
const LEASE_MS = 61_000

describe("the retry lane", () => {
  it("retries by the schedule until the receiver recovers", async () => {
    const world = await createWorld({ RETRY_SCHEDULE: "5,300,1800" })
    await registerHook(world, HOOK)
    world.receivers.at(HOOK, 500, 503, 200)
    const start = world.clock.now()
    await registerUser(world, "ada")
    await world.runAll(10_000)
    await world.runAllWithSweeps(10 * 60_000)
    const waited = world.receivers.to(HOOK).map(({ at }) => at - start)
    expect(waited).toHaveLength(3)
    expect(waited[1]).toBeGreaterThanOrEqual(5_000)
    expect(waited[1]).toBeLessThan(8_000)
    expect(waited[2]).toBeGreaterThanOrEqual(305_000)
    expect(waited[2]).toBeLessThan(305_000 + 65_000)
  })

  it("keeps a result that comes after the lease was lost as an attempt, never as state", async () => {
    const world = await createWorld()
    await registerHook(world, HOOK)
    world.receivers.at(HOOK, 500, 200, 500)
    const eventId = await registerUser(world, "ada")
    await world.runDue()
    world.clock.advance(6_000)
    const { promise: over, resolve: go } = Promise.withResolvers<void>()
    let late = false
    world.probe.before = (statements) => {
      if (late || !statements.some((sql) => sql.includes("INSERT INTO attempts"))) return
      late = true
      return over
    }
    const lost = world.runDue()
    await expect.poll(() => late, { interval: 1 }).toBe(true)
    world.clock.advance(LEASE_MS)
    await world.cron()
    await world.runDue()
    const retried = await deliveriesOf(world, eventId)
    expect(retried).toMatchObject([{ status: "pending", attempts: 2 }])
    go()
    await lost
    expect(await deliveriesOf(world, eventId)).toEqual(retried)
    expect((await attemptsOf(world, eventId)).map(({ statusCode }) => statusCode).sort()).toEqual([
      200, 500, 500,
    ])
  })

  it("gives up when the schedule is used up, with the reason `exhausted`", async () => {
    const world = await createWorld({ RETRY_SCHEDULE: "1,1,2" })
    await registerHook(world, HOOK)
    world.receivers.at(HOOK, 500)
    const eventId = await registerUser(world, "ada")
    await world.runAllWithSweeps(60_000)
    expect(world.receivers.to(HOOK)).toHaveLength(4)
    expect(await deliveriesOf(world, eventId)).toMatchObject([
      { status: "failed", reason: "exhausted", attempts: 4, nextAttemptAt: null },
    ])
  })

  it("takes the most overdue endpoints first, six deliveries of each: a backlog starves nobody", async () => {
    const world = await createWorld()
    await registerHook(world, HOOK)
    world.receivers.at(HOOK, 500)
    for (let n = 0; n < 30; n++) await registerUser(world, `user${n}`)
    await world.runDue()
    await registerHook(world, OTHER)
    world.receivers.at(OTHER, 500, 200)
    await registerUser(world, "last")
    await world.runDue()
    world.clock.advance(10_000)
    world.queued.length = 0
    const before = world.receivers.to(HOOK).length
    await world.cron()
    await world.run(world.queued.splice(0))
    expect(world.receivers.to(HOOK).length - before).toBe(6)
    expect(world.receivers.to(OTHER)).toHaveLength(2)
  })

  it("cancels what is pending when the endpoint is removed", async () => {
    const world = await createWorld()
    await registerHook(world, HOOK)
    world.receivers.at(HOOK, 500)
    const eventId = await registerUser(world, "ada")
    await world.runDue()
    await world.fetch("/webhook", { method: "DELETE", json: { event: "user_registered", url: HOOK } })
    await world.runAllWithSweeps(HOUR_MS)
    expect(world.receivers.to(HOOK)).toHaveLength(1)
    expect(await deliveriesOf(world, eventId)).toMatchObject([{ status: "canceled", reason: "removed" }])
  })

  it("cancels what is pending of an event type that the endpoint no longer takes", async () => {
    const world = await createWorld()
    await registerHook(world, HOOK)
    await world.fetch("/webhook", { json: { event: "user_send_message", url: HOOK } })
    world.receivers.at(HOOK, 500)
    const eventId = await registerUser(world, "ada")
    await world.runDue()
    await world.fetch("/webhook", { method: "DELETE", json: { event: "user_registered", url: HOOK } })
    await world.runAllWithSweeps(HOUR_MS)
    expect(world.receivers.to(HOOK)).toHaveLength(1)
    expect(await deliveriesOf(world, eventId)).toMatchObject([{ status: "canceled", reason: "unsubscribed" }])
  })

  it("ends what comes due while the endpoint is disabled, and the endpoint's other events get there", async () => {
    const world = await createWorld()
    await registerHook(world, HOOK)
    world.receivers.at(HOOK, 500, 410)
    const first = await registerUser(world, "ada")
    await world.runDue()
    const second = await registerUser(world, "bob")
    await world.runAllWithSweeps(HOUR_MS)
    expect(await deliveriesOf(world, first)).toMatchObject([{ status: "failed", reason: "gone" }])
    expect(await deliveriesOf(world, second)).toMatchObject([{ status: "failed", reason: "gone" }])
    expect(world.receivers.to(HOOK)).toHaveLength(2)
  })

  it("leaves a failing endpoint alone for an eighth of the time that it has failed", async () => {
    const world = await createWorld({ RETRY_SCHEDULE: "5,80,1,1,1,1,1" })
    await registerHook(world, HOOK)
    world.receivers.at(HOOK, 500)
    await registerUser(world, "ada")
    await world.runAllWithSweeps(3 * 60_000)
    const times = world.receivers.to(HOOK).map(({ at }) => at)
    const first = times[0] ?? 0
    const third = times[2] ?? 0
    expect((times[3] ?? 0) - third).toBeGreaterThanOrEqual((third - first) / 8)
  })

  it("keeps an endpoint's rate", async () => {
    const world = await createWorld()
    const [endpoint] = await makeEndpoints(world, 1)
    await world.env.DB.prepare("UPDATE endpoints SET throttle_rate = 2 WHERE id = ?").bind(endpoint?.id).run()
    for (let n = 0; n < 20; n++) await registerUser(world, `user${n}`)
    const start = world.clock.now()
    await world.runAllWithSweeps(60_000)
    const times = world.receivers.received.map(({ at }) => at - start)
    expect(times).toHaveLength(20)
    expect(Math.max(...times)).toBeGreaterThanOrEqual(7_000)
  })
})

describe("a drain that is called", () => {
  const unregister = (world: World, url: string) =>
    world.fetch("/webhook", { method: "DELETE", json: { event: "user_registered", url } })
  const drains = (world: World) => world.queued.filter(({ job }) => job.kind === "drain")

  /** Endpoints that owe a delivery, which ends when they are removed. */
  async function makeOwing(world: World, count: number): Promise<string[]> {
    await world.env.DB.prepare("DELETE FROM endpoints").run()
    const endpoints = await makeEndpoints(world, count)
    await makeDue(world, 1, endpoints)
    return endpoints.map(({ url }) => url)
  }
  const pending = (world: World) =>
    world.env.DB.prepare("SELECT count(*) AS n FROM deliveries WHERE status = 'pending'").first<number>("n")

  it("is one, however many ask for it, until it begins", async () => {
    const world = await createWorld()
    for (const url of await makeOwing(world, 20)) await unregister(world, url)
    expect(drains(world)).toHaveLength(1)
    await world.runDue()
    expect(await pending(world)).toBe(0)
    for (const url of await makeOwing(world, 2)) await unregister(world, url)
    expect(drains(world)).toHaveLength(1)
  })

  it.each<[string, (world: World, call: () => Promise<unknown>) => Promise<void>]>([
    [
      "was lost",
      async (world, call) => {
        await call()
        world.queued.length = 0
      },
    ],
    [
      "was refused by the queue",
      async (world, call) => {
        world.queueRefuses = true
        await call()
        world.queueRefuses = false
      },
    ],
  ])("is waited for no longer than five seconds when it %s", async (_, failing) => {
    const world = await createWorld()
    const [first = "", second = "", third = ""] = await makeOwing(world, 3)
    await failing(world, () => unregister(world, first))
    await unregister(world, second)
    expect(drains(world)).toHaveLength(0)
    world.clock.advance(5_000)
    await unregister(world, third)
    await world.runDue()
    expect(await pending(world)).toBe(0)
  })

  it("does what others that have come meanwhile were for", async () => {
    const world = await createWorld()
    const [first = ""] = await makeOwing(world, 1)
    await unregister(world, first)
    world.queued.unshift({ queue: "retries", job: { kind: "drain", shard: 0 }, at: world.clock.now() })
    await world.runDue()
    const worked = world.observed.flatMap((line) => (line.unit === "drain" ? [line.endpointIds.length] : []))
    expect(worked).toEqual([1])
    expect(await pending(world)).toBe(0)
  })
})

describe("one bad endpoint", () => {
  it("that hangs does not keep another waiting once it is known to", async () => {
    const world = await createWorld()
    await registerHook(world, HOOK)
    await registerHook(world, OTHER)
    world.receivers.at(HOOK, "hang")
    await registerUser(world, "ada")
    const run = world.runDue()
    await expect.poll(() => world.receivers.to(OTHER).length).toBe(1)
    world.clock.advance(15_000)
    await run
    const before = world.clock.now()
    await registerUser(world, "bob")
    await world.run(world.queued.filter(({ queue }) => queue === "events"))
    expect(world.receivers.to(OTHER)).toHaveLength(2)
    expect(world.clock.now()).toBe(before)
  })

  it("that is dead gets its deliveries when it comes back, first attempts included", async () => {
    const world = await createWorld()
    await registerHook(world, HOOK)
    world.receivers.at(HOOK, new Error("Network connection lost."))
    const ids = []
    for (let n = 0; n < 10; n++) ids.push(await registerUser(world, `user${n}`))
    await world.runAllWithSweeps(60_000)
    world.receivers.at(HOOK, 200)
    await world.runAllWithSweeps(HOUR_MS)
    const states = await Promise.all(ids.map((id) => deliveriesOf(world, id)))
    expect(states.flat().map(({ status }) => status)).toEqual(Array(10).fill("delivered"))
  })
})

describe("an endpoint with much to get in a pass", () => {
  it("that nobody knows yet gets several requests at once from its first success on", async () => {
    const { world, open } = await worldWithMuchDue()
    await world.run([DRAIN])
    expect(world.receivers.received).toHaveLength(36)
    expect(open.slice(0, 2)).toEqual([1, 1])
    expect(Math.max(...open)).toBe(6)
  })

  it("that takes its time gets one, and nothing more in this pass", async () => {
    const { world, open } = await worldWithMuchDue((clock) => {
      clock.advance(1_501)
      return 200
    })
    await world.run([DRAIN])
    expect(open).toEqual([1])
  })

  it.each(["failing_since", "slow_ms"])("that is unwell (%s) gets one at a time", async (column) => {
    const { world, open } = await worldWithMuchDue()
    await world.env.DB.prepare(`UPDATE endpoints SET ${column} = 4000, proven_at = 1`).run()
    await world.run([DRAIN])
    expect(open).toEqual(Array(6).fill(1))
  })

  it("leaves another endpoint of the pass its lanes", async () => {
    const { world, open } = await worldWithMuchDue()
    await makeTenants(world, [{ id: "app_other", endpoints: 1, dueAt: world.clock.now(), url: () => OTHER }])
    await world.run([DRAIN])
    expect(world.receivers.to(OTHER)).toHaveLength(1)
    expect(Math.max(...open)).toBe(2)
  })
})

const DRAIN = { queue: "retries", job: { kind: "drain", shard: 0 }, at: 0 } as const

/**
 * 40 deliveries are due at an endpoint. `open` tells how many requests it had by then, itself among them, when each came.
 */
async function worldWithMuchDue(answer: (clock: World["clock"]) => number = () => 200) {
  const world = await createWorld()
  const endpoints = await makeEndpoints(world, 1, () => HOOK)
  await makeDue(world, 40, endpoints)
  const open: number[] = []
  let now = 0
  world.receivers.at(HOOK, async () => {
    open.push(++now)
    await world.quiet()
    now--
    return answer(world.clock)
  })
  return { world, open }
}
