import { describe, expect, it } from "vitest"

import { makeEndpoints, registerUser } from "../support/make.ts"
import { createWorld, type World } from "../support/world.ts"

const count = async (world: World, where: string) =>
  (await world.env.DB.prepare(`SELECT count(*) AS n FROM deliveries WHERE ${where}`).first<{ n: number }>())
    ?.n

/** The most requests that one job made. */
async function runCountingAttempts(world: World): Promise<number> {
  let most = 0
  while (world.queued.length > 0) {
    const before = world.receivers.received.length
    const due = Math.min(...world.queued.map(({ at }) => at))
    if (due > world.clock.now()) world.clock.advance(due - world.clock.now())
    const [entry] = world.queued.splice(0, 1)
    if (!entry) break
    await world.run([entry])
    most = Math.max(most, world.receivers.received.length - before)
  }
  return most
}

describe("an event with 3,000 endpoints", () => {
  it("makes 3,000 deliveries, all delivered, no statement or invocation over its budget", async () => {
    const world = await createWorld()
    await makeEndpoints(world, 3000)
    await registerUser(world, "ada")
    const most = await runCountingAttempts(world)
    expect(await count(world, "status = 'delivered'")).toBe(3000)
    expect(await count(world, "true")).toBe(3000)
    expect(new Set(world.receivers.received.map(({ url }) => url)).size).toBe(3000)
    expect(most).toBeLessThanOrEqual(world.config.attemptsPerInvocation)
    expect(world.probe.largest.parameters).toBeLessThanOrEqual(100)
    expect(world.probe.largest.parameterBytes).toBeLessThanOrEqual(1_000_000)
    expect(world.probe.largest.sqlBytes).toBeLessThanOrEqual(100_000)
    expect(world.probe.largest.rowsWritten).toBeLessThanOrEqual(12_000)
  })

  it("goes on where a dead consumer stopped: nobody is left out, nobody is owed it twice", async () => {
    const world = await createWorld()
    await makeEndpoints(world, 3000)
    await registerUser(world, "ada")
    let steps = 0
    world.probe.after = (statements) => {
      if (statements.some((text) => text.includes("fanout_cursor = ")) && ++steps === 1)
        throw new Error("the machine is gone")
    }
    await world.runDue()
    world.queued.length = 0
    world.clock.advance(61_000)
    await world.cron()
    await world.runDue()
    expect(await count(world, "true")).toBe(3000)
    const undispatched = await world.env.DB.prepare("SELECT 1 FROM events WHERE dispatched_at IS NULL").all()
    expect(undispatched.results).toEqual([])
  })
})

describe("an event with few endpoints", () => {
  it.each([1, 25])("makes its first attempts at once (%d endpoints)", async (endpoints) => {
    const world = await createWorld()
    await makeEndpoints(world, endpoints)
    await registerUser(world, "ada")
    await world.run(world.queued.splice(0))
    expect(world.receivers.received).toHaveLength(endpoints)
    expect(await count(world, "status = 'delivered'")).toBe(endpoints)
  })

  it("makes as many at once as a larger budget covers", async () => {
    const world = await createWorld({ ATTEMPTS_PER_INVOCATION: "120" })
    await makeEndpoints(world, 4)
    for (let n = 0; n < 25; n++) await registerUser(world, `user-${n}`)
    await world.run(world.queued.splice(0))
    expect(await count(world, "status = 'delivered'")).toBe(100)
    expect(world.queued).toEqual([])
    expect(world.probe.largest.parameterBytes).toBeLessThanOrEqual(1_000_000)
  })

  it("leaves what the budget does not cover to the retry lane, which delivers it without waiting", async () => {
    const world = await createWorld()
    await makeEndpoints(world, 20)
    for (const name of ["ada", "bob", "eve"]) await registerUser(world, name)
    await world.run(world.queued.splice(0))
    expect(world.receivers.received).toHaveLength(world.config.attemptsPerInvocation)
    await world.runDue()
    expect(await count(world, "status = 'delivered'")).toBe(60)
    expect(world.receivers.received).toHaveLength(60)
  })

  it("is marked dispatched at once when nobody is interested, and no job is sent", async () => {
    const world = await createWorld()
    await registerUser(world, "ada")
    expect(world.queued).toEqual([])
    const event = await world.env.DB.prepare("SELECT dispatched_at FROM events").first()
    expect(event?.dispatched_at).toBe(world.clock.now())
  })

  it("does not go to who subscribed after it happened", async () => {
    const world = await createWorld()
    const [endpoint] = await makeEndpoints(world, 2)
    await registerUser(world, "ada")
    await world.env.DB.prepare("UPDATE subscriptions SET created_at = ? WHERE endpoint_id = ?")
      .bind(world.clock.now() + 1, endpoint?.id)
      .run()
    await world.runDue()
    expect(world.receivers.received.map(({ url }) => url)).toEqual(["http://r1.example/"])
  })

  it("goes to endpoints that take every type, and by channel where an endpoint has some", async () => {
    const world = await createWorld()
    const [all, channelled] = await makeEndpoints(world, 2)
    const { DB } = world.env
    await DB.prepare("DELETE FROM subscriptions WHERE endpoint_id = ?").bind(all?.id).run()
    await DB.prepare("UPDATE endpoints SET all_event_types_since = 1 WHERE id = ?").bind(all?.id).run()
    await DB.prepare("UPDATE endpoints SET channels = '[\"paid\"]' WHERE id = ?").bind(channelled?.id).run()
    await registerUser(world, "ada")
    await world.runDue()
    expect(world.receivers.received.map(({ url }) => url)).toEqual(["http://r0.example/"])
  })
})
