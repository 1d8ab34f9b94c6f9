import { beforeEach, describe, expect, it, vi } from "vitest"
import { ALL, failure, type Pinged, pinging, success } from "../support/ping.ts"
import { createWorld, ORIGIN, type World } from "../support/world.ts"

const A = "http://a.example/hook"

let world: World

beforeEach(async () => {
  world = await createWorld()
  world.pingsWork()
})

/** No consumer works: the request waits in vain. */
function sleepOnly(): void {
  world.clock.whileAsleep = async (ms) => world.clock.advance(ms)
}

const { ping, pinged, register, workInBackground } = pinging(() => world)

describe("a ping that takes long", () => {
  const hanging = Array.from({ length: 13 }, (_, n) => `http://hangs-${n}.example/`)

  /** More receivers than can time out within 25 s, six at a time, 10 s each. */
  function hangAll(): Promise<unknown> {
    for (const url of hanging) world.receivers.at(url, "hang")
    const started = world.clock.now()
    return workInBackground(() => {
      const rounds = world.clock.now() - started < 10_050 ? 1 : world.clock.now() - started < 20_100 ? 2 : 3
      expect(world.receivers.received).toHaveLength(Math.min(6 * rounds, 13))
    })
  }

  it("is answered after 25 seconds with what has timed out by then and what is pending", async () => {
    await register("user_registered", ...hanging)
    void hangAll()
    const started = world.clock.now()
    const response = await ping("", { a: 1 })
    expect(response.status).toBe(202)
    expect(await response.json()).toEqual({
      message: ALL,
      successful_webhooks_count: 0,
      successful_webhooks: [],
      failed_webhooks_count: 12,
      failed_webhooks: hanging.slice(0, 12).map((url) => failure("user_registered", url, "Timed out", null)),
      pending_webhooks_count: 1,
      pending_webhooks: hanging.slice(12).map((url) => ({ event: "user_registered", url })),
      results_url: expect.stringMatching(new RegExp(`^${ORIGIN}/ping/ping_[0-9a-f]{32}$`)),
    })
    const waited = world.clock.now() - started
    expect(waited).toBeGreaterThanOrEqual(25_000)
    expect(waited).toBeLessThan(26_000)
  })

  it("requests every URL, however many hang before it", async () => {
    const many = Array.from({ length: 24 }, (_, n) => `http://hangs-${n}.example/`)
    await register("user_registered", ...many, A)
    for (const url of many) world.receivers.at(url, "hang")
    const started = world.clock.now()
    const rounds = (at: number) => Math.min(4, 1 + Math.floor((at - started - 50) / 10_000))
    const settled = () => expect(world.receivers.received).toHaveLength(6 * rounds(world.clock.now()))
    const worked = workInBackground(settled)
    await pinged()
    world.clock.advance(5000)
    await vi.waitFor(settled, { interval: 1, timeout: 20_000 })
    world.clock.advance(10_000)
    await worked
    expect(world.receivers.to(A)).toHaveLength(1)
  })

  it("has its results at results_url once they are in", async () => {
    await register("user_registered", ...hanging)
    const worked = hangAll()
    const { results_url } = await pinged()
    world.clock.advance(10_000)
    await worked
    const response = await world.fetch(results_url)
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({
      message: ALL,
      successful_webhooks_count: 0,
      successful_webhooks: [],
      failed_webhooks_count: 13,
      failed_webhooks: hanging.map((url) => failure("user_registered", url, "Timed out", null)),
    })
  })

  it("is still pending at results_url while no consumer has worked it", async () => {
    await register("user_registered", A)
    sleepOnly()
    const first = await pinged()
    const response = await world.fetch(first.results_url)
    expect(response.status).toBe(202)
    expect(await response.json()).toEqual(first)
  })

  it("keeps the filter at results_url", async () => {
    await register("user_registered", A)
    sleepOnly()
    const { results_url } = await pinged("?event_filter=user_registered")
    await world.runAll()
    expect(await (await world.fetch(results_url)).json()).toEqual({
      message: "Pinged webhooks for event 'user_registered' successfully.",
      successful_webhooks_count: 1,
      successful_webhooks: [success("user_registered", A)],
      failed_webhooks_count: 0,
      failed_webhooks: [],
    })
  })

  it("shows results at results_url after the URL was removed", async () => {
    await register("user_registered", A)
    sleepOnly()
    const { results_url } = await pinged()
    await world.runAll()
    await world.fetch("/webhook", { method: "DELETE", json: { event: "user_registered", url: A } })
    expect(await (await world.fetch(results_url)).json()).toMatchObject({ successful_webhooks_count: 1 })
  })

  it("ends as expired after 60 seconds", async () => {
    await register("user_registered", A)
    sleepOnly()
    const { results_url } = await pinged()
    world.clock.advance(60_000)
    const response = await world.fetch(results_url)
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({
      message: ALL,
      successful_webhooks_count: 0,
      successful_webhooks: [],
      failed_webhooks_count: 1,
      failed_webhooks: [failure("user_registered", A, "Expired", null)],
    })
  })

  it("sends nothing any more once it has expired", async () => {
    await register("user_registered", A)
    sleepOnly()
    const { results_url } = await pinged()
    world.clock.advance(60_000)
    await world.runAll()
    await world.sweep()
    await world.runAll()
    expect(world.receivers.received).toEqual([])
    expect(await (await world.fetch(results_url)).json()).toMatchObject({
      failed_webhooks: [failure("user_registered", A, "Expired", null)],
    })
  })

  it("is worked by the next sweep when the queue refused its job", async () => {
    await register("user_registered", A)
    world.queueRefuses = true
    sleepOnly()
    const { results_url } = await pinged()
    world.queueRefuses = false
    await world.sweep()
    await world.runAll()
    expect(await (await world.fetch(results_url)).json()).toMatchObject({
      successful_webhooks: [success("user_registered", A)],
    })
  })

  it("makes each request once when its job comes twice", async () => {
    await register("user_registered", A)
    world.clock.whileAsleep = async (ms) => {
      world.clock.advance(ms)
      world.queued.push(...world.queued)
      await world.runDue()
    }
    expect(await pinged()).toMatchObject({ successful_webhooks_count: 1 })
    expect(world.receivers.to(A)).toHaveLength(1)
  })

  it("is not sent again when its results were lost", async () => {
    await register("user_registered", A)
    world.probe.before = (statements) => {
      if (statements.some((sql) => sql.includes("INSERT INTO attempts"))) throw new Error("D1 is away")
    }
    await pinged()
    world.probe.before = null
    await world.sweep()
    await world.runAll()
    expect(world.receivers.to(A)).toHaveLength(1)
  })

  it("answers 404 for a ping that never was", async () => {
    const response = await world.fetch("/ping/ping_019a8f0c5d1b7c3e9a4f2b6d8e0c1a3f")
    expect(response.status).toBe(404)
    expect(await response.json()).toEqual({ code: "not_found", detail: "Ping not found" })
  })
})

describe("a ping of more than 200 subscriptions", () => {
  const urls = Array.from({ length: 205 }, (_, n) => `http://receiver-${n}.example/`)

  /** What 200 leave over is not worked: the queue refuses further jobs. */
  function workFirstJobs(): void {
    world.clock.whileAsleep = async (ms) => {
      world.clock.advance(ms)
      world.queueRefuses = true
      await world.runDue()
    }
  }

  it("waits for 200 and answers the rest as pending", async () => {
    await register("user_registered", ...urls)
    workFirstJobs()
    const started = world.clock.now()
    const response = await ping()
    expect(response.status).toBe(202)
    const body = await response.json<Pinged>()
    expect(body.successful_webhooks_count).toBe(200)
    expect(body.successful_webhooks.map(({ url }) => url)).toEqual(urls.slice(0, 200))
    expect(body.pending_webhooks_count).toBe(5)
    expect(body.pending_webhooks).toEqual(urls.slice(200).map((url) => ({ event: "user_registered", url })))
    expect(world.clock.now() - started).toBeLessThan(1000)
  })

  it("has all its results at results_url, in order, one request each", async () => {
    await register("user_registered", ...urls)
    workFirstJobs()
    const { results_url } = await pinged()
    world.queueRefuses = false
    await world.cron()
    await world.runAll()
    const response = await world.fetch(results_url)
    expect(response.status).toBe(200)
    const body = await response.json<Pinged>()
    expect(body.successful_webhooks.map(({ url }) => url)).toEqual(urls)
    expect(world.receivers.received).toHaveLength(205)
  })

  it("answers 200 when all are in at once", async () => {
    await register("user_registered", ...urls)
    const response = await ping()
    expect(response.status).toBe(200)
    expect(await response.json()).toMatchObject({ successful_webhooks_count: 205, failed_webhooks_count: 0 })
  })
})
