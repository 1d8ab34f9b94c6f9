import { describe, expect, it } from "vitest"
import { getEvent } from "../../src/engine/events/event.ts"
import { consume } from "../../src/queue.ts"
import { registerHook, registerUser } from "../support/make.ts"
import { attemptsOf, deliveriesOf } from "../support/read.ts"
import { batchOf, createWorld, type World } from "../support/world.ts"

const HOOK = "http://receiver.example/hook"
const OTHER = "http://other.example/hook"
const LEASE_MS = 61_000
const MINUTE_MS = 60_000

async function worldWithHooks(...urls: string[]): Promise<World> {
  const world = await createWorld()
  for (const url of urls) await registerHook(world, url)
  return world
}

describe("the queue", () => {
  it("may refuse the job after the batch: one sweep later the event arrives", async () => {
    const world = await worldWithHooks(HOOK)
    world.queueRefuses = true
    await registerUser(world, "ada")
    world.queueRefuses = false
    await world.cron()
    await world.runDue()
    expect(world.receivers.to(HOOK)).toHaveLength(1)
  })

  it("may refuse every job for ever: sweeps alone deliver, retries included", async () => {
    const world = await worldWithHooks(HOOK, OTHER)
    world.queueRefuses = true
    world.receivers.at(OTHER, 500, 500, 200)
    const eventId = await registerUser(world, "ada")
    for (let minute = 0; minute < 8; minute++) {
      await world.cron()
      world.clock.advance(MINUTE_MS)
    }
    expect(world.receivers.to(HOOK)).toHaveLength(1)
    expect(world.receivers.to(OTHER)).toHaveLength(3)
    expect((await deliveriesOf(world, eventId)).map((delivery) => delivery.status)).toEqual([
      "delivered",
      "delivered",
    ])
  })

  it("may deliver the same job twice, one after the other: one request, one delivery", async () => {
    const world = await worldWithHooks(HOOK)
    const eventId = await registerUser(world, "ada")
    const [entry] = world.queued
    if (!entry) throw new Error("no job was sent")
    world.queued.push({ ...entry })
    await world.runDue()
    expect(world.receivers.to(HOOK)).toHaveLength(1)
    expect(await deliveriesOf(world, eventId)).toHaveLength(1)
  })

  it("may deliver the same job twice in one batch: one request, one delivery", async () => {
    const world = await worldWithHooks(HOOK)
    const eventId = await registerUser(world, "ada")
    const jobs = world.queued.splice(0)
    await consume(batchOf([...jobs, ...jobs]), world.deps)
    expect(world.receivers.to(HOOK)).toHaveLength(1)
    expect(await deliveriesOf(world, eventId)).toMatchObject([{ status: "delivered", attempts: 1 }])
  })

  it("may deliver the same job twice at once: one delivery, and what was sent too much is kept as an attempt", async () => {
    const world = await worldWithHooks(HOOK)
    const eventId = await registerUser(world, "ada")
    const jobs = world.queued.splice(0)
    await Promise.all([consume(batchOf(jobs), world.deps), consume(batchOf(jobs), world.deps)])
    const sent = world.receivers.to(HOOK)
    expect(sent.map(({ headers }) => headers["webhook-id"])).toEqual([eventId, eventId])
    expect(await deliveriesOf(world, eventId)).toMatchObject([{ status: "delivered", attempts: 1 }])
    expect(await attemptsOf(world, eventId)).toHaveLength(2)
  })

  it("may lose every job: a sweep finds due retries too", async () => {
    const world = await worldWithHooks(HOOK)
    world.receivers.at(HOOK, 500, 200)
    await registerUser(world, "ada")
    await world.runDue()
    world.queued.length = 0
    world.clock.advance(MINUTE_MS)
    await world.cron()
    await world.runDue()
    expect(world.receivers.to(HOOK)).toHaveLength(2)
  })
})

describe("a consumer that dies", () => {
  it("after sending and before recording: sent again with the same id, recorded once", async () => {
    const world = await worldWithHooks(HOOK)
    const eventId = await registerUser(world, "ada")
    await world.runUntilDeath(() => true)
    world.receivers.at(HOOK, 200)
    world.clock.advance(LEASE_MS)
    await world.cron()
    await world.runDue()
    const [first, second] = world.receivers.to(HOOK)
    expect(second?.headers["webhook-id"]).toBe(first?.headers["webhook-id"])
    expect(second?.headers["webhook-id"]).toBe(eventId)
    expect(await deliveriesOf(world, eventId)).toMatchObject([{ status: "delivered", attempts: 1 }])
  })

  it("during a retry: the delivery is attempted again once its lease ran out", async () => {
    const world = await worldWithHooks(HOOK)
    world.receivers.at(HOOK, 500)
    const eventId = await registerUser(world, "ada")
    await world.runDue()
    world.clock.advance(10_000)
    await world.runUntilDeath(() => true)
    world.receivers.at(HOOK, 200)
    await world.cron()
    await world.runDue()
    expect(world.receivers.to(HOOK)).toHaveLength(2)
    world.clock.advance(LEASE_MS)
    await world.cron()
    await world.runDue()
    expect(world.receivers.to(HOOK)).toHaveLength(3)
    expect(await deliveriesOf(world, eventId)).toMatchObject([{ status: "delivered", attempts: 2 }])
  })

  it("each time on one event: that one ends as failed with `internal`, its batch-mates are delivered", async () => {
    const world = await worldWithHooks(HOOK)
    // It has taken a delivery: several of its requests may be open at once.
    await registerUser(world, "first")
    await world.runDue()
    const poison = await registerUser(world, "poison")
    const mate = await registerUser(world, "mate")
    for (let death = 0; death < 12; death++) {
      await world.runUntilDeath(({ headers }) => headers["webhook-id"] === poison)
      world.clock.advance(LEASE_MS)
      await world.cron()
    }
    expect(await deliveriesOf(world, mate)).toMatchObject([{ status: "delivered" }])
    expect(await deliveriesOf(world, poison)).toMatchObject([{ status: "failed", reason: "internal" }])
    expect((await getEvent(world.deps, "app_users", poison)).failure).toBe("internal")
    const requests = (id: string) =>
      world.receivers.to(HOOK).filter(({ headers }) => headers["webhook-id"] === id).length
    expect(requests(poison)).toBe(8)
    // From the third claim on the poison is handled alone.
    expect(requests(mate)).toBe(4)
  })

  it("each time on one retry: that delivery ends as failed with `internal`, its neighbours go on", async () => {
    const world = await worldWithHooks(HOOK)
    world.receivers.at(HOOK, 500)
    const poison = await registerUser(world, "poison")
    const mate = await registerUser(world, "mate")
    await world.runDue(true)
    world.receivers.at(HOOK, 200)
    for (let death = 0; death < 12; death++) {
      world.clock.advance(LEASE_MS)
      await world.cron()
      await world.runUntilDeath(({ headers }) => headers["webhook-id"] === poison)
    }
    expect(await deliveriesOf(world, mate)).toMatchObject([{ status: "delivered" }])
    expect(await deliveriesOf(world, poison)).toMatchObject([{ status: "failed", reason: "internal" }])
  })
})

describe("recording", () => {
  it("fails three times: nothing is sent twice", async () => {
    const world = await worldWithHooks(HOOK)
    const eventId = await registerUser(world, "ada")
    let faults = 3
    world.probe.before = (statements) => {
      if (statements.some((text) => text.includes("INTO attempts")) && faults-- > 0)
        throw new Error("D1_ERROR: no luck")
    }
    await world.runDue()
    await world.cron()
    await world.runDue()
    expect(faults).toBeLessThan(0)
    expect(world.receivers.to(HOOK)).toHaveLength(1)
    expect(await deliveriesOf(world, eventId)).toMatchObject([{ status: "delivered" }])
  })

  it("succeeds but its answer is lost: repeating it changes nothing", async () => {
    const world = await worldWithHooks(HOOK)
    const eventId = await registerUser(world, "ada")
    let faults = 2
    world.probe.after = (statements) => {
      if (statements.some((text) => text.includes("INTO attempts")) && faults-- > 0)
        throw new Error("D1_ERROR: Network connection lost")
    }
    await world.runDue()
    expect(world.receivers.to(HOOK)).toHaveLength(1)
    expect(await attemptsOf(world, eventId)).toHaveLength(1)
    expect(await deliveriesOf(world, eventId)).toMatchObject([{ status: "delivered", attempts: 1 }])
  })

  it("of one bad row does not take its neighbours along", async () => {
    const world = await worldWithHooks(HOOK)
    const bad = await registerUser(world, "bad")
    const good = await registerUser(world, "good")
    const run = () => world.runDue(true)
    const { DB } = world.env
    // A row that the database itself refuses, whatever batch it comes in.
    await DB.prepare(
      `CREATE TRIGGER refuse_bad BEFORE INSERT ON deliveries WHEN new.event_id = '${bad}' BEGIN SELECT RAISE(ABORT, 'bad row'); END`,
    ).run()
    await run()
    await DB.prepare("DROP TRIGGER refuse_bad").run()
    expect(await deliveriesOf(world, good)).toMatchObject([{ status: "delivered" }])
    expect(await deliveriesOf(world, bad)).toEqual([])
    world.clock.advance(LEASE_MS)
    await world.cron()
    await run()
    expect(await deliveriesOf(world, bad)).toMatchObject([{ status: "delivered" }])
  })

  it("after the lease was lost: the late result is kept as an attempt and changes no state", async () => {
    const world = await worldWithHooks(HOOK)
    const eventId = await registerUser(world, "ada")
    let answerSlowly = (_status: number) => {}
    world.receivers.at(HOOK, () => new Promise<number>((resolve) => (answerSlowly = resolve)), 200)
    // The slow consumer's own timer does not fire: its machine stood still.
    const slow = consume(batchOf(world.queued.splice(0)), {
      ...world.deps,
      clock: { ...world.clock, after: () => () => {} },
    })
    await expect.poll(() => world.receivers.to(HOOK).length).toBe(1)
    world.clock.advance(LEASE_MS)
    await world.cron()
    await world.runDue()
    expect(await deliveriesOf(world, eventId)).toMatchObject([{ status: "delivered", attempts: 1 }])
    answerSlowly(500)
    await slow
    expect(await deliveriesOf(world, eventId)).toMatchObject([{ status: "delivered", attempts: 1 }])
    expect((await attemptsOf(world, eventId)).map(({ statusCode }) => statusCode).sort()).toEqual([200, 500])
  })
})

describe("D1", () => {
  it("may lose the answer of a publish: the write recognises its own row", async () => {
    const world = await worldWithHooks(HOOK)
    let faults = 1
    world.probe.after = (statements) => {
      if (statements.some((text) => text.includes("INTO users")) && faults-- > 0)
        throw new Error("D1_ERROR: Network connection lost.")
    }
    const answer = await world.fetch("/users", { json: { username: "ada" } })
    expect(answer.status).toBe(200)
    await world.runDue()
    expect(world.receivers.to(HOOK)).toHaveLength(1)
  })

  it("may lose the answer of a registration: it is still this call's, with its secret", async () => {
    const world = await createWorld()
    let faults = 1
    world.probe.after = (statements) => {
      if (statements.some((text) => text.includes("INTO endpoints")) && faults-- > 0)
        throw new Error("D1_ERROR: Network connection lost.")
    }
    const answer = await world.fetch("/webhook", { json: { event: "user_registered", url: HOOK } })
    expect(answer.status).toBe(200)
    expect(await answer.json()).toHaveProperty("secret")
  })

  it("may be away when a job comes: the job is retried, nothing was sent", async () => {
    const world = await worldWithHooks(HOOK)
    await registerUser(world, "ada")
    const [entry] = world.queued.splice(0)
    if (!entry) throw new Error("no job was sent")
    const batch = batchOf([entry])
    let faults = 9
    world.probe.before = () => {
      if (faults-- > 0) throw new Error("D1_ERROR: D1 is away")
    }
    await consume(batch, world.deps)
    world.probe.before = null
    expect(batch.settled).toEqual(["retry"])
    expect(world.receivers.received).toEqual([])
  })
})
