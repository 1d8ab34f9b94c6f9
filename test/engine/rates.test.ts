import { describe, expect, it } from "vitest"

import { makeDue, makeEndpoints, registerUser } from "../support/make.ts"
import { deliveriesOf } from "../support/read.ts"
import type { Received } from "../support/receiver.ts"
import { createWorld, type World } from "../support/world.ts"

const SECOND_MS = 1_000
const MINUTE_MS = 60_000
/** What a job takes, requests included. */
const JOB_MS = 60

describe("an endpoint's rate", () => {
  it.each([
    [1, 60],
    [3, 60],
    [10, 60],
    [100, 20],
  ])("of %d a second is kept within a twentieth, over %d seconds", async (rate, seconds) => {
    const world = await createWorld()
    const [endpoint] = await makeEndpoints(world, 1)
    await setRate(world, rate)
    await makeDue(world, Math.ceil(rate * (seconds + 5)), [endpoint])
    const times = await timesWithin(world, seconds)
    expect(times.length).toBeGreaterThanOrEqual(0.95 * rate * seconds)
    expect(times.length).toBeLessThanOrEqual(1.05 * rate * seconds)
  })

  it("lets nothing wait while there is room", async () => {
    const world = await createWorld()
    await makeEndpoints(world, 1)
    await setRate(world, 10)
    for (let n = 0; n < 10; n++) {
      const at = world.clock.now()
      await registerUser(world, `user${n}`)
      await pass(world, 200)
      expect((world.receivers.received[n]?.at ?? Infinity) - at).toBeLessThanOrEqual(2 * JOB_MS)
    }
  })

  it("is not saved up while nothing is sent", async () => {
    const world = await createWorld()
    const [endpoint] = await makeEndpoints(world, 1)
    await setRate(world, 5)
    await makeDue(world, 5, [endpoint])
    await timesWithin(world, 10)
    world.clock.advance(60 * MINUTE_MS)
    await makeDue(world, 50, [endpoint])
    expect((await timesWithin(world, 5)).length).toBeLessThanOrEqual(30)
  })

  it("is of nobody else's: another endpoint of the event is asked at once", async () => {
    const world = await createWorld()
    await makeEndpoints(world, 2)
    await world.env.DB.prepare(
      "UPDATE endpoints SET throttle_rate = 1 WHERE url = 'http://r0.example/'",
    ).run()
    const start = world.clock.now()
    for (let n = 0; n < 10; n++) await registerUser(world, `user${n}`)
    await pass(world, 2 * SECOND_MS)
    expect(to(world, "r1").every(({ at }) => at - start < SECOND_MS)).toBe(true)
    expect(to(world, "r1")).toHaveLength(10)
    expect(to(world, "r0").length).toBeLessThanOrEqual(3)
  })

  it("uses up no attempt of what it holds back", async () => {
    const world = await createWorld()
    await makeEndpoints(world, 1)
    await setRate(world, 1)
    const ids = []
    for (let n = 0; n < 5; n++) ids.push(await registerUser(world, `user${n}`))
    await pass(world, 2 * SECOND_MS)
    const held = (await Promise.all(ids.map((id) => deliveriesOf(world, id)))).flat()
    expect(held.filter(({ status }) => status === "pending").map(({ attempts }) => attempts)).toEqual([
      0, 0, 0,
    ])
    await pass(world, 10 * SECOND_MS)
    const made = (await Promise.all(ids.map((id) => deliveriesOf(world, id)))).flat()
    expect(made).toMatchObject(Array(5).fill({ status: "delivered", attempts: 1 }))
  })

  it("goes on when the job that was to wake it up is lost", async () => {
    const world = await createWorld()
    const [endpoint] = await makeEndpoints(world, 1)
    await setRate(world, 2)
    await makeDue(world, 10, [endpoint])
    await timesWithin(world, 1)
    world.queued.length = 0
    await world.cron()
    await pass(world, 10 * SECOND_MS)
    expect(world.receivers.received).toHaveLength(10)
  })
})

describe("an application's rate", () => {
  it.each([
    [1, 60],
    [10, 60],
    [100, 20],
  ])(
    "of %d a second is kept within a twentieth by its endpoints together, over %d seconds",
    async (rate, seconds) => {
      const world = await createWorld()
      const endpoints = await makeEndpoints(world, 5)
      await withApplicationRate(world, rate, async () => {
        await makeDue(world, Math.ceil((rate * (seconds + 5)) / 5), endpoints)
        const times = await timesWithin(world, seconds)
        expect(times.length).toBeGreaterThanOrEqual(0.95 * rate * seconds)
        expect(times.length).toBeLessThanOrEqual(1.05 * rate * seconds)
        const shares = [0, 1, 2, 3, 4].map((n) => to(world, `r${n}`).length)
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(Math.max(2, rate))
      })
    },
  )

  it("holds through the management API, from one change to the next, wherever the application lives", async () => {
    const world = await createWorld()
    const app = { name: "Acme", uid: "acme", throttleRate: 2 }
    await world.fetch("/api/v1/app", { json: app })
    for (const n of [0, 1])
      await world.fetch("/api/v1/app/acme/endpoint", { json: { url: `http://r${n}.example/` } })
    for (let n = 0; n < 60; n++) {
      await world.fetch("/api/v1/app/acme/msg", { json: { eventType: "made", payload: { n } } })
    }
    await pass(world, 10 * SECOND_MS)
    expect(world.receivers.received.length).toBeGreaterThanOrEqual(19)
    expect(world.receivers.received.length).toBeLessThanOrEqual(22)
    await world.fetch("/api/v1/app/acme", { method: "PATCH", json: { throttleRate: null } })
    await pass(world, 5 * SECOND_MS)
    expect(world.receivers.received).toHaveLength(120)
  })

  it("lets nothing out twice when two passes take from it at once", async () => {
    const world = await createWorld()
    const endpoints = await makeEndpoints(world, 20)
    await withApplicationRate(world, 5, async () => {
      await makeDue(world, 1, endpoints)
      const drain = { queue: "retries", job: { kind: "drain", shard: 0 }, at: 0 } as const
      await Promise.all([world.run([drain]), world.run([drain]), world.run([drain])])
      expect(world.receivers.received.length).toBeLessThanOrEqual(5)
    })
  })
})

/** When requests came within so many seconds of what is due now, in ms. */
async function timesWithin(world: World, seconds: number): Promise<number[]> {
  const start = world.clock.now()
  world.queued.push({ queue: "retries", job: { kind: "drain", shard: 0 } as const, at: start })
  await pass(world, seconds * SECOND_MS)
  return world.receivers.received
    .map(({ at }) => at - start)
    .filter((at) => at >= 0 && at < seconds * SECOND_MS)
}

/** Lets time pass as locally: a job at a time, each of which takes some, and the cron every minute. */
async function pass(world: World, ms: number): Promise<void> {
  const until = world.clock.now() + ms
  let sweepAt = world.clock.now() + MINUTE_MS
  while (world.clock.now() < until) {
    const [first] = world.queued.sort((a, b) => a.at - b.at)
    const next = Math.min(first?.at ?? Infinity, sweepAt, until)
    if (next > world.clock.now()) world.clock.advance(next - world.clock.now())
    if (world.clock.now() >= sweepAt) {
      sweepAt += MINUTE_MS
      await world.sweep()
    }
    if (!first || first.at > world.clock.now()) continue
    world.queued.splice(world.queued.indexOf(first), 1)
    await world.run([first])
    world.clock.advance(JOB_MS)
  }
}

async function setRate(world: World, rate: number): Promise<void> {
  await world.env.DB.prepare("UPDATE endpoints SET throttle_rate = ?").bind(rate).run()
}

/** Application A has the rate meanwhile; it is there for the other tests, too. */
async function withApplicationRate(world: World, rate: number, work: () => Promise<void>): Promise<void> {
  const set = (to: number | null) =>
    world.env.DB.prepare(
      "UPDATE applications SET throttle_rate = ?, throttled_until = NULL WHERE id = 'app_users'",
    )
      .bind(to)
      .run()
  await set(rate)
  try {
    await work()
  } finally {
    await set(null)
  }
}

function to(world: World, name: string): Received[] {
  return world.receivers.received.filter(({ url }) => url.startsWith(`http://${name}.`))
}
