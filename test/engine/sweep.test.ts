import { describe, expect, it } from "vitest"

import { makeDue, makeEndpoints, registerHook, registerUser } from "../support/make.ts"
import { createWorld, type World } from "../support/world.ts"

const HOOK = "http://receiver.example/hook"
const DAY_MS = 24 * 3_600_000
/** As long as an event may be in the hands of its own job. */
const LEASE_MS = 61_000

/** More events than one sweep looks at. */
const MANY = 15_000

const rows = async (world: World, table: string) =>
  (await world.env.DB.prepare(`SELECT count(*) AS n FROM ${table}`).first<{ n: number }>())?.n

describe("retention", () => {
  it("deletes events with their deliveries and attempts after RETENTION_DAYS, not before", async () => {
    const world = await createWorld({ RETENTION_DAYS: "2" })
    await registerHook(world, HOOK)
    await registerUser(world, "ada")
    await world.runDue()
    world.clock.advance(2 * DAY_MS - 10_000)
    await world.cron()
    expect([await rows(world, "events"), await rows(world, "deliveries")]).toEqual([1, 1])
    world.clock.advance(20_000)
    await world.cron()
    expect([
      await rows(world, "events"),
      await rows(world, "deliveries"),
      await rows(world, "attempts"),
    ]).toEqual([0, 0, 0])
  })

  it("keeps an event that still owes something", async () => {
    const world = await createWorld({ RETENTION_DAYS: "1", RETRY_SCHEDULE: "604800" })
    await registerHook(world, HOOK)
    world.receivers.at(HOOK, 500)
    await registerUser(world, "ada")
    await world.runDue()
    world.clock.advance(3 * DAY_MS)
    await world.cron()
    expect(await rows(world, "events")).toBe(1)
  })

  it("deletes a removed endpoint once nothing refers to it", async () => {
    const world = await createWorld({ RETENTION_DAYS: "1" })
    await registerHook(world, HOOK)
    await registerUser(world, "ada")
    await world.runDue()
    await world.fetch("/webhook", { method: "DELETE", json: { event: "user_registered", url: HOOK } })
    await world.cron()
    expect(await rows(world, "endpoints")).toBe(1)
    world.clock.advance(2 * DAY_MS)
    await world.cron()
    expect(await rows(world, "endpoints")).toBe(0)
  })
})

describe("retention's cursor", () => {
  const setCursor = (world: World, seq: number) =>
    world.env.DB.prepare(
      `INSERT INTO system_state (key, retention_cursor) VALUES ('sweep', ?1)
       ON CONFLICT DO UPDATE SET retention_cursor = ?1`,
    )
      .bind(seq)
      .run()
  const cursorOf = (world: World) =>
    world.env.DB.prepare("SELECT retention_cursor FROM system_state").first<number>("retention_cursor")

  it("moves back when the numbers have begun anew behind it", async () => {
    const world = await createWorld({ RETENTION_DAYS: "1" })
    await registerHook(world, HOOK)
    await registerUser(world, "ada")
    await world.runDue()
    await setCursor(world, 1_000_000)
    world.clock.advance(2 * DAY_MS)
    await world.cron()
    await world.cron()
    expect(await cursorOf(world)).toBe(0)
    expect(await rows(world, "events")).toBe(0)
  })

  it("passes over what still owes something, and comes round to it", async () => {
    const world = await createWorld({ RETENTION_DAYS: "1" })
    const [endpoint] = await makeEndpoints(world, 1)
    await makeDue(world, MANY, [endpoint])
    const { DB } = world.env
    await DB.prepare("UPDATE endpoints SET due_at = NULL").run()
    const last = "event_id = (SELECT id FROM events ORDER BY seq DESC LIMIT 1)"
    await DB.prepare(`UPDATE deliveries SET status = 'delivered' WHERE ${last}`).run()
    world.clock.advance(2 * DAY_MS)
    await world.cron()
    expect(await cursorOf(world)).toBeGreaterThan(0)
    expect(await rows(world, "events")).toBe(MANY)
    await world.cron()
    await world.cron()
    expect(await cursorOf(world)).toBe(0)
    expect(await rows(world, "events")).toBe(MANY - 1)
    await DB.prepare("UPDATE deliveries SET status = 'delivered'").run()
    for (let minute = 0; minute < 8; minute++) await world.cron()
    expect(await rows(world, "events")).toBe(0)
  })

  it("does not stop at a young event among old ones", async () => {
    const world = await createWorld({ RETENTION_DAYS: "1" })
    await registerHook(world, HOOK)
    for (const name of ["ada", "bob", "eve"]) await registerUser(world, name)
    await world.runDue()
    world.clock.advance(2 * DAY_MS)
    await world.env.DB.prepare("UPDATE events SET created_at = ? WHERE seq = 2").bind(world.clock.now()).run()
    await world.cron()
    expect(await rows(world, "events")).toBe(1)
  })
})

describe("space", () => {
  it("from 95 % of the limit publishing answers 507 and writes nothing, while deliveries go on", async () => {
    const world = await createWorld()
    await registerHook(world, HOOK)
    await registerUser(world, "ada")
    world.db.sizeBytes = () => world.config.databaseLimitBytes * 0.96
    const refused = await world.fetch("/users", { json: { username: "bob" } })
    expect(refused.status).toBe(507)
    expect(await rows(world, "users")).toBe(1)
    await world.runDue()
    expect(world.receivers.to(HOOK)).toHaveLength(1)
  })
})

describe("a sweep", () => {
  it("sends no job when there is nothing to do", async () => {
    const world = await createWorld()
    await registerHook(world, HOOK)
    await registerUser(world, "ada")
    await world.runDue()
    await world.cron()
    expect(world.queued).toEqual([])
  })

  it("recovers a large loss of jobs in a chain of bounded jobs", async () => {
    const world = await createWorld()
    await registerHook(world, HOOK)
    for (let n = 0; n < 130; n++) await registerUser(world, `user${n}`)
    world.queued.length = 0
    world.clock.advance(LEASE_MS)
    await world.cron()
    expect(world.queued.length).toBeLessThanOrEqual(4)
    await world.runDue()
    expect(world.receivers.to(HOOK)).toHaveLength(130)
  })

  it("twice at once does no harm", async () => {
    const world = await createWorld()
    await registerHook(world, HOOK)
    await registerUser(world, "ada")
    world.queueRefuses = true
    world.clock.advance(LEASE_MS)
    // Without a queue the databases take turns, one a minute.
    for (const _ of world.deps.shards) {
      await Promise.all([world.cron(), world.cron()])
      world.clock.advance(60_000)
    }
    expect(world.receivers.to(HOOK)).toHaveLength(1)
  })

  it("logs one line for each shard with what it found", async () => {
    const world = await createWorld()
    await registerHook(world, HOOK)
    await registerUser(world, "ada")
    world.queued.length = 0
    world.clock.advance(LEASE_MS)
    await world.cron()
    const lines = world.logged.filter(({ unit }) => unit === "sweep")
    expect(lines[0]).toMatchObject({ found: { leftBehind: 1, oldest: 1 }, done: {}, refused: [] })
    expect(lines).toHaveLength(world.deps.shards.length)
  })
})
