import { describe, expect, it } from "vitest"

import { makeEndpoints, makeTenants, registerUser } from "../support/make.ts"
import { createWorld, type Queued, type World } from "../support/world.ts"

const MINUTE_MS = 60_000
/** What a pass takes: as long as requests, records and the queue need in reality. */
const PASS_MS = 200
const NEIGHBOUR = "http://neighbour.example/hook"

describe("a pass of the retry lane", () => {
  it("gives a tenant with 20,000 due endpoints one share, like a tenant with one", async () => {
    const world = await createWorld()
    const now = world.clock.now()
    await makeTenants(world, [
      { id: "app_1_large", endpoints: 20_000, dueAt: now - MINUTE_MS },
      { id: "app_2_small", endpoints: 1, dueAt: now },
      { id: "app_3_small", endpoints: 2, dueAt: now },
    ])
    await world.run([drain()])
    expect(asked(world).slice(0, 3)).toEqual(["1_large", "2_small", "3_small"])
    expect(tally(asked(world))).toEqual({ "1_large": 33, "2_small": 1, "3_small": 2 })
  })

  it.each([100, 20_000])("reads as much as a pass takes, with %d endpoints due", async (endpoints) => {
    const world = await createWorld()
    await makeTenants(world, [{ id: "app_1", endpoints, dueAt: world.clock.now() }])
    let rowsRead = 0
    world.probe.onTrip = (statements) => {
      for (const statement of statements) rowsRead += statement.rowsRead
    }
    await world.run([drain()])
    expect(asked(world)).toHaveLength(36)
    expect(rowsRead).toBeLessThan(2_500)
  })

  it("goes round: of 100 tenants nobody has a second turn before everybody had one", async () => {
    const world = await createWorld()
    const dueAt = world.clock.now()
    const tenants = Array.from({ length: 100 }, (_, n) => `app_${String(n).padStart(3, "0")}`)
    await makeTenants(
      world,
      tenants.map((id) => ({ id, endpoints: 5, dueAt })),
    )
    world.queued.push(drain())
    for (let pass = 0; pass < 14; pass++) {
      await world.run(world.queued.splice(0, 1))
      const turns = Object.values(tally(asked(world)))
      if (turns.length === 100) expect(Math.max(...turns) - Math.min(...turns)).toBeLessThanOrEqual(1)
      else expect(Math.max(...turns)).toBe(1)
    }
    expect(asked(world)).toHaveLength(500)
  })

  it("finds what is due behind a thousand tenants that only wait", async () => {
    const world = await createWorld()
    const now = world.clock.now()
    const waiting = Array.from({ length: 1_200 }, (_, n) => `app_${String(n).padStart(4, "0")}`)
    await makeTenants(world, [
      ...waiting.map((id) => ({ id, endpoints: 1, dueAt: now + 60 * MINUTE_MS })),
      { id: "app_last", endpoints: 1, dueAt: now },
    ])
    await world.cron()
    await world.runDue()
    expect(asked(world)).toEqual(["last"])
    expect(world.queued).toEqual([])
  })

  it("takes few of those that are known to be slow, and asks them behind the others", async () => {
    const world = await createWorld()
    const dueAt = world.clock.now()
    await makeTenants(world, [
      { id: "app_1_slow", endpoints: 300, dueAt: dueAt - 1 },
      { id: "app_2_well", endpoints: 10, dueAt },
    ])
    await world.env.DB.prepare(
      "UPDATE endpoints SET slow_ms = 4000 WHERE application_id = 'app_1_slow'",
    ).run()
    await world.run([drain()])
    expect(asked(world)).toEqual([...Array(10).fill("2_well"), ...Array(3).fill("1_slow")])
  })
})

describe("a neighbour's retry", () => {
  it("is made within 2 s of due while 20,000 healthy endpoints of one tenant are due", async () => {
    const world = await createWorld()
    await makeTenants(world, [{ id: "app_0_large", endpoints: 20_000, dueAt: world.clock.now() }])
    world.queued.push(drain())
    expect(await lagOfRetry(world)).toBeLessThanOrEqual(2_000)
    expect(asked(world).length).toBeGreaterThan(36)
  })
})

describe("a fan-out", () => {
  it("takes turns with fresh events: they are attempted behind its first step, not behind its last", async () => {
    const world = await createWorld()
    await makeEndpoints(world, 10_000)
    await registerUser(world, "ada")
    const batch = world.queued.splice(0)
    await world.run(batch)
    await neighbour(world)
    await world.fetch("/api/v1/app/neighbour/msg", { json: { eventType: "made", payload: {} } })
    const events = () => world.queued.filter(({ queue }) => queue === "events")
    expect(events()).toHaveLength(2)
    for (let job = 0; job < 2; job++) await world.run(take(world, events().slice(0, 1)))
    expect(world.receivers.to(NEIGHBOUR)).toHaveLength(1)
    const { n } = (await world.env.DB.prepare("SELECT count(*) AS n FROM deliveries").first<{
      n: number
    }>()) ?? { n: 0 }
    expect(n).toBeLessThanOrEqual(4_001)
    while (events().length > 0) await world.run(take(world, events()))
    const made = await world.env.DB.prepare(
      "SELECT count(*) AS n FROM deliveries WHERE application_id = 'app_users'",
    ).first()
    expect(made?.n).toBe(10_000)
  })
})

/**
 * Publishes for an endpoint of another application, whose first attempt fails; works the queues as they are locally,
 * a job at a time, and answers how long after it was due the retry has come.
 */
async function lagOfRetry(world: World): Promise<number> {
  await neighbour(world)
  world.receivers.at(NEIGHBOUR, 500, 200)
  await world.fetch("/api/v1/app/neighbour/msg", { json: { eventType: "made", payload: {} } })
  const until = world.clock.now() + 80_000
  while (world.clock.now() < until && world.receivers.to(NEIGHBOUR).length < 2) {
    const queue = world.queued.some((entry) => entry.queue === "events") ? "events" : "retries"
    const entry = nextOf(world, queue)
    if (entry) await world.run([entry])
    world.clock.advance(PASS_MS)
  }
  const row = await world.customersDB
    .prepare("SELECT d.attempted_at + d.duration_ms + 5000 AS due FROM deliveries d WHERE d.url = ?")
    .bind(NEIGHBOUR)
    .first<{ due: number }>()
  return (world.receivers.to(NEIGHBOUR)[1]?.at ?? Infinity) - (row?.due ?? 0)
}

async function neighbour(world: World): Promise<void> {
  await world.fetch("/api/v1/app", { json: { name: "Neighbour", uid: "neighbour" } })
  await world.fetch("/api/v1/app/neighbour/endpoint", { json: { url: NEIGHBOUR } })
}

function take({ queued }: World, entries: readonly Queued[]): readonly Queued[] {
  for (const entry of entries) queued.splice(queued.indexOf(entry), 1)
  return entries
}

/** The job of a queue that has waited longest, if its time has come. */
function nextOf(world: World, queue: Queued["queue"]): Queued | undefined {
  const due = world.queued.filter((entry) => entry.queue === queue && entry.at <= world.clock.now())
  const [first] = due.sort((a, b) => a.at - b.at)
  if (first) world.queued.splice(world.queued.indexOf(first), 1)
  return first
}

function drain(): Queued {
  return { queue: "retries", job: { kind: "drain", shard: 0 } as Queued["job"], at: 0 }
}

/** Which tenants were asked, in order. */
function asked(world: World): string[] {
  return world.receivers.received
    .map(({ url }) => new URL(url).hostname.split(".")[1] ?? "")
    .filter((name) => name !== "example")
}

function tally(names: readonly string[]): Record<string, number> {
  return Object.fromEntries([...Map.groupBy(names, (name) => name)].map(([name, all]) => [name, all.length]))
}
