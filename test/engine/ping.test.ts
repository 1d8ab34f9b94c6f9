import { describe, expect, it } from "vitest"

import { getPingResults, startPing } from "../../src/engine/pings/ping.ts"
import { consume } from "../../src/queue.ts"
import { HOOK, pass } from "../support/attempt.ts"
import { registerHook } from "../support/make.ts"
import { batchOf, createWorld } from "../support/world.ts"

const HOUR_MS = 3_600_000

describe("a ping", () => {
  it("to receivers that hang does not hold its batch, and is told of when they have answered or timed out", async () => {
    const world = await createWorld()
    await registerHook(world, HOOK)
    world.receivers.at(HOOK, "hang")
    const ping = await startPing(world.deps, ["app_users"], { payload: () => "{}" })
    if (!ping) throw new Error("nobody is pinged")
    const results = async () =>
      (await getPingResults(world.deps, ping)).map(({ state, error }) => [state, error])
    const batch = batchOf(world.queued.splice(0))
    await consume(batch, world.deps)
    expect(batch.settled).toEqual(["ack"])
    await expect.poll(() => world.receivers.received.length, { interval: 1 }).toBe(1)
    expect(await results()).toEqual([["pending", null]])
    world.clock.advance(10_000)
    await world.settled()
    expect(await results()).toEqual([["failed", "Timed out"]])
  })

  it("is attempted once and never again, whatever comes of it", async () => {
    const world = await createWorld()
    world.pingsWork()
    await registerHook(world, HOOK)
    world.receivers.at(HOOK, () => new Response(null, { status: 503, headers: { "retry-after": "1" } }))
    await world.fetch("/ping", { method: "POST" })
    for (let n = 0; n < 5; n++) await pass(world, 6 * HOUR_MS)
    expect(world.receivers.received).toHaveLength(1)
  })

  it("ends as expired, without an attempt, once its payload is forgotten", async () => {
    const world = await createWorld()
    await registerHook(world, HOOK)
    let working: Promise<unknown> | undefined
    world.clock.whileAsleep = async () => {
      working ??= world.env.DB.prepare("UPDATE events SET payload = NULL")
        .run()
        .then(() => world.runDue())
      await working
    }
    await world.fetch("/ping", { method: "POST" })
    const rows = await world.env.DB.prepare("SELECT status, reason FROM deliveries").all()
    expect(rows.results).toEqual([{ status: "failed", reason: "expired" }])
    expect(world.receivers.received).toHaveLength(0)
  })

  it("times out after 10 s, or sooner with a shorter ATTEMPT_TIMEOUT_MS", async () => {
    for (const [setting, timeoutMs] of [
      ["15000", 10_000],
      ["3000", 3_000],
    ] as const) {
      const world = await createWorld({ ATTEMPT_TIMEOUT_MS: setting })
      world.receivers.at(HOOK, "hang")
      await registerHook(world, HOOK)
      let working: Promise<unknown> | undefined
      world.clock.whileAsleep = async () => {
        working ??= world.runDue()
        await expect.poll(() => world.receivers.received.length, { interval: 1 }).toBe(1)
        world.clock.advance(500)
        if (world.clock.timers() === 0) await working
      }
      const started = world.clock.now()
      const answer = await world.fetch("/ping", { method: "POST" })
      await working
      const { failed_webhooks: failed } = await answer.json<{ failed_webhooks: { error: string }[] }>()
      expect(failed).toEqual([{ event: "user_registered", url: HOOK, error: "Timed out", status_code: null }])
      expect(world.clock.now() - started).toBeGreaterThanOrEqual(timeoutMs)
      expect(world.clock.now() - started).toBeLessThanOrEqual(timeoutMs + 1_500)
    }
  })
})
