import { describe, expect, it } from "vitest"
import { DAY_MS, HOOK, pass } from "../support/attempt.ts"
import { registerHook, registerUser } from "../support/make.ts"
import { deliveryOf } from "../support/read.ts"
import { createWorld } from "../support/world.ts"

const SCHEDULE_SECONDS = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400]

describe("the next attempt", () => {
  it("comes after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h, and then no more", async () => {
    const world = await createWorld()
    world.receivers.at(HOOK, 500)
    await registerHook(world, HOOK)
    const eventId = await registerUser(world, "alice")
    await world.runDue()
    for (const [failures, seconds] of SCHEDULE_SECONDS.entries()) {
      expect(world.receivers.received).toHaveLength(failures + 1)
      const delivery = await deliveryOf(world, eventId)
      expect(delivery).toMatchObject({ status: "pending", attempts: failures + 1 })
      expect(delivery.nextAttemptAt).toBe(world.clock.now() + seconds * 1000)
      await pass(world, seconds * 1000 - 1)
      expect(world.receivers.received).toHaveLength(failures + 1)
      await pass(world, 1)
    }
    expect(world.receivers.received).toHaveLength(10)
    expect(await deliveryOf(world, eventId)).toMatchObject({
      status: "failed",
      reason: "exhausted",
      attempts: 10,
      nextAttemptAt: null,
    })
    await pass(world, 2 * DAY_MS)
    expect(world.receivers.received).toHaveLength(10)
    const gaps = world.receivers.received.map(({ at }, n, all) => at - (all[n - 1]?.at ?? at)).slice(1)
    expect(gaps).toEqual(SCHEDULE_SECONDS.map((seconds) => seconds * 1000))
  })

  it("follows RETRY_SCHEDULE", async () => {
    const world = await createWorld({ RETRY_SCHEDULE: "1,2.5" })
    world.receivers.at(HOOK, 500)
    await registerHook(world, HOOK)
    const eventId = await registerUser(world, "alice")
    await world.runAll(60_000)
    expect(world.receivers.received).toHaveLength(3)
    expect(await deliveryOf(world, eventId)).toMatchObject({ status: "failed", reason: "exhausted" })
  })

  it("comes later by up to a tenth, never earlier", async () => {
    for (const [random, expected] of [
      [0, 5_000],
      [0.5, 5_250],
      [0.999, 5_500],
    ] as const) {
      const world = await createWorld()
      world.receivers.at(HOOK, 500)
      await registerHook(world, HOOK)
      const eventId = await registerUser(world, "alice")
      const at = world.clock.now()
      await world.runDue(false, { ...world.deps, random: () => random })
      const delay = ((await deliveryOf(world, eventId)).nextAttemptAt ?? 0) - at
      expect(delay).toBeGreaterThanOrEqual(expected - 1)
      expect(delay).toBeLessThanOrEqual(expected)
    }
  })

  const NOW = Date.UTC(2026, 0, 15, 12)
  const inSeconds = (seconds: number) => new Date(NOW + seconds * 1000).toUTCString()
  it.each([
    [429, "120", 120],
    [503, "120", 120],
    [503, "86400", 86_400],
    [503, "86401", 86_400],
    [503, "99999999999999999999", 86_400],
    [429, inSeconds(600), 600],
    [503, inSeconds(600), 600],
    [503, inSeconds(3 * 86_400), 86_400],
    [503, inSeconds(-600), 5],
    [429, "1", 5],
    [429, "0", 5],
    [429, "-60", 5],
    [429, "soon", 5],
    [429, "1e9", 5],
    [429, "", 5],
    [500, "120", 5],
    [502, "120", 5],
    [302, "120", 5],
    [404, inSeconds(600), 5],
  ])("after a %i with Retry-After %j comes in %i s", async (status, retryAfter, seconds) => {
    const world = await createWorld()
    world.receivers.at(
      HOOK,
      () => new Response(null, { status, headers: { "retry-after": retryAfter } }),
      200,
    )
    await registerHook(world, HOOK)
    const eventId = await registerUser(world, "alice")
    await world.runDue()
    expect((await deliveryOf(world, eventId)).nextAttemptAt).toBe(NOW + seconds * 1000)
    await pass(world, seconds * 1000 - 1)
    expect(world.receivers.received).toHaveLength(1)
    await pass(world, 1)
    expect(world.receivers.received).toHaveLength(2)
    expect(await deliveryOf(world, eventId)).toMatchObject({ status: "delivered" })
  })

  it("never comes earlier through a Retry-After than the schedule says", async () => {
    const world = await createWorld({ RETRY_SCHEDULE: "300" })
    world.receivers.at(HOOK, () => new Response(null, { status: 503, headers: { "retry-after": "10" } }))
    await registerHook(world, HOOK)
    const eventId = await registerUser(world, "alice")
    await world.runDue()
    expect((await deliveryOf(world, eventId)).nextAttemptAt).toBe(NOW + 300_000)
  })

  it("holds for the endpoint's other events too when Retry-After asks for it", async () => {
    const world = await createWorld()
    world.receivers.at(
      HOOK,
      () => new Response(null, { status: 429, headers: { "retry-after": "3600" } }),
      200,
    )
    await registerHook(world, HOOK)
    await registerUser(world, "alice")
    await world.runDue()
    await registerUser(world, "bob")
    await pass(world, 3_599_999)
    expect(world.receivers.received).toHaveLength(1)
    await pass(world, 1)
    expect(world.receivers.received).toHaveLength(3)
  })
})
