import { describe, expect, it } from "vitest"

import { createApp } from "../../src/app.ts"
import { openDatabase } from "../../src/db/client.ts"
import { layOut } from "../../src/db/directory.ts"
import type { Deps } from "../../src/platform/deps.ts"
import { createWorld, ORIGIN, type World } from "../support/world.ts"

const CACHED_MS = 5_000
const MINUTE_MS = 60_000
interface Health {
  status: string
  database: { status: string; detail: string | null; bytes: number | null; limitBytes: number }
  queues: { status: string; detail: string | null; backlog: Record<string, number | null> }
  sweep: { status: string; detail: string | null; lastAt: string | null }
}

async function healthOf(
  world: World,
  app: World["app"] = world.app,
): Promise<{ status: number; body: Health }> {
  const response = await app.request(`${ORIGIN}/health`, {}, world.env)
  return { status: response.status, body: await response.json<Health>() }
}

/** The app on a database whose every statement fails like this. */
function brokenApp(world: World, message: string): World["app"] {
  const fail = async () => {
    throw new Error(message)
  }
  const statement = { bind: () => statement, all: fail, raw: fail, first: fail, run: fail }
  const d1 = { prepare: () => statement, batch: fail, exec: fail } as unknown as D1Database
  const db = openDatabase(d1, world.clock, () => 0)
  const deps: Deps = { ...world.deps, ...layOut([db]) }
  return createApp(() => deps)
}

describe("GET /health", () => {
  it("says that D1, the queues and the sweep are well, and how full they are", async () => {
    const world = await createWorld({ DATABASE_LIMIT_MB: "500" })
    await world.sweep()
    const sweptAt = new Date(world.clock.now()).toISOString()
    world.queued.length = 0
    const { status, body } = await healthOf(world)
    expect(status).toBe(200)
    expect(body).toEqual({
      status: "ok",
      database: { status: "ok", detail: null, bytes: expect.any(Number), limitBytes: 500_000_000 },
      queues: { status: "ok", detail: null, backlog: { events: 0, retries: 0, tasks: 0 } },
      sweep: { status: "ok", detail: null, lastAt: sweptAt },
      dispatch: { status: "ok", detail: null, oldestMs: 0 },
      retries: { status: "ok", detail: null, overdueMs: 0 },
    })
    expect(body.database.bytes).toBeGreaterThan(1000)
  })

  it("is open in token mode, even before the first secret is set", async () => {
    const world = await createWorld({ AUTH_MODE: "token" })
    expect((await healthOf(world)).status).toBe(200)
    expect((await world.fetch("/users")).status).toBe(503)
  })

  it("shows no setting, no id and no name", async () => {
    const world = await createWorld({ PUBLIC_URL: "https://posthorn.example" })
    await world.fetch("/webhook", {
      json: { event: "user_registered", url: "https://receiver.example/hook" },
    })
    await world.fetch("/users", { json: { username: "alice" } })
    expect(JSON.stringify((await healthOf(world)).body)).not.toMatch(/alice|example|evt_|ep_|app_|D1_/)
  })

  it("sends no message and writes nothing", async () => {
    const world = await createWorld()
    const statements: string[] = []
    world.probe.before = (sql) => statements.push(...sql)
    await healthOf(world)
    expect(world.queued).toEqual([])
    expect(statements.length).toBeGreaterThan(0)
    for (const sql of statements) expect(sql).toMatch(/^\s*SELECT\b/i)
  })

  it("looks once in five seconds, however often it is asked one after the other", async () => {
    const world = await createWorld()
    let looks = 0
    world.probe.before = () => looks++
    const first = await healthOf(world)
    for (let n = 0; n < 50; n++) {
      world.clock.advance(90)
      expect(await healthOf(world)).toEqual(first)
    }
    const once = world.deps.shards.length
    expect(looks).toBe(once)
    world.clock.advance(CACHED_MS)
    await healthOf(world)
    expect(looks).toBe(2 * once)
  })

  it("remembers a failure for a second alone: a repair shows soon", async () => {
    const world = await createWorld()
    world.probe.before = () => {
      throw new Error("D1_ERROR: boom")
    }
    expect((await healthOf(world)).status).toBe(503)
    world.probe.before = null
    expect((await healthOf(world)).status).toBe(503)
    world.clock.advance(1_000)
    expect((await healthOf(world)).status).toBe(200)
  })

  it("is looked at once, however many ask at once after that", async () => {
    const world = await createWorld()
    await healthOf(world)
    world.clock.advance(CACHED_MS)
    const before = world.probe.batches
    await Promise.all(Array.from({ length: 20 }, () => healthOf(world)))
    expect(world.probe.batches - before).toBe(world.deps.shards.length)
  })

  it("shares its looks with /api/v1/health", async () => {
    const world = await createWorld()
    await healthOf(world)
    const before = world.probe.batches
    expect((await world.fetch("/api/v1/health")).status).toBe(204)
    expect(world.probe.batches).toBe(before)
    world.clock.advance(CACHED_MS)
    world.probe.before = () => {
      throw new Error("D1_ERROR: boom")
    }
    expect((await world.fetch("/api/v1/health")).status).toBe(503)
    world.probe.before = null
    expect((await healthOf(world)).status).toBe(503)
  })

  it("cannot be made to remember what one caller sent", async () => {
    const world = await createWorld()
    const path = `${ORIGIN}/health?status=failing&__proto__=x`
    const headers = { "x-forwarded-host": "evil.example", "user-agent": "evil", "accept-language": "evil" }
    await world.app.request(path, { headers }, world.env)
    expect(JSON.stringify((await healthOf(world)).body)).not.toContain("evil")
  })

  it("answers 503 and names no inside when D1 does not answer", async () => {
    const world = await createWorld()
    const { status, body } = await healthOf(world, brokenApp(world, "D1_ERROR: secret inside"))
    expect(status).toBe(503)
    expect(body).toMatchObject({
      status: "failing",
      database: { status: "failing", detail: "D1 does not answer", bytes: null },
      sweep: { status: "degraded", lastAt: null },
      dispatch: { status: "degraded", oldestMs: null },
      retries: { status: "degraded", overdueMs: null },
    })
    expect(JSON.stringify(body)).not.toContain("secret inside")
    expect(world.logged).toContainEqual(
      expect.objectContaining({
        unit: "fault",
        during: "health",
        error: expect.stringContaining("secret inside"),
      }),
    )
  })

  it("is degraded, and says what that means, while a queue does not answer", async () => {
    const world = await createWorld()
    const retries = { ...world.deps.queues.retries, metrics: () => Promise.reject(new Error("queue inside")) }
    const deps = { ...world.deps, queues: { ...world.deps.queues, retries } } as Deps
    const { status, body } = await healthOf(
      world,
      createApp(() => deps),
    )
    expect(status).toBe(200)
    expect(body.status).toBe("degraded")
    expect(body.queues).toEqual({
      status: "degraded",
      detail: expect.stringMatching(/queue/),
      backlog: { events: 0, retries: null, tasks: 0 },
    })
    expect(JSON.stringify(body)).not.toContain("queue inside")
  })

  it("tells the backlog of the queues", async () => {
    const world = await createWorld()
    await world.fetch("/webhook", {
      json: { event: "user_registered", url: "https://receiver.example/hook" },
    })
    await world.fetch("/users", { json: { username: "alice" } })
    expect((await healthOf(world)).body.queues.backlog.events).toBe(1)
  })

  it("is degraded once the sweep is more than three minutes late", async () => {
    const world = await createWorld()
    await world.sweep()
    world.clock.advance(3 * MINUTE_MS)
    expect((await healthOf(world)).body.sweep).toMatchObject({ status: "ok", detail: null })
    world.clock.advance(CACHED_MS)
    const { status, body } = await healthOf(world)
    expect(status).toBe(200)
    expect(body).toMatchObject({ status: "degraded", sweep: { status: "degraded", detail: /cron/ } })
    await world.sweep()
    world.clock.advance(CACHED_MS)
    expect((await healthOf(world)).body.status).toBe("ok")
  })

  it("says of a new system that the sweep has not run yet", async () => {
    const world = await createWorld()
    const { body } = await healthOf(world)
    expect(body.sweep).toEqual({ status: "ok", detail: expect.stringMatching(/every minute/), lastAt: null })
  })

  it("is degraded from 80 % of the database's limit on", async () => {
    const world = await createWorld({ DATABASE_LIMIT_MB: "10" })
    await world.sweep()
    const setSize = (bytes: number) =>
      world.env.DB.prepare("UPDATE system_state SET database_bytes = ?").bind(bytes).run()
    await setSize(7_999_999)
    expect((await healthOf(world)).body.database).toMatchObject({ status: "ok", bytes: 7_999_999 })
    await setSize(8_000_000)
    world.clock.advance(CACHED_MS)
    const { status, body } = await healthOf(world)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      status: "degraded",
      database: { status: "degraded", detail: expect.stringContaining("80 %") },
    })
  })
})

describe("a database without tables", () => {
  const MISSING = "D1_ERROR: no such table: system_state: SQLITE_ERROR"

  it("makes /health answer 503 with the commands that migrate it", async () => {
    const world = await createWorld()
    const { status, body } = await healthOf(world, brokenApp(world, MISSING))
    expect(status).toBe(503)
    expect(body.status).toBe("failing")
    expect(body.database.detail).toContain("npm run db:migrate")
    expect(body.database.detail).toContain("npm run db:migrate:remote")
  })

  it.each([
    ["GET", "/users", undefined],
    ["POST", "/users", { username: "alice" }],
    ["GET", "/users/messages?recipient=alice", undefined],
    ["POST", "/users/messages", { sender: "a", recipient: "b", subject: "", message: "" }],
    ["POST", "/webhook", { event: "user_registered", url: "https://receiver.example/" }],
    ["DELETE", "/webhook", { event: "user_registered", url: "https://receiver.example/" }],
    ["GET", "/webhooks", undefined],
    ["GET", "/webhooks?event_filter=user_registered", undefined],
    ["POST", "/ping", undefined],
    ["POST", "/ping?event_filter=user_registered", undefined],
    ["GET", "/ping/ping_1", undefined],
  ])("makes %s %s answer 503 with the same commands", async (method, path, json) => {
    const world = await createWorld()
    const response = await brokenApp(world, MISSING).request(
      ORIGIN + path,
      json === undefined
        ? { method }
        : { method, body: JSON.stringify(json), headers: { "content-type": "application/json" } },
      world.env,
    )
    expect(response.status).toBe(503)
    const body = await response.json<{ code: string; detail: string }>()
    expect(body.code).toBe("not_migrated")
    expect(body.detail).toContain("npm run db:migrate")
    expect(body.detail).not.toMatch(/system_state|SQLITE|SELECT|INSERT/i)
  })

  it("leaves the pages that need none as they are", async () => {
    const world = await createWorld()
    for (const path of ["/", "/docs", "/openapi.json"]) {
      expect((await brokenApp(world, MISSING).request(ORIGIN + path, {}, world.env)).status).toBe(200)
    }
  })
})
