import { type SQL, sql } from "drizzle-orm"

import type { Db } from "../../db/client.ts"
import { idAt } from "../../db/ids.ts"
import type { Deps } from "../../deps.ts"
import { Budget } from "./budget.ts"
import { catchUp, MAX_CLAIMS } from "./dispatch.ts"
import { drain } from "./drain.ts"
import { candidates, FANOUT_STEP, isInterested } from "./interest.ts"
import { enqueue, type Job } from "./jobs.ts"
import { PING_EXPIRES_MS } from "./ping.ts"

/** Jobs of one kind that one sweep sends; each goes on by itself while it finds a full page. */
const JOBS_PER_SWEEP = 4
const ENDPOINTS_PER_JOB = 6
const EVENTS_PER_JOB = 25
const POISONED_PER_SWEEP = 10
const PINGS_PER_SWEEP = 20
const RETENTION_EVENTS = 200
const RETENTION_ROWS = 2000
const RETENTION_STEPS = 5
const REMOVED_ENDPOINTS = 100
const DAY_MS = 24 * 3600 * 1000
/** From this share of the database's limit on, retention shortens. */
export const NEARLY_FULL = 0.8

/**
 * Finds what crashes, lost jobs and quotas left behind: events that nobody holds, overdue endpoints, pings
 * without a consumer, poison. Sends a few jobs, or, when the queue refuses them, works within this
 * invocation's own budget. Then deletes what is past retention, in bounded steps. Runs every minute; running
 * it more often, or twice at once, does no harm.
 */
export async function sweep(deps: Deps): Promise<void> {
  const budget = new Budget()
  for (const db of deps.databases) await sweepDatabase(deps, db, budget)
}

async function sweepDatabase(deps: Deps, db: Db, budget: Budget): Promise<void> {
  const at = deps.clock.now()
  const found = await lookAround(db, at)
  const refused: Job["kind"][] = []
  for (const job of jobsFor(found)) {
    if (!(await enqueue(deps, job)) && !refused.includes(job.kind)) refused.push(job.kind)
  }
  if (refused.includes("catch-up")) while (budget.left > 0 && (await catchUp(deps, db, budget)));
  if (refused.includes("drain")) while (budget.left > 0 && (await drain(deps, db, budget)) > 0);
  const deleted = await applyRetention(deps, db, at)
  await db.batch([setState("last_sweep_at", deps.clock.now()), setState("database_bytes", db.sizeBytes())])
  deps.log({ unit: "sweep", ...found, refused, deleted, durationMs: deps.clock.now() - at })
}

interface Found {
  undispatched: number
  dueEndpoints: number
  pings: { applicationId: string; pingId: string }[]
  poisoned: number
  expired: number
}

/** One batch: ends what must end, counts what is to be done. Counting stops where it changes nothing more. */
async function lookAround(db: Db, at: number): Promise<Found> {
  const free = sql`dispatched_at IS NULL AND (leased_until IS NULL OR leased_until <= ${at})`
  const poison = sql`SELECT id FROM events WHERE ${free} AND claims >= ${MAX_CLAIMS} ORDER BY id LIMIT ${POISONED_PER_SWEEP}`
  const stalePings = sql`SELECT id FROM events WHERE dispatched_at IS NULL AND ping_id IS NOT NULL AND created_at <= ${at - PING_EXPIRES_MS}`
  const [undispatched = [], due = [], pings = [], , poisoned = [], , expired = []] = await db.batch([
    sql`
      SELECT 1 FROM events WHERE ${free} AND ping_id IS NULL AND claims < ${MAX_CLAIMS}
      LIMIT ${JOBS_PER_SWEEP * EVENTS_PER_JOB}`,
    sql`
      SELECT 1 FROM endpoints
      WHERE due_at <= ${at} AND (leased_until IS NULL OR leased_until <= ${at})
        AND (paused_until IS NULL OR paused_until <= ${at})
      LIMIT ${JOBS_PER_SWEEP * ENDPOINTS_PER_JOB}`,
    sql`
      SELECT DISTINCT application_id, ping_id FROM events
      WHERE dispatched_at IS NULL AND ping_id IS NOT NULL AND created_at > ${at - PING_EXPIRES_MS}
      LIMIT ${PINGS_PER_SWEEP}`,
    // Poison ends visibly: every endpoint that would have got the event has a failed delivery.
    sql`
      INSERT INTO deliveries (event_id, endpoint_id, application_id, status, reason, created_at, ended_at)
      SELECT v.id, e.id, v.application_id, 'failed', 'internal', ${at}, ${at}
      FROM events v JOIN endpoints e ON e.id IN (SELECT id FROM (${candidates(FANOUT_STEP)}))
      WHERE v.id IN (${poison}) AND v.ping_id IS NULL AND ${isInterested}
      ON CONFLICT DO NOTHING`,
    sql`
      UPDATE events SET dispatched_at = ${at}, failure = 'internal', lease_token = NULL, leased_until = NULL
      WHERE id IN (${poison}) RETURNING id`,
    sql`
      UPDATE deliveries SET status = 'failed', reason = 'expired', ended_at = ${at}
      WHERE event_id IN (${stalePings}) AND status = 'pending'`,
    sql`UPDATE events SET dispatched_at = ${at} WHERE id IN (${stalePings}) RETURNING id`,
  ])
  return {
    undispatched: undispatched.length,
    dueEndpoints: due.length,
    pings: pings.map((row) => ({
      applicationId: row.application_id as string,
      pingId: row.ping_id as string,
    })),
    poisoned: poisoned.length,
    expired: expired.length,
  }
}

function jobsFor(found: Found): Job[] {
  const catchUps = Math.ceil(found.undispatched / EVENTS_PER_JOB)
  const drains = Math.ceil(found.dueEndpoints / ENDPOINTS_PER_JOB)
  return [
    ...found.pings.map((ping): Job => ({ kind: "ping", ...ping })),
    ...Array.from({ length: catchUps }, (): Job => ({ kind: "catch-up" })),
    ...Array.from({ length: drains }, (): Job => ({ kind: "drain" })),
  ]
}

/**
 * Deletes ended events that are past retention, with their attempts and deliveries, in steps of a bounded
 * number of rows. An event that still owes something stays. Answers how many events went.
 */
async function applyRetention(deps: Deps, db: Db, at: number): Promise<number> {
  const full = db.sizeBytes() / deps.config.databaseLimitBytes
  // Between nearly full and full the time kept falls in proportion, to a day at least.
  const share = full < NEARLY_FULL ? 1 : Math.max(0, (1 - full) / (1 - NEARLY_FULL))
  const keptMs = Math.max(DAY_MS, deps.config.retentionDays * DAY_MS * share)
  const ended = sql`
    SELECT v.id FROM events v WHERE v.id < ${idAt("event", at - keptMs)} AND v.dispatched_at IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.event_id = v.id AND d.status = 'pending')
    ORDER BY v.id LIMIT ${RETENTION_EVENTS}`
  let deleted = 0
  for (let step = 0; step < RETENTION_STEPS; step++) {
    const [found = [], , , events = []] = await db.batch([
      ended,
      deleteSome("attempts", ended),
      deleteSome("deliveries", ended),
      sql`
        DELETE FROM events WHERE id IN (${ended})
          AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.event_id = events.id)
          AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.event_id = events.id) RETURNING 1`,
    ])
    deleted += events.length
    if (found.length === 0) break
  }
  await db.batch([
    sql`
      DELETE FROM endpoints WHERE id IN (
        SELECT e.id FROM endpoints e WHERE e.removed_at <= ${at - keptMs}
          AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.endpoint_id = e.id)
        LIMIT ${REMOVED_ENDPOINTS}
      )`,
  ])
  return deleted
}

function deleteSome(table: "attempts" | "deliveries", ended: SQL): SQL {
  const name = sql.raw(table)
  return sql`
    DELETE FROM ${name} WHERE rowid IN (
      SELECT t.rowid FROM ${name} t WHERE t.event_id IN (${ended}) LIMIT ${RETENTION_ROWS}
    )`
}

function setState(key: string, value: number): SQL {
  return sql`
    INSERT INTO system_state (key, value) VALUES (${key}, ${value})
    ON CONFLICT (key) DO UPDATE SET value = excluded.value`
}
