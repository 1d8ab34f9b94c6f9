import { env } from "cloudflare:workers"
import { beforeEach, describe, expect, it } from "vitest"

import { countRows, shards } from "../support/shards.ts"
import { createWorld, type World } from "../support/world.ts"

const TABLES = ["applications", "event_types", "events", "endpoints", "subscriptions", "idempotency_keys"]
const HOOK = "http://receiver.example/hook"
const application = { name: "Ghost", uid: "ghost" }

let world: World

beforeEach(async () => {
  world = await createWorld()
  await world.fetch("/api/v1/app", { json: { name: "Acme", uid: "acme" } })
  await world.fetch("/api/v1/event-type", { json: { name: "archived", description: "" } })
  await world.fetch("/api/v1/event-type/archived", { method: "DELETE" })
  const schemas = { "1": { type: "object", required: ["email"] } }
  const strict = { name: "strict", description: "", schemas, enforceSchema: true }
  await world.fetch("/api/v1/event-type", { json: strict })
  await send("acme", { eventType: "known", eventId: "taken" })
})

const send = (app: string, json: object, headers: Record<string, string> = {}) =>
  world.fetch(`/api/v1/app/${app}/msg`, { json: { payload: {}, ...json }, headers })

async function countAll(): Promise<Record<string, number>> {
  return Object.fromEntries(
    await Promise.all(TABLES.map(async (table) => [table, await countRows(table)] as const)),
  )
}

/** As many event types as the catalog takes. */
async function fillCatalog(): Promise<void> {
  await env.DB.prepare(
    `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 1000)
     INSERT INTO event_types (id, application_id, name, created_at, updated_at)
     SELECT 'ety_full' || i, 'app_catalog', 'full.' || i, 2000, 2000 FROM c`,
  ).run()
}

describe("a message that is refused writes nothing", () => {
  it.each<[string, number, object]>([
    ["an archived type", 422, { eventType: "archived" }],
    ["a type of a bad name", 422, { eventType: "-dash" }],
    ["a type that a path cannot hold", 422, { eventType: ".." }],
    ["a payload that does not fit", 422, { eventType: "strict" }],
    ["a payload that is too large", 413, { eventType: "new", payload: { x: "x".repeat(256 * 1024) } }],
    ["a bad channel", 422, { eventType: "new", channels: ["no spaces"] }],
  ])("for %s: %d, with an application and a key along", async (_, status, json) => {
    const before = await countAll()
    const response = await send("ghost", { ...json, application }, { "idempotency-key": "k" })
    expect(response.status).toBe(status)
    expect(await countAll()).toEqual(before)
  })

  it("for an eventId that is taken: neither the type that is new", async () => {
    const before = await countAll()
    expect((await send("acme", { eventType: "brand.new", eventId: "taken" })).status).toBe(409)
    expect(await countAll()).toEqual(before)
    expect((await world.fetch("/api/v1/event-type/brand.new")).status).toBe(404)
  })

  it("for a catalog that is full: neither the application", async () => {
    await fillCatalog()
    const before = await countAll()
    const response = await send("ghost", { eventType: "one.more", application })
    expect(response.status).toBe(409)
    expect(await response.json()).toMatchObject({ code: "limit_reached" })
    expect(await countAll()).toEqual(before)
    expect((await send("ghost", { eventType: "known", application })).status).toBe(202)
  })

  it("for a database that is full: neither the application", async () => {
    world = await createWorld({ DATABASE_LIMIT_MB: "1" })
    await env.DB.prepare(
      `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 40)
       INSERT INTO messages SELECT 'm' || i, 'a', 'b', 's', hex(randomblob(20000)), 1 FROM c`,
    ).run()
    await world.fetch("/users")
    const before = await countAll()
    expect((await send("ghost", { eventType: "new", application })).status).toBe(507)
    expect(await countAll()).toEqual(before)
  })
})

describe("a message that brings its application and its type along", () => {
  it.skipIf(shards.length > 1)("writes all three in one batch", async () => {
    const tables: string[][] = []
    world.probe.onTrip = (statements) => {
      const written = statements.filter(({ rowsWritten }) => rowsWritten > 0)
      if (written.length > 0)
        tables.push(written.flatMap(({ sql }) => /^\s*INSERT INTO (\w+)/.exec(sql)?.[1] ?? []))
    }
    expect((await send("ghost", { eventType: "brand.new", application })).status).toBe(202)
    expect(tables).toEqual([["applications", "event_types", "events"]])
  })

  it("makes one of each when it is repeated because the answer of D1 got lost", async () => {
    const before = await countAll()
    let lost = false
    world.probe.after = (statements) => {
      if (lost || !statements.some((text) => text.includes("INSERT INTO events"))) return
      lost = true
      throw new Error("D1_ERROR: Network connection lost.")
    }
    const response = await send("ghost", { eventType: "brand.new", eventId: "e", application })
    expect(response.status).toBe(202)
    expect(lost).toBe(true)
    const after = await countAll()
    for (const table of ["applications", "event_types", "events"])
      expect(after[table]).toBe((before[table] ?? 0) + 1)
  })

  it("finds the application that another message has made meanwhile", async () => {
    const before = await countAll()
    let raced = false
    world.probe.before = (statements) => {
      if (raced || !statements.some((text) => text.includes("INSERT INTO applications"))) return
      raced = true
      throw new Error("D1_ERROR: Network connection lost.")
    }
    // While the first one waits to try again, the second one is done.
    world.clock.whileAsleep = async (ms) => {
      world.clock.advance(ms)
      expect((await send("ghost", { eventType: "new", application })).status).toBe(202)
    }
    expect((await send("ghost", { eventType: "new", application })).status).toBe(202)
    expect(raced).toBe(true)
    const after = await countAll()
    expect(after.applications).toBe((before.applications ?? 0) + 1)
    expect(after.events).toBe((before.events ?? 0) + 2)
  })

  it("is sent once for a key, however many of them come at once", async () => {
    const before = await countAll()
    const answers = await Promise.all(
      [1, 2, 3].map(() => send("ghost", { eventType: "new", application }, { "idempotency-key": "k" })),
    )
    expect(answers.map(({ status }) => status)).toEqual([202, 202, 202])
    const ids = await Promise.all(answers.map((answer) => answer.json<{ id: string }>()))
    expect(new Set(ids.map(({ id }) => id)).size).toBe(1)
    expect((await countAll()).events).toBe((before.events ?? 0) + 1)
  })
})

describe("what else is refused with something along", () => {
  it.each<[string, string, object, number]>([
    ["POST", "/api/v1/app/acme/endpoint", { url: HOOK, eventTypes: ["known", "missing"] }, 422],
    ["PUT", "/api/v1/app/acme/endpoint/new", { url: HOOK, eventTypes: ["missing"] }, 422],
    ["POST", "/api/v1/app/acme/endpoint", { url: "http://user:pw@receiver.example/" }, 422],
    ["POST", "/api/v1/auth/app-portal-access/ghost", { application: { name: "G", uid: "other" } }, 422],
    ["POST", "/register", { event: "brandNew", url: "http://user:pw@receiver.example/" }, 400],
  ])("writes nothing: %s %s %j", async (method, path, json, status) => {
    const before = await countAll()
    expect((await world.fetch(path, { method, json })).status).toBe(status)
    expect(await countAll()).toEqual(before)
  })
})
