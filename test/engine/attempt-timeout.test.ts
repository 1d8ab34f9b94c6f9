import { describe, expect, it, vi } from "vitest"
import { attempt } from "../../src/engine/pipeline/attempt.ts"
import type { Deps } from "../../src/platform/deps.ts"
import { ENDPOINT, EVENT, HOOK, withFetch } from "../support/attempt.ts"
import { registerHook, registerUser } from "../support/make.ts"
import { attemptsOf } from "../support/read.ts"
import { createWorld, type World } from "../support/world.ts"

/** A response whose body sends these chunks and then hangs. */
function hanging(status: number, ...chunks: string[]): Response {
  const encoder = new TextEncoder()
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(encoder.encode(chunk))
    },
    pull: () => new Promise(() => {}),
  })
  return new Response(body, { status })
}

/** Waits until the one request is under way: its timer is set, and the two of its batch if it has one. */
const underWay = (world: World, timers = 1) =>
  expect.poll(() => world.clock.timers(), { interval: 1 }).toBe(timers)

describe("the timeout of an attempt", () => {
  it.each(["15000", "100", "60000"])("comes after exactly ATTEMPT_TIMEOUT_MS: %s", async (setting) => {
    const timeoutMs = Number(setting)
    const world = await createWorld({ ATTEMPT_TIMEOUT_MS: setting })
    world.receivers.at(HOOK, "hang")
    let made: Awaited<ReturnType<typeof attempt>> | undefined
    const running = attempt(world.deps, EVENT, ENDPOINT, "scheduled").then((result) => {
      made = result
    })
    await underWay(world)
    world.clock.advance(timeoutMs - 1)
    expect([made, world.clock.timers()]).toEqual([undefined, 1])
    world.clock.advance(1)
    await running
    expect(made).toMatchObject({
      outcome: "retry",
      statusCode: null,
      error: "timeout",
      durationMs: timeoutMs,
    })
  })

  it("ends the request itself", async () => {
    const world = await createWorld()
    let signal: AbortSignal | undefined
    const deps: Deps = {
      ...world.deps,
      fetch: ((_url: unknown, init: { signal: AbortSignal }) => {
        signal = init.signal
        return new Promise(() => {})
      }) as unknown as Deps["fetch"],
    }
    const running = attempt(deps, EVENT, ENDPOINT, "scheduled")
    await underWay(world)
    expect(signal?.aborted).toBe(false)
    world.clock.advance(15_000)
    expect((await running).error).toBe("timeout")
    expect(signal?.aborted).toBe(true)
  })

  it("is gone once the answer is in: no timer stays behind", async () => {
    const world = await createWorld()
    let pending = 0
    const clock = {
      ...world.clock,
      after: (ms: number, callback: () => void) => {
        pending++
        const cancel = world.clock.after(ms, callback)
        return () => {
          pending--
          cancel()
        }
      },
    }
    for (const answer of [200, 500, new Error("x")]) {
      world.receivers.at(HOOK, answer)
      await attempt({ ...world.deps, clock }, EVENT, ENDPOINT, "scheduled")
      expect(pending).toBe(0)
    }
  })

  it("does not undo a 200 whose body hangs: that is delivered, with what had come", async () => {
    const world = await createWorld()
    const deps = withFetch(world, async () => hanging(200, '{"ok":'))
    const running = attempt(deps, EVENT, ENDPOINT, "scheduled")
    await underWay(world)
    world.clock.advance(15_000)
    expect(await running).toMatchObject({
      outcome: "delivered",
      statusCode: 200,
      error: null,
      durationMs: 15_000,
      body: { text: '{"ok":', encoding: "utf8" },
    })
  })

  it("keeps the status of a failure whose body hangs or breaks off", async () => {
    const world = await createWorld()
    const hung = attempt(
      withFetch(world, async () => hanging(500, "oops")),
      EVENT,
      ENDPOINT,
      "scheduled",
    )
    await underWay(world)
    world.clock.advance(15_000)
    expect(await hung).toMatchObject({
      outcome: "retry",
      statusCode: 500,
      error: null,
      body: { text: "oops" },
    })
    const breaking = new ReadableStream({
      pull: (controller) => controller.error(new Error("Network connection lost.")),
    })
    const broken = await attempt(
      withFetch(world, async () => new Response(breaking, { status: 410 })),
      EVENT,
      ENDPOINT,
      "scheduled",
    )
    expect(broken).toMatchObject({ outcome: "gone", statusCode: 410, error: null, body: { text: "" } })
  })

  it("lets a hanging receiver's delivery be tried again", async () => {
    const world = await createWorld()
    world.receivers.at(HOOK, "hang", 200)
    await registerHook(world, HOOK)
    const eventId = await registerUser(world, "alice")
    const running = world.runDue()
    await vi.waitFor(() => expect(world.receivers.received).toHaveLength(1))
    world.clock.advance(15_000)
    await running
    await world.runAll(10_000)
    expect(world.receivers.received).toHaveLength(2)
    const attempts = await attemptsOf(world, eventId)
    expect(attempts.map(({ error, statusCode, durationMs }) => [error, statusCode, durationMs])).toEqual([
      ["timeout", null, 15_000],
      [null, 200, 0],
    ])
  })
})

describe("a batch with an endpoint that hangs", () => {
  const OTHER = "http://other.example/hook"

  it("books everybody else's retry and pause from the end of their own attempts", async () => {
    const world = await createWorld()
    world.receivers.at(HOOK, "hang")
    world.receivers.at(OTHER, () => new Response(null, { status: 503, headers: { "retry-after": "8" } }))
    for (const url of [HOOK, OTHER]) await registerHook(world, url)
    const eventId = await registerUser(world, "alice")
    const start = world.clock.now()
    const working = world.run(world.queued.splice(0))
    await expect.poll(() => world.receivers.received.length).toBe(2)
    await underWay(world, 3)
    world.clock.advance(15_000)
    await working
    const { results } = await world.env.DB.prepare(
      `SELECT e.url, d.next_attempt_at, e.paused_until FROM deliveries d JOIN endpoints e ON e.id = d.endpoint_id
       WHERE d.event_id = ? ORDER BY e.id`,
    )
      .bind(eventId)
      .all()
    expect(results).toEqual([
      { url: HOOK, next_attempt_at: start + 15_000 + 5_000, paused_until: null },
      { url: OTHER, next_attempt_at: start + 8_000, paused_until: null },
    ])
    await world.runDue()
    expect(world.receivers.to(OTHER).map(({ at }) => at - start)).toEqual([0, 15_000])
  })
})
