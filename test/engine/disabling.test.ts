import { describe, expect, it } from "vitest"
import { DAY_MS, HOOK, pass } from "../support/attempt.ts"
import { registerHook, registerUser } from "../support/make.ts"
import { deliveryOf } from "../support/read.ts"
import { createWorld, type World } from "../support/world.ts"

const HOUR_MS = 3_600_000

async function endpointState(world: World) {
  return world.env.DB.prepare("SELECT disabled_at, disabled_reason, failing_since FROM endpoints").first<{
    disabled_at: number | null
    disabled_reason: string | null
    failing_since: number | null
  }>()
}

describe("an endpoint that answers 410", () => {
  it("is believed at the second time if it has been answering 2xx: the delivery is tried again", async () => {
    const world = await createWorld()
    world.receivers.at(HOOK, 200, 410, 410)
    await registerHook(world, HOOK)
    await registerUser(world, "alice")
    await world.runDue()
    const eventId = await registerUser(world, "bob")
    await world.runDue()
    expect(await deliveryOf(world, eventId)).toMatchObject({
      status: "pending",
      reason: null,
      attempts: 1,
      nextAttemptAt: world.clock.now() + 5_000,
    })
    expect(await endpointState(world)).toMatchObject({ disabled_at: null, disabled_reason: null })
    await pass(world, 6_000)
    expect(await deliveryOf(world, eventId)).toMatchObject({ status: "failed", reason: "gone", attempts: 2 })
    expect(await endpointState(world)).toMatchObject({ disabled_reason: "gone" })
  })

  it("is believed when another event's attempt says it again", async () => {
    const world = await createWorld()
    world.receivers.at(HOOK, 200, 410, 410)
    await registerHook(world, HOOK)
    for (const username of ["alice", "bob", "carol"]) {
      await registerUser(world, username)
      await world.runDue()
    }
    await world.cron()
    await world.runDue()
    expect(await endpointState(world)).toMatchObject({ disabled_reason: "gone" })
  })

  it("is not believed for several at once, nor after a success in between", async () => {
    const world = await createWorld()
    world.receivers.at(HOOK, 200, 410, 410, 200, 410, 200)
    await registerHook(world, HOOK)
    await registerUser(world, "alice")
    await world.runDue()
    const ids = [await registerUser(world, "bob"), await registerUser(world, "carol")]
    await world.runDue(true)
    expect(await endpointState(world)).toMatchObject({ disabled_at: null })
    await pass(world, HOUR_MS)
    await registerUser(world, "dave")
    await pass(world, HOUR_MS)
    expect(await endpointState(world)).toMatchObject({ disabled_at: null, failing_since: null })
    for (const id of ids) expect(await deliveryOf(world, id)).toMatchObject({ status: "delivered" })
  })

  it("is disabled at once: the delivery failed as gone, waiting ones too, and it gets nothing more", async () => {
    const world = await createWorld()
    world.receivers.at(HOOK, 500, 410, 200)
    await registerHook(world, HOOK)
    const waiting = await registerUser(world, "alice")
    await world.runDue()
    const gone = await registerUser(world, "bob")
    await world.runDue()
    expect(await deliveryOf(world, gone)).toMatchObject({ status: "failed", reason: "gone", attempts: 1 })
    expect(await endpointState(world)).toMatchObject({
      disabled_reason: "gone",
      disabled_at: expect.any(Number),
    })
    await pass(world, DAY_MS)
    expect(await deliveryOf(world, waiting)).toMatchObject({ status: "failed", reason: "gone", attempts: 1 })
    await registerUser(world, "carol")
    await pass(world, DAY_MS)
    expect(world.receivers.received).toHaveLength(2)
  })

  it("starts afresh when it is registered again", async () => {
    const world = await createWorld()
    world.receivers.at(HOOK, 410, 200)
    await registerHook(world, HOOK)
    await registerUser(world, "alice")
    await world.runDue()
    await registerHook(world, HOOK)
    expect(await endpointState(world)).toEqual({
      disabled_at: null,
      disabled_reason: null,
      failing_since: null,
    })
    const eventId = await registerUser(world, "bob")
    await world.runAll()
    expect(await deliveryOf(world, eventId)).toMatchObject({ status: "delivered" })
  })
})

describe("an endpoint that only fails", () => {
  /** Fails every twelve hours, with a new event each time. */
  async function failFor(world: World, halfDays: number, from = 0): Promise<void> {
    for (let n = from; n < from + halfDays; n++) {
      await registerUser(world, `user-${n}`)
      await pass(world, 12 * HOUR_MS)
    }
  }

  it("is disabled after five days, with the reason, and its waiting deliveries end as disabled", async () => {
    const world = await createWorld()
    world.receivers.at(HOOK, 500)
    await registerHook(world, HOOK)
    const first = world.clock.now()
    await registerUser(world, "first")
    await world.runDue()
    expect((await endpointState(world))?.failing_since).toBe(first)
    await failFor(world, 9)
    expect(world.clock.now() - first).toBe(4.5 * DAY_MS)
    // Ten minutes apart: an endpoint that fails for long is left alone for five after each failure.
    await pass(world, 12 * HOUR_MS - 600_000)
    expect(await endpointState(world)).toMatchObject({
      disabled_at: null,
      disabled_reason: null,
      failing_since: first,
    })
    const last = await registerUser(world, "last")
    await pass(world, 600_000)
    expect(await endpointState(world)).toMatchObject({
      disabled_reason: "failing",
      disabled_at: first + 5 * DAY_MS,
    })
    await pass(world, 2 * DAY_MS)
    expect(await deliveryOf(world, last)).toMatchObject({ status: "failed", reason: "disabled" })
    const { results } = await world.env.DB.prepare("SELECT DISTINCT status, reason FROM deliveries").all()
    expect(results).not.toContainEqual(expect.objectContaining({ status: "pending" }))
    const arrived = world.receivers.received.length
    await registerUser(world, "after")
    await pass(world, DAY_MS)
    expect(world.receivers.received).toHaveLength(arrived)
  })

  it("is disabled by DISABLE_AFTER_SECONDS, but not by one long failure", async () => {
    const world = await createWorld({ DISABLE_AFTER_SECONDS: "60" })
    world.receivers.at(HOOK, 500)
    await registerHook(world, HOOK)
    await registerUser(world, "alice")
    await world.runDue()
    await pass(world, 5_000)
    expect(await endpointState(world)).toMatchObject({ disabled_reason: null })
    await pass(world, 301_000)
    expect(await endpointState(world)).toMatchObject({ disabled_reason: "failing" })
  })

  it("begins anew after one success in between", async () => {
    const world = await createWorld()
    world.receivers.at(HOOK, 500)
    await registerHook(world, HOOK)
    await registerUser(world, "first")
    await world.runDue()
    await failFor(world, 8)
    world.receivers.at(HOOK, 200)
    await registerUser(world, "lucky")
    await pass(world, HOUR_MS)
    expect(await endpointState(world)).toEqual({
      disabled_at: null,
      disabled_reason: null,
      failing_since: null,
    })
    world.receivers.at(HOOK, 500)
    const second = world.clock.now()
    await failFor(world, 9, 100)
    const state = await endpointState(world)
    expect(state?.failing_since).toBeGreaterThanOrEqual(second)
    expect(state?.disabled_at).toBeNull()
    await failFor(world, 4, 200)
    expect(await endpointState(world)).toMatchObject({ disabled_reason: "failing" })
  })

  it("is not disabled, nor saved, by pings", async () => {
    const world = await createWorld()
    world.pingsWork()
    await registerHook(world, HOOK)
    for (const answer of [500, 410, new Error("Network connection lost."), 503]) {
      world.receivers.at(HOOK, answer)
      for (let n = 0; n < 4; n++) {
        expect((await world.fetch("/ping", { method: "POST" })).status).toBe(200)
        await pass(world, 12 * HOUR_MS)
      }
    }
    expect(world.receivers.received).toHaveLength(16)
    expect(await endpointState(world)).toEqual({
      disabled_at: null,
      disabled_reason: null,
      failing_since: null,
    })

    world.receivers.at(HOOK, 500)
    const failing = world.clock.now()
    await registerUser(world, "alice")
    await world.runDue()
    world.receivers.at(HOOK, 200)
    await world.fetch("/ping", { method: "POST" })
    expect(await endpointState(world)).toMatchObject({ failing_since: failing })
  })
})
