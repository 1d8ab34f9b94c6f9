import { beforeEach, describe, expect, it } from "vitest"

import { REMOVE_STEP } from "../../src/engine/applications/remove.ts"
import { callApi, svixFor } from "../api/svix.ts"
import { createWorld, type World } from "../support/world.ts"

const DAY_MS = 24 * 3600_000
const MINUTE_MS = 60_000

let world: World
let app: string

beforeEach(async () => {
  world = await createWorld()
  const svix = svixFor(world)
  app = (await svix.application.create({ name: "Acme", uid: "acme" })).id
  await svix.endpoint.create("acme", { url: "http://receiver.example/hook" })
  await world.runAll()
})

describe("removing an application with very many endpoints", () => {
  const MANY = 3 * REMOVE_STEP + 10

  async function makeMany(): Promise<void> {
    const { customersDB: DB } = world
    const ids = `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ${MANY - 1})`
    await DB.batch([
      DB.prepare(
        `${ids} INSERT INTO endpoints (id, application_id, url, all_event_types_since, created_at, updated_at, enabled_at)
         SELECT printf('ep_x%06d', i), ?, 'http://receiver.example/' || i, 1, 1, 1, 1 FROM c`,
      ).bind(app),
      DB.prepare(
        `${ids} INSERT INTO secrets (id, endpoint_id, sealed, created_at)
         SELECT printf('sec_x%06d', i), printf('ep_x%06d', i), '0:whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 1 FROM c`,
      ),
    ])
  }

  const count = (from: string) =>
    world.customersDB.prepare(`SELECT count(*) AS n FROM ${from}`).first<number>("n")

  it("takes it away at once, and its endpoints in bounded steps", async () => {
    await makeMany()
    world.probe.largest.rowsWritten = 0
    await svixFor(world).application.delete("acme")
    expect((await callApi(world, "/api/v1/app/acme")).status).toBe(404)
    expect(await count("endpoints WHERE removed_at IS NULL")).toBe(MANY - REMOVE_STEP)
    await world.runAll()
    expect(await count("endpoints WHERE removed_at IS NULL")).toBe(0)
    expect(await count("secrets")).toBe(0)
    expect(await world.customersDB.prepare("SELECT status, processed FROM tasks").first()).toEqual({
      status: "finished",
      processed: MANY - REMOVE_STEP,
    })
    expect(world.probe.largest.rowsWritten).toBeLessThanOrEqual(5 * REMOVE_STEP)
  })

  it("ends what they still owe, and goes on after a crash and a lost job", async () => {
    await makeMany()
    await world.customersDB.batch([
      world.customersDB
        .prepare(
          `INSERT INTO events (id, application_id, event_type_id, event_type, created_at, dispatched_at, payload)
           VALUES ('evt_1', ?1, 'ety_t', 't', ?2, ?2, '{}')`,
        )
        .bind(app, world.clock.now()),
      world.customersDB
        .prepare(
          `INSERT INTO deliveries (event_id, endpoint_id, application_id, status, next_attempt_at, created_at, attempt_id)
           SELECT 'evt_1', id, application_id, 'pending', ?1, ?1, 'att' || id FROM endpoints`,
        )
        .bind(world.clock.now() + DAY_MS),
    ])
    let steps = 0
    world.probe.before = (statements) => {
      if (statements.some((text) => text.includes("UPDATE tasks AS t")) && steps++ > 0)
        throw new Error("the process is dead")
    }
    await svixFor(world).application.delete("acme")
    await world.runDue()
    world.queued.length = 0
    world.probe.before = null
    expect(await count("endpoints WHERE removed_at IS NULL")).toBe(MANY - 2 * REMOVE_STEP)
    await world.runAllWithSweeps(60 * MINUTE_MS)
    expect(await count("endpoints WHERE removed_at IS NULL")).toBe(0)
    expect(await count("deliveries WHERE status = 'canceled' AND reason = 'removed'")).toBe(MANY)
    expect(world.receivers.received).toEqual([])
  })

  it("needs no task for as many as one batch takes", async () => {
    await svixFor(world).application.delete("acme")
    expect(await count("tasks")).toBe(0)
  })
})
