import { expect, it } from "vitest"

import { makeEndpoints } from "../support/make.ts"
import { createWorld } from "../support/world.ts"

const HOUR_MS = 3600_000
const ENDPOINTS = 1_100
const EVENTS = 24

it("counts every attempt once, however many steps and sweeps it takes", async () => {
  const world = await createWorld()
  await makeEndpoints(world, ENDPOINTS)
  const { DB } = world.env
  const now = world.clock.now()
  // Each event is attempted at every endpoint, and a second time at every other one.
  await DB.prepare(
    `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ?1)
     INSERT INTO events (id, application_id, event_type_id, event_type, created_at, dispatched_at, payload)
     SELECT printf('evt_%032x', i), 'app_users', 'ety_user_registered', 'user_registered', ?2, ?2, '{}' FROM c`,
  )
    .bind(EVENTS, now)
    .run()
  await DB.prepare(
    `INSERT INTO deliveries (event_id, endpoint_id, application_id, status, attempts, created_at, attempt_id, attempted_at,
       url, status_code, duration_ms)
     SELECT v.id, e.id, 'app_users', 'delivered', 1, ?1, printf('att_%012x%020x', ?1, v.seq * 10000 + e.rowid), ?1, e.url, 200, 9
     FROM events v JOIN endpoints e`,
  )
    .bind(now)
    .run()
  await DB.prepare(
    `INSERT INTO attempts (event_id, id, endpoint_id, application_id, trigger, created_at, url, status_code, duration_ms,
       body_encoding, body_truncated)
     SELECT d.event_id, 'att_' || printf('%012x', ?1 + 1) || substr(d.attempt_id, 17), d.endpoint_id, 'app_users', 'scheduled',
       ?1 + 1, d.url, 500, 9, 'utf8', 0
     FROM deliveries d JOIN endpoints e ON e.id = d.endpoint_id WHERE e.rowid % 2 = 0`,
  )
    .bind(now)
    .run()
  await world.sweep()
  world.clock.advance(HOUR_MS + 5 * 60_000)

  let sweeps = 0
  for (; sweeps < 20; sweeps++) {
    await world.sweep()
    const { counting_to } = (await DB.prepare("SELECT counting_to FROM system_state").first()) as {
      counting_to: string | null
    }
    if (counting_to === null) break
  }
  expect(sweeps).toBeGreaterThan(0)
  expect(sweeps).toBeLessThan(6)
  const { results } = await DB.prepare(
    `SELECT count(*) AS endpoints, sum(tally->>'$.results.2xx') AS success, sum(tally->>'$.results.5xx') AS fail
     FROM endpoint_hours`,
  ).all()
  expect(results).toEqual([
    { endpoints: ENDPOINTS, success: ENDPOINTS * EVENTS, fail: (ENDPOINTS / 2) * EVENTS },
  ])
  expect(world.probe.largest.statements).toBeLessThanOrEqual(50)
})
