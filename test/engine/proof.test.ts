import { describe, expect, it } from "vitest"

import { STRAGGLER_AFTER_MS } from "../../src/engine/pipeline/pool.ts"
import { consume } from "../../src/queue.ts"
import { registerHook, registerUser } from "../support/make.ts"
import { deliveriesOf } from "../support/read.ts"
import { batchOf, createWorld, type World } from "../support/world.ts"

// An endpoint has one request open in a batch until it has taken a delivery, and the others go before it. What is known of
// it, of its speed too, holds for this receiver: enabling it, registering it again or giving it a new URL starts afresh.

const NEW = "http://new.example/hook"
const WELL = "http://well.example/hook"
const DAY_MS = 24 * 3_600_000

const registerUsers = async (world: World, ...names: string[]) => {
  const ids: string[] = []
  for (const name of names) ids.push(await registerUser(world, name))
  return ids
}

const stateOf = (world: World, url = NEW) =>
  world.env.DB.prepare("SELECT id, proven_at, slow_ms, failing_since FROM endpoints WHERE url = ?")
    .bind(url)
    .first<{
      id: string
      proven_at: number | null
      slow_ms: number | null
      failing_since: number | null
    }>()

/** A world where these have taken a delivery. */
async function worldWithProven(...urls: string[]) {
  const world = await createWorld()
  for (const url of urls) await registerHook(world, url)
  await registerUser(world, "first")
  await world.runDue()
  world.receivers.received.length = 0
  world.clock.advance(1_000)
  return world
}

/** Works what is on the queues as one batch, and lets two seconds pass once so many requests are out. */
async function workUntilCut(world: World, requests: number): Promise<void> {
  const work = consume(batchOf(world.queued.splice(0)), world.deps)
  await expect.poll(() => world.receivers.received.length, { interval: 1 }).toBe(requests)
  // Nothing else goes out.
  await world.quiet()
  world.clock.advance(STRAGGLER_AFTER_MS)
  await work
}

/** An answer that takes so long. */
const after = (world: World, ms: number, status = 200) => {
  return () =>
    new Promise<number>((resolve) => {
      world.clock.after(ms, () => resolve(status))
    })
}

describe("an endpoint that has never taken a delivery", () => {
  it("has one request open in a batch, and what else it is owed is due in the retry lane", async () => {
    const world = await worldWithProven(WELL)
    await registerHook(world, NEW)
    world.receivers.at(NEW, "hang")
    const ids = await registerUsers(world, "a", "b", "c", "d", "e")
    await workUntilCut(world, 6)
    expect(world.receivers.to(NEW)).toHaveLength(1)
    expect(world.receivers.to(WELL)).toHaveLength(5)
    const hanging = (await stateOf(world))?.id
    const owed = (await Promise.all(ids.map((id) => deliveriesOf(world, id))))
      .flat()
      .filter(({ endpointId }) => endpointId === hanging)
    const now = world.clock.now()
    expect(owed.map(({ status, attempts }) => [status, attempts])).toEqual(Array(5).fill(["pending", 0]))
    expect(owed.filter(({ nextAttemptAt }) => nextAttemptAt === now)).toHaveLength(4)
    expect(world.queued.map(({ job }) => job.kind)).toContain("drain")
  })

  it("gets everything at once when it takes the first", async () => {
    const world = await worldWithProven(WELL)
    await registerHook(world, NEW)
    await registerUsers(world, "a", "b", "c", "d", "e")
    await world.run(world.queued.splice(0))
    expect(world.receivers.to(NEW)).toHaveLength(5)
    expect(await stateOf(world)).toMatchObject({ proven_at: world.clock.now() })
  })

  it("goes behind those that have: as many hanging ones as there are lanes hold up nobody", async () => {
    const world = await createWorld()
    const hanging = Array.from({ length: 7 }, (_, n) => `http://a${n}.example/hook`)
    for (const url of [...hanging, WELL]) await registerHook(world, url)
    for (const url of hanging) world.receivers.at(url, "hang")
    await world.env.DB.prepare("UPDATE endpoints SET proven_at = 1 WHERE url = ?").bind(WELL).run()
    await registerUsers(world, "a", "b", "c")
    await workUntilCut(world, 3 + 6)
    expect(world.receivers.to(WELL)).toHaveLength(3)
  })

  it.each([
    ["quick enough: it is proven, and nothing more", 400, null],
    ["slow: it is that, too", 1_800, 1_800],
  ])("is waited for a quarter of a second; its answer is then %s", async (_what, ms, slowMs) => {
    const world = await worldWithProven(WELL)
    await registerHook(world, NEW)
    world.receivers.at(NEW, after(world, ms))
    await registerUser(world, "a")
    const startedAt = world.clock.now()
    const work = consume(batchOf(world.queued.splice(0)), world.deps)
    await expect.poll(() => world.receivers.received.length, { interval: 1 }).toBe(2)
    await world.quiet()
    world.clock.advance(250)
    await work
    // Until then what it is owed is due in the retry lane.
    expect(await stateOf(world)).toMatchObject({ proven_at: null, slow_ms: 1_000 })
    world.clock.advance(ms - 250)
    await world.settled()
    expect(await stateOf(world)).toMatchObject({ proven_at: startedAt, slow_ms: slowMs })
  })

  it("has no second one open in what else the batch does", async () => {
    const world = await createWorld()
    await registerHook(world, NEW)
    world.receivers.at(NEW, "hang")
    await registerUser(world, "a")
    const fresh = batchOf(world.queued.splice(0))
    await registerUser(world, "b")
    const again = batchOf(world.queued.splice(0), 2)
    const work = consume({ ...fresh, messages: [...fresh.messages, ...again.messages] }, world.deps)
    await expect.poll(() => world.receivers.received.length, { interval: 1 }).toBe(1)
    world.clock.advance(STRAGGLER_AFTER_MS)
    await work
    expect(world.receivers.to(NEW)).toHaveLength(1)
  })
})

describe("proof", () => {
  it("is the first success, and later attempts write nothing to the endpoint", async () => {
    const world = await createWorld()
    await registerHook(world, NEW)
    const startedAt = world.clock.now()
    const written: string[] = []
    world.probe.onTrip = (statements) =>
      written.push(...statements.filter(({ rowsWritten }) => rowsWritten > 0).map(({ sql }) => sql))
    const toEndpoint = () => written.filter((text) => text.includes("UPDATE endpoints")).length
    await registerUser(world, "a")
    await world.runDue()
    expect(toEndpoint()).toBe(1)
    world.clock.advance(1_000)
    await registerUser(world, "b")
    await world.runDue()
    expect(toEndpoint()).toBe(1)
    expect(await stateOf(world)).toMatchObject({ proven_at: startedAt })
  })

  it("is a success in the retry lane or by hand, too; neither a failure nor a ping is", async () => {
    const world = await createWorld()
    await registerHook(world, NEW)
    world.receivers.at(NEW, 500)
    const eventId = await registerUser(world, "a")
    await world.runDue()
    expect(await stateOf(world)).toMatchObject({ proven_at: null })
    world.receivers.at(NEW, 200)
    world.pingsWork()
    expect((await world.fetch("/ping", { json: {} })).status).toBe(200)
    expect(world.receivers.to(NEW)).toHaveLength(2)
    expect(await stateOf(world)).toMatchObject({ proven_at: null })
    const path = `/api/v1/app/users/msg/${eventId}/endpoint/${(await stateOf(world))?.id}/resend`
    expect((await world.fetch(path, { method: "POST" })).status).toBe(202)
    await world.runDue()
    expect(await stateOf(world)).toMatchObject({ proven_at: world.clock.now() })

    await world.env.DB.prepare("UPDATE endpoints SET proven_at = NULL").run()
    world.receivers.at(NEW, 500, 200)
    await registerUser(world, "b")
    await world.runAll(10_000)
    expect((await stateOf(world))?.proven_at).toBeGreaterThan(0)
  })

  it.each<[string, (world: World, path: string) => Promise<Response>, string, boolean]>([
    [
      "enabling",
      async (world, path) => {
        await world.fetch(path, { method: "PATCH", json: { disabled: true } })
        return world.fetch(path, { method: "PATCH", json: { disabled: false } })
      },
      NEW,
      false,
    ],
    [
      "registering again what is disabled",
      async (world, path) => {
        await world.fetch(path, { method: "PATCH", json: { disabled: true } })
        return world.fetch("/webhook", { json: { event: "user_registered", url: NEW } })
      },
      NEW,
      false,
    ],
    [
      "a new URL",
      (world, path) => world.fetch(path, { method: "PATCH", json: { url: `${NEW}/2` } }),
      `${NEW}/2`,
      false,
    ],
    [
      "putting a new URL",
      (world, path) => world.fetch(path, { method: "PUT", json: { url: `${NEW}/2` } }),
      `${NEW}/2`,
      false,
    ],
    [
      "putting the URL that it has",
      (world, path) => world.fetch(path, { method: "PUT", json: { url: NEW } }),
      NEW,
      true,
    ],
    [
      "registering again what is enabled",
      (world) => world.fetch("/webhook", { json: { event: "user_registered", url: NEW } }),
      NEW,
      true,
    ],
    [
      "enabling what is enabled",
      (world, path) => world.fetch(path, { method: "PATCH", json: { disabled: false } }),
      NEW,
      true,
    ],
    [
      "another description",
      (world, path) => world.fetch(path, { method: "PATCH", json: { description: "x" } }),
      NEW,
      true,
    ],
  ])(
    "goes with what else is known of a receiver, or stays with it: %s",
    async (_what, change, url, stays) => {
      const world = await worldWithProven(NEW)
      await world.env.DB.prepare(
        "UPDATE endpoints SET slow_ms = 3000, failing_since = ?, paused_until = ?, gone_at = 1",
      )
        .bind(world.clock.now() - DAY_MS, world.clock.now() + 60_000)
        .run()
      const { id } = (await stateOf(world)) ?? {}
      expect((await change(world, `/api/v1/app/users/endpoint/${id}`)).status).toBeLessThan(500)
      const known = await world.env.DB.prepare(
        "SELECT url, proven_at > 0 AS proven, slow_ms, failing_since > 0 AS failing, paused_until > 0 AS paused, gone_at FROM endpoints",
      ).first()
      expect(known).toEqual(
        stays
          ? { url, proven: 1, slow_ms: 3000, failing: 1, paused: 1, gone_at: 1 }
          : { url, proven: null, slow_ms: null, failing: null, paused: null, gone_at: null },
      )
    },
  )

  it("of one receiver is none of another: an answer that was under way when the URL changed says nothing", async () => {
    const world = await createWorld()
    await registerHook(world, NEW)
    world.receivers.at(NEW, after(world, 4_900))
    await registerUser(world, "a")
    await workUntilCut(world, 1)
    expect(await stateOf(world)).toMatchObject({ slow_ms: STRAGGLER_AFTER_MS })
    const path = `/api/v1/app/users/endpoint/${(await stateOf(world))?.id}`
    const url = `${NEW}/2`
    expect((await world.fetch(path, { method: "PATCH", json: { url } })).status).toBe(200)
    world.clock.advance(2_900)
    await world.settled()
    expect(await stateOf(world, url)).toMatchObject({ proven_at: null, slow_ms: null })
  })
})

describe("an endpoint that is slow", () => {
  /** One event, its first batch alone: whether the first attempt was made there. */
  async function isAskedAtOnce(world: World, name: string): Promise<boolean> {
    const before = world.receivers.to(NEW).length
    await registerUser(world, name)
    await world.run(world.queued.splice(0).filter(({ job }) => job.kind === "dispatch"))
    return world.receivers.to(NEW).length > before
  }

  /** An answer in the retry lane that takes so long. */
  async function answerInLane(world: World, ms: number): Promise<void> {
    world.receivers.at(NEW, ms === 0 ? 200 : after(world, ms))
    const due = world.receivers.received.length + 1
    const work = world.run(world.queued.splice(0))
    await expect.poll(() => world.receivers.received.length, { interval: 1 }).toBe(due)
    world.clock.advance(ms)
    await work
  }

  it("is so from its first slow answer on, as long as its answers take long, and for a few quick ones", async () => {
    const world = await worldWithProven(NEW)
    world.receivers.at(NEW, after(world, 4_900))
    await registerUser(world, "first slow")
    await workUntilCut(world, 1)
    world.clock.advance(2_900)
    await world.settled()
    const slowness: (number | null | undefined)[] = [(await stateOf(world))?.slow_ms]
    for (const [n, ms] of [4_900, 4_900, 0, 4_900, 0, 0, 0, 0, 0].entries()) {
      expect(await isAskedAtOnce(world, `event ${n}`)).toBe(false)
      await answerInLane(world, ms)
      slowness.push((await stateOf(world))?.slow_ms)
    }
    expect(slowness).toEqual([4_000, 4_000, 4_000, 3_000, 4_000, 3_000, 2_250, 1_687, 1_265, null])
    expect(await isAskedAtOnce(world, "quick again")).toBe(true)
  })

  it("stays so when a batch that has met it before records a quick answer later", async () => {
    const world = await worldWithProven(NEW)
    const answers: ((status: number) => void)[] = []
    world.receivers.at(NEW, () => new Promise<number>((resolve) => answers.push(resolve)))
    await registerUser(world, "a")
    const first = consume(batchOf(world.queued.splice(0)), world.deps)
    await expect.poll(() => answers.length, { interval: 1 }).toBe(1)
    world.clock.advance(1_000)
    await registerUser(world, "b")
    const second = consume(batchOf(world.queued.splice(0)), world.deps)
    await expect.poll(() => answers.length, { interval: 1 }).toBe(2)
    world.clock.advance(1_000)
    await first
    expect(await stateOf(world)).toMatchObject({ slow_ms: STRAGGLER_AFTER_MS, failing_since: null })
    answers[1]?.(500)
    await second
    const startedAt = world.clock.now() - 1_000
    expect(await stateOf(world)).toMatchObject({ slow_ms: STRAGGLER_AFTER_MS, failing_since: startedAt })
  })
})
