import { describe, expect, it } from "vitest"

import { Budget, STATEMENTS_PER_INVOCATION } from "../../src/engine/pipeline/budget.ts"
import { drain } from "../../src/engine/pipeline/drain.ts"
import { STRAGGLER_AFTER_MS } from "../../src/engine/pipeline/pool.ts"
import { consume } from "../../src/queue.ts"
import { makeDue, makeEndpoints, registerHook, registerUser } from "../support/make.ts"
import { attemptsOf, deliveriesOf, deliveryOf } from "../support/read.ts"
import { batchOf, createWorld, type World } from "../support/world.ts"

// Nobody waits for a straggler: what has not answered in two seconds goes on behind its batch.

const HANGING = "http://hanging.example/hook"
const WELL = "http://well.example/hook"
const TIMEOUT_MS = 15_000
/** Until then nobody else makes the request that was open. */
const OPEN_FOR_MS = 45_000

/** A receiver that answers its requests when it is told to, in the order in which they came. */
function answersWhenTold(world: World, url = HANGING): ((status: number) => void)[] {
  const waiting: ((status: number) => void)[] = []
  world.receivers.at(url, () => new Promise<number>((resolve) => waiting.push(resolve)))
  return waiting
}

/** Two seconds pass for work that makes so many requests; it ends. */
async function cut(world: World, work: Promise<unknown>, requests: number): Promise<void> {
  await expect.poll(() => world.receivers.received.length, { interval: 1 }).toBe(requests)
  // Who is well has answered by then.
  await world.quiet()
  world.clock.advance(STRAGGLER_AFTER_MS)
  await work
}

/** One event for an endpoint that hangs and one that is well, its batch at its end and the straggler behind it. */
async function worldWithStraggler({ timesOut = true } = {}) {
  const world = await createWorld()
  for (const url of [HANGING, WELL]) await registerHook(world, url)
  const waiting = answersWhenTold(world)
  const eventId = await registerUser(world, "ada")
  const jobs = world.queued.splice(0)
  const startedAt = world.clock.now()
  const batch = batchOf(jobs)
  const after = (ms: number, callback: () => void) =>
    ms < TIMEOUT_MS || timesOut ? world.clock.after(ms, callback) : () => {}
  await cut(world, consume(batch, { ...world.deps, clock: { ...world.clock, after } }), 2)
  const idOf = async (url: string) =>
    (await world.env.DB.prepare("SELECT id FROM endpoints WHERE url = ?").bind(url).first<string>("id")) ?? ""
  const hanging = await idOf(HANGING)
  return {
    world,
    eventId,
    jobs,
    startedAt,
    settled: batch.settled,
    waiting,
    answer: (status: number) => waiting[0]?.(status),
    hanging,
    straggler: () => deliveryOf(world, eventId, hanging),
    endpoint: () => world.env.DB.prepare("SELECT * FROM endpoints WHERE id = ?").bind(hanging).first(),
  }
}

/** Lets time pass, and what was open end. */
const later = async (world: World, ms: number) => {
  world.clock.advance(ms)
  await world.settled()
}

describe("a batch with a straggler", () => {
  it("ends after two seconds: its job is done, its event dispatched, and who is well is recorded", async () => {
    const { world, eventId, startedAt, settled, hanging } = await worldWithStraggler()
    expect(settled).toEqual(["ack"])
    const event = await world.env.DB.prepare("SELECT dispatched_at FROM events").first()
    expect(event).toEqual({ dispatched_at: startedAt + STRAGGLER_AFTER_MS })
    const [one, other] = await deliveriesOf(world, eventId)
    expect([one, other].find((delivery) => delivery?.endpointId !== hanging)).toMatchObject({
      status: "delivered",
      attempts: 1,
    })
    expect([one, other].find((delivery) => delivery?.endpointId === hanging)).toMatchObject({
      status: "pending",
      attempts: 0,
      attemptedAt: null,
      nextAttemptAt: startedAt + STRAGGLER_AFTER_MS + OPEN_FOR_MS,
    })
  })

  it("ends sooner when all have answered", async () => {
    const world = await createWorld()
    await registerHook(world, WELL)
    await registerUser(world, "ada")
    await world.runDue()
    expect(world.clock.timers()).toBe(0)
  })

  it("books its delivery by its answer: delivered, in the row of the delivery, and nothing is due", async () => {
    const { world, eventId, startedAt, answer, straggler, endpoint } = await worldWithStraggler()
    world.clock.advance(2_900)
    answer(200)
    await world.settled()
    expect(await straggler()).toMatchObject({
      status: "delivered",
      attempts: 1,
      attemptedAt: startedAt,
      durationMs: 4_900,
      nextAttemptAt: null,
      endedAt: startedAt + 4_900,
    })
    expect(await attemptsOf(world, eventId)).toHaveLength(2)
    expect(await endpoint()).toMatchObject({ due_at: null, failing_since: null })
    await world.runAllWithSweeps(120_000)
    expect(world.receivers.to(HANGING)).toHaveLength(1)
  })

  it("books a retry by the end of its attempt when it times out", async () => {
    const { world, startedAt, straggler, endpoint } = await worldWithStraggler()
    await later(world, TIMEOUT_MS - STRAGGLER_AFTER_MS)
    expect(await straggler()).toMatchObject({
      status: "pending",
      attempts: 1,
      error: "timeout",
      durationMs: TIMEOUT_MS,
      nextAttemptAt: startedAt + TIMEOUT_MS + 5_000,
    })
    expect(await endpoint()).toMatchObject({
      failing_since: startedAt,
      due_at: startedAt + TIMEOUT_MS + 5_000,
    })
  })

  it("sends a drain for the retry, and none for the time until which its request is open", async () => {
    const { world, startedAt } = await worldWithStraggler()
    expect(world.queued).toEqual([])
    await later(world, TIMEOUT_MS - STRAGGLER_AFTER_MS)
    expect(world.queued.map(({ job, at }) => [job.kind, at - startedAt])).toEqual([
      ["drain", TIMEOUT_MS + 6_000],
    ])
  })

  it("has its endpoint read as slow from then on: the next event's first attempt is made in the retry lane", async () => {
    const { world } = await worldWithStraggler()
    const eventId = await registerUser(world, "bob")
    await world.run(world.queued.splice(0).filter(({ job }) => job.kind === "dispatch"))
    expect(world.receivers.to(HANGING)).toHaveLength(1)
    expect(world.receivers.to(WELL)).toHaveLength(2)
    expect((await deliveriesOf(world, eventId)).map(({ status }) => status).sort()).toEqual([
      "delivered",
      "pending",
    ])
  })

  it("waits for it to the end where a timeout is longer than an invocation may go on behind its batch", async () => {
    const world = await createWorld({ ATTEMPT_TIMEOUT_MS: "60000" })
    await registerHook(world, HANGING)
    world.receivers.at(HANGING, "hang")
    await registerUser(world, "ada")
    let isOver = false
    const run = consume(batchOf(world.queued.splice(0)), world.deps).then(() => (isOver = true))
    await expect.poll(() => world.receivers.received.length).toBe(1)
    world.clock.advance(59_000)
    await world.quiet()
    expect(isOver).toBe(false)
    world.clock.advance(1_000)
    await run
  })
})

describe("a batch that others wait behind", () => {
  /** An event that has waited for so long before it is worked, half a second into its batch. */
  async function workLate(waitedMs: number) {
    const world = await createWorld()
    await registerHook(world, HANGING)
    await world.env.DB.prepare("UPDATE endpoints SET proven_at = 1").run()
    const waiting = answersWhenTold(world)
    await registerUser(world, "ada")
    world.clock.advance(waitedMs)
    const work = consume(batchOf(world.queued.splice(0)), world.deps)
    await expect.poll(() => waiting.length, { interval: 1 }).toBe(1)
    let isOver = false
    void work.then(() => {
      isOver = true
    })
    world.clock.advance(500)
    await world.quiet()
    return { world, work, waiting, isOver: () => isOver }
  }

  it("ends after half a second, and takes whoever has not answered for slow", async () => {
    const { world, work, isOver } = await workLate(1_501)
    expect(isOver()).toBe(true)
    await work
    expect(await world.env.DB.prepare("SELECT slow_ms FROM endpoints").first("slow_ms")).toBe(
      STRAGGLER_AFTER_MS,
    )
    await registerUser(world, "bob")
    await world.run(world.queued.filter(({ queue }) => queue === "events"))
    expect(world.receivers.received).toHaveLength(1)
  })

  it("books its straggler by its answer, too", async () => {
    const { world, work, waiting } = await workLate(1_501)
    await work
    waiting[0]?.(200)
    await world.settled()
    const rows = await world.env.DB.prepare("SELECT status, attempts FROM deliveries").all()
    expect(rows.results).toEqual([{ status: "delivered", attempts: 1 }])
  })

  it("has its two seconds when nobody waits", async () => {
    const { world, work, isOver } = await workLate(1_500)
    expect(isOver()).toBe(false)
    world.clock.advance(STRAGGLER_AFTER_MS)
    await work
  })
})

describe("while a request is open", () => {
  it("its job, when it comes again, sends nothing", async () => {
    const { world, jobs } = await worldWithStraggler()
    await consume(batchOf(jobs, 2), world.deps)
    await consume(batchOf(jobs), world.deps)
    expect(world.receivers.received).toHaveLength(2)
  })

  it("neither the retry lane nor the sweep makes it again, as long as it can still be recorded", async () => {
    const { world } = await worldWithStraggler()
    await world.runAll(OPEN_FOR_MS - 1)
    await world.sweep()
    await world.runDue()
    expect(world.receivers.to(HANGING)).toHaveLength(1)
  })

  it.each([
    ["removed", "DELETE", undefined, { status: "canceled", reason: "removed" }],
    ["disabled", "PATCH", { disabled: true }, { status: "delivered", reason: null }],
  ])("its endpoint may be %s: the attempt is kept", async (_what, method, json, outcome) => {
    const { world, eventId, hanging, answer, straggler } = await worldWithStraggler()
    const path = `/api/v1/app/users/endpoint/${hanging}`
    const done = await world.fetch(path, json ? { method, json } : { method })
    expect(done.ok).toBe(true)
    await world.runDue()
    answer(200)
    await world.settled()
    expect(await straggler()).toMatchObject(outcome)
    expect((await attemptsOf(world, eventId)).map(({ statusCode }) => statusCode)).toEqual([200, 200])
  })

  it("a resend that is answered first decides, and the late answer is kept as an attempt", async () => {
    const { world, eventId, hanging, answer, straggler } = await worldWithStraggler()
    world.receivers.at(HANGING, 200)
    const path = `/api/v1/app/users/msg/${eventId}/endpoint/${hanging}/resend`
    expect((await world.fetch(path, { method: "POST" })).status).toBe(202)
    const jobs = world.queued.splice(0).filter(({ queue }) => queue === "tasks")
    await consume(batchOf(jobs), world.deps)
    answer(500)
    await world.settled()
    expect(await straggler()).toMatchObject({ status: "delivered" })
    const attempts = await attemptsOf(world, eventId)
    expect(attempts.map(({ trigger, statusCode }) => [trigger, statusCode]).sort()).toEqual([
      ["manual", 200],
      ["scheduled", 200],
      ["scheduled", 500],
    ])
  })
})

describe("a process that dies with a request open", () => {
  it("costs the time until nobody can record it any more: then the retry lane makes it again", async () => {
    const { world, eventId, straggler } = await worldWithStraggler({ timesOut: false })
    world.receivers.at(HANGING, 200)
    await world.runAllWithSweeps(2 * 60_000)
    expect(world.receivers.to(HANGING).map(({ headers }) => headers["webhook-id"])).toEqual([
      eventId,
      eventId,
    ])
    expect(await straggler()).toMatchObject({ status: "delivered", attempts: 1 })
  })

  it("only seemed dead: what it brings when the retry lane has taken over is kept as an attempt", async () => {
    // Its own timer does not fire: its machine stood still.
    const { world, eventId, answer, straggler } = await worldWithStraggler({ timesOut: false })
    world.receivers.at(HANGING, 500)
    await world.runAllWithSweeps(2 * 60_000)
    const before = await straggler()
    expect(before).toMatchObject({ status: "pending", attemptedAt: null })
    answer(200)
    await world.settled()
    expect(await straggler()).toEqual(before)
    const attempts = await attemptsOf(world, eventId)
    expect(attempts.map(({ statusCode }) => statusCode).sort()).toEqual([
      200,
      200,
      ...Array(before.attempts).fill(500),
    ])
  })

  it("before it has recorded the batch: the event is owed again when its minute is over", async () => {
    const world = await createWorld()
    for (const url of [HANGING, WELL]) await registerHook(world, url)
    world.receivers.at(HANGING, "hang", 200)
    const eventId = await registerUser(world, "ada")
    world.probe.before = (statements) => {
      if (statements.some((text) => text.includes("INTO deliveries"))) throw new Error("D1_ERROR: gone")
    }
    const jobs = world.queued.splice(0)
    await cut(world, consume(batchOf(jobs), world.deps), 2)
    await later(world, TIMEOUT_MS)
    expect(await deliveriesOf(world, eventId)).toEqual([])
    world.probe.before = null
    await world.runAllWithSweeps(3 * 60_000)
    expect((await deliveriesOf(world, eventId)).map(({ status }) => status)).toEqual([
      "delivered",
      "delivered",
    ])
  })
})

describe("several stragglers of one batch", () => {
  it("are recorded within the budget, whoever ends when", async () => {
    const world = await createWorld()
    await makeEndpoints(world, 6)
    const answers: ((status: number) => void)[] = []
    for (let n = 0; n < 6; n++)
      world.receivers.at(
        `http://r${n}.example/`,
        () => new Promise<number>((resolve) => answers.push(resolve)),
      )
    const eventId = await registerUser(world, "ada")
    const asked = world.db.asked()
    await cut(world, consume(batchOf(world.queued.splice(0)), world.deps), 6)
    const records = () => world.logged.filter(({ unit }) => unit === "stragglers").length
    for (const [n, answer] of answers.entries()) {
      world.clock.advance(100)
      answer(n === 3 ? 410 : 200)
      await world.quiet()
    }
    await world.settled()
    expect(records()).toBe(3)
    expect(world.db.asked() - asked).toBeLessThanOrEqual(STATEMENTS_PER_INVOCATION)
    expect((await deliveriesOf(world, eventId)).map(({ status }) => status).sort()).toEqual([
      "delivered",
      "delivered",
      "delivered",
      "delivered",
      "delivered",
      "failed",
    ])
  })

  it("keep their lanes: whatever else the invocation does, no more than six requests are open", async () => {
    const world = await createWorld()
    await makeEndpoints(world, 6)
    for (let n = 0; n < 6; n++) world.receivers.at(`http://r${n}.example/`, "hang")
    await registerUser(world, "ada")
    const fresh = batchOf(world.queued.splice(0))
    world.clock.advance(1)
    await registerHook(world, WELL)
    const eventId = await registerUser(world, "bob")
    const again = batchOf(world.queued.splice(0), 2)
    const both = { ...fresh, messages: [...fresh.messages, ...again.messages] }
    await cut(world, consume(both, world.deps), 6)
    expect(world.receivers.received).toHaveLength(6)
    const owed = await deliveriesOf(world, eventId)
    expect(owed.map(({ status, nextAttemptAt }) => [status, nextAttemptAt])).toEqual(
      Array(7).fill(["pending", world.clock.now()]),
    )
  })
})

describe("a pass of the retry lane with a straggler", () => {
  it("ends after two seconds, holding the lease of that endpoint alone until it is recorded", async () => {
    const world = await createWorld()
    const [hanging, well] = await makeEndpoints(world, 2, (n) => (n === 0 ? HANGING : WELL))
    await makeDue(world, 2, [hanging, well])
    const waiting = answersWhenTold(world)
    await cut(world, drain(world.deps, world.db, new Budget(40)), 3)
    const leases = () =>
      world.env.DB.prepare(
        "SELECT url, lease_token IS NOT NULL AS held, slow_ms FROM endpoints ORDER BY id",
      ).all()
    expect((await leases()).results).toEqual([
      { url: HANGING, held: 1, slow_ms: STRAGGLER_AFTER_MS },
      { url: WELL, held: 0, slow_ms: null },
    ])
    waiting[0]?.(200)
    await world.settled()
    expect((await leases()).results.map(({ held }) => held)).toEqual([0, 0])
    expect(waiting).toHaveLength(1)
    const left = await world.env.DB.prepare(
      "SELECT e.url, d.status, e.due_at <= ? AS due FROM deliveries d JOIN endpoints e ON e.id = d.endpoint_id",
    )
      .bind(world.clock.now())
      .all()
    expect(left.results.filter(({ status }) => status === "pending")).toMatchObject([
      { url: HANGING, due: 1 },
    ])
  })
})
