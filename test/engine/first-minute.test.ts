import { describe, expect, it } from "vitest"

import { consume } from "../../src/queue.ts"
import { registerHook, registerUser } from "../support/make.ts"
import { attemptsOf, deliveriesOf } from "../support/read.ts"
import { batchOf, createWorld, type World } from "../support/world.ts"

// An event's first minute belongs to its own job, which claims nothing.

const HOOK = "http://receiver.example/hook"
const LEASE_MS = 61_000

async function worldWithJob() {
  const world = await createWorld()
  await registerHook(world, HOOK)
  const eventId = await registerUser(world, "ada")
  const jobs = world.queued.splice(0)
  return { world, eventId, jobs }
}

/** A receiver that answers its requests when it is told to, in the order in which they came. */
function answersWhenTold(world: World): ((status: number) => void)[] {
  const waiting: ((status: number) => void)[] = []
  world.receivers.at(HOOK, () => new Promise<number>((resolve) => waiting.push(resolve)))
  return waiting
}

const claimsOf = (world: World) =>
  world.env.DB.prepare("SELECT claims, lease_token IS NOT NULL AS leased FROM events").first()

describe("an event in its first minute", () => {
  it("is delivered without a claim", async () => {
    const { world, jobs } = await worldWithJob()
    const waiting = answersWhenTold(world)
    const run = world.run(jobs)
    await expect.poll(() => waiting.length).toBe(1)
    expect(await claimsOf(world)).toEqual({ claims: 0, leased: 0 })
    waiting[0]?.(200)
    await run
    expect(await claimsOf(world)).toEqual({ claims: 0, leased: 0 })
  })

  it("in two hands at once: the first to record decides, and the other says nothing about the endpoint", async () => {
    const { world, eventId, jobs } = await worldWithJob()
    const waiting = answersWhenTold(world)
    const one = consume(batchOf(jobs), world.deps)
    const two = consume(batchOf(jobs), world.deps)
    await expect.poll(() => waiting.length).toBe(2)
    waiting[1]?.(200)
    await expect.poll(async () => (await deliveriesOf(world, eventId)).length).toBe(1)
    waiting[0]?.(410)
    await Promise.all([one, two])
    expect(await deliveriesOf(world, eventId)).toMatchObject([{ status: "delivered", attempts: 1 }])
    expect((await attemptsOf(world, eventId)).map(({ statusCode }) => statusCode).sort()).toEqual([200, 410])
    const health = await world.env.DB.prepare(
      "SELECT failing_since, gone_at, disabled_at FROM endpoints",
    ).first()
    expect(health).toEqual({ failing_since: null, gone_at: null, disabled_at: null })
  })

  it("is left alone by the sweep, which takes it once the minute is over", async () => {
    const { world, eventId } = await worldWithJob()
    await world.cron()
    world.clock.advance(30_000)
    await world.cron()
    expect(world.queued).toEqual([])
    world.clock.advance(30_000)
    await world.cron()
    await world.runDue()
    expect(await deliveriesOf(world, eventId)).toMatchObject([{ status: "delivered" }])
    expect(world.receivers.to(HOOK)).toHaveLength(1)
  })

  it("is left to its consumer by a sweep that works without a queue", async () => {
    const { world, eventId, jobs } = await worldWithJob()
    const waiting = answersWhenTold(world)
    const run = world.run(jobs)
    await expect.poll(() => waiting.length).toBe(1)
    world.queueRefuses = true
    await world.cron()
    waiting[0]?.(200)
    await run
    expect(world.receivers.to(HOOK)).toHaveLength(1)
    expect(await deliveriesOf(world, eventId)).toMatchObject([{ status: "delivered" }])
  })

  it("is the sweep's at once when no job could be sent for it", async () => {
    const world = await createWorld()
    await registerHook(world, HOOK)
    world.queueRefuses = true
    const eventId = await registerUser(world, "ada")
    await world.cron()
    expect(await deliveriesOf(world, eventId)).toMatchObject([{ status: "delivered" }])
  })
})

describe("a consumer that dies in an event's first minute", () => {
  it("costs no time when the queue delivers its message again", async () => {
    const { world, eventId, jobs } = await worldWithJob()
    world.queued.push(...jobs)
    await world.runUntilDeath(() => true)
    await consume(batchOf(jobs, 2), world.deps)
    expect(world.receivers.to(HOOK).map(({ headers }) => headers["webhook-id"])).toEqual([eventId, eventId])
    expect(await deliveriesOf(world, eventId)).toMatchObject([{ status: "delivered", attempts: 1 }])
  })

  it("only seemed dead: what it brings late is kept as an attempt and changes nothing", async () => {
    const { world, eventId, jobs } = await worldWithJob()
    const waiting = answersWhenTold(world)
    const slow = consume(batchOf(jobs), world.deps)
    await expect.poll(() => waiting.length).toBe(1)
    const again = consume(batchOf(jobs, 2), world.deps)
    await expect.poll(() => waiting.length).toBe(2)
    waiting[0]?.(200)
    await slow
    // The one that has claimed it since has not recorded yet, and is the one that counts.
    expect(await deliveriesOf(world, eventId)).toEqual([])
    waiting[1]?.(500)
    await again
    expect(await deliveriesOf(world, eventId)).toMatchObject([{ status: "pending", attempts: 1 }])
    expect((await attemptsOf(world, eventId)).map(({ statusCode }) => statusCode).sort()).toEqual([200, 500])
  })
})

describe("a message that comes too late for its event's first minute", () => {
  it("claims: nobody else may start on the event meanwhile", async () => {
    const { world, jobs } = await worldWithJob()
    world.clock.advance(40_000)
    const waiting = answersWhenTold(world)
    const run = world.run(jobs)
    await expect.poll(() => waiting.length).toBe(1)
    expect(await claimsOf(world)).toEqual({ claims: 2, leased: 1 })
    await consume(batchOf(jobs), world.deps)
    expect(waiting).toHaveLength(1)
    waiting[0]?.(200)
    await run
  })
})

describe("the record of a first failure", () => {
  it("whose answer D1 loses books one retry, and one failure of the endpoint", async () => {
    const { world, eventId, jobs } = await worldWithJob()
    world.receivers.at(HOOK, 500, 200)
    let faults = 2
    world.probe.after = (statements) => {
      if (statements.some((text) => text.includes("INTO deliveries")) && faults-- > 0)
        throw new Error("D1_ERROR: Network connection lost.")
    }
    const failedAt = world.clock.now()
    await world.run(jobs)
    expect(await attemptsOf(world, eventId)).toHaveLength(1)
    const row = await world.env.DB.prepare("SELECT failing_since FROM endpoints").first()
    expect(row).toEqual({ failing_since: failedAt })
    await world.runAll(10_000)
    expect(world.receivers.to(HOOK)).toHaveLength(2)
    expect(await deliveriesOf(world, eventId)).toMatchObject([{ status: "delivered", attempts: 2 }])
    expect((await attemptsOf(world, eventId)).map(({ statusCode }) => statusCode)).toEqual([500, 200])
  })
})

describe("a resend while an event is being dispatched", () => {
  it("is one attempt by hand, and the first attempt takes the row that it has made", async () => {
    const { world, eventId, jobs } = await worldWithJob()
    const waiting = answersWhenTold(world)
    const run = world.run(jobs)
    await expect.poll(() => waiting.length).toBe(1)
    const [endpoint] = (await world.env.DB.prepare("SELECT id FROM endpoints").all<{ id: string }>()).results
    const path = `/api/v1/app/users/msg/${eventId}/endpoint/${endpoint?.id}/resend`
    expect((await world.fetch(path, { method: "POST" })).status).toBe(202)
    waiting[0]?.(200)
    await run
    expect(await deliveriesOf(world, eventId)).toMatchObject([{ status: "delivered", attempts: 1 }])
    const byHand = world.runDue()
    await expect.poll(() => waiting.length).toBe(2)
    waiting[1]?.(200)
    await byHand
    await world.runAllWithSweeps(2 * LEASE_MS)
    expect((await attemptsOf(world, eventId)).map(({ trigger }) => trigger)).toEqual(["scheduled", "manual"])
  })
})
