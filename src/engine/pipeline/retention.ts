import { sql } from "drizzle-orm"

import type { Db } from "../../db/client.ts"
import { idAt } from "../../db/ids.ts"
import type { Deps } from "../../deps.ts"
import { forgetAnswers } from "../idempotency.ts"
import { readState, setState } from "../system-state.ts"
import { forgetTokens } from "../tokens.ts"

/** From this share of the database's limit on, retention shortens. */
export const NEARLY_FULL = 0.8
const DAY_MS = 24 * 3600 * 1000
const EVENTS_PER_STEP = 500
const ROWS_PER_STEP = 2000
const STEPS_PER_SWEEP = 10
const REMOVED_ENDPOINTS = 100
const ENDED_TASKS = 100
const PAYLOADS_PER_SWEEP = 2000
const CURSOR = "retention_cursor"

/**
 * Deletes ended events that are past retention, with their attempts and deliveries, along the time-ordered ids
 * and in steps of a bounded number of rows. An event that still owes something stays; a cursor passes over it,
 * so that the next sweeps need not look at it again until they come round. Forgets kept answers and revoked
 * tokens whose time is over, too. Answers how many events went.
 */
export async function applyRetention(deps: Deps, db: Db, at: number): Promise<number> {
  const cutoff = at - keptMs(deps, db)
  let cursor = await readState(db, CURSOR)
  const start = cursor
  let deleted = 0
  for (let step = 0; step < STEPS_PER_SWEEP; step++) {
    const page = await deletePage(db, cursor, cutoff)
    deleted += page.deleted
    if (page.unfinished) continue
    cursor = page.last
    if (cursor === 0) break
  }
  await db.batch([
    ...(cursor === start ? [] : [setState(CURSOR, cursor)]),
    sql`
      DELETE FROM endpoints WHERE id IN (
        SELECT e.id FROM endpoints e WHERE e.removed_at <= ${cutoff}
          AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.endpoint_id = e.id)
        LIMIT ${REMOVED_ENDPOINTS}
      )`,
    sql`
      DELETE FROM background_tasks WHERE id IN (
        SELECT id FROM background_tasks
        WHERE id < ${idAt("backgroundTask", cutoff)} AND status <> 'running' LIMIT ${ENDED_TASKS}
      )`,
    forgetTokens(at, ROWS_PER_STEP),
  ])
  for (let step = 0; step < STEPS_PER_SWEEP; step++) {
    const [forgotten = []] = await db.batch([forgetAnswers(at, ROWS_PER_STEP)])
    if (forgotten.length < ROWS_PER_STEP) break
  }
  return deleted
}

/** Between nearly full and full the time kept falls in proportion, to a day at least. */
function keptMs(deps: Deps, db: Db): number {
  const full = db.sizeBytes() / deps.config.databaseLimitBytes
  const share = full < NEARLY_FULL ? 1 : Math.max(0, (1 - full) / (1 - NEARLY_FULL))
  return Math.max(DAY_MS, deps.config.retentionDays * DAY_MS * share)
}

interface DeletedPage {
  deleted: number
  /** Some of the page's events have more rows than one step deletes. */
  unfinished: boolean
  /** When the page's last event was made, epoch ms; 0 when there is nothing behind it. */
  last: number
}

async function deletePage(db: Db, cursor: number, cutoff: number): Promise<DeletedPage> {
  const [page = []] = await db.batch([
    sql`
      SELECT v.id, v.created_at, v.dispatched_at IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM deliveries d WHERE d.event_id = v.id AND d.status = 'pending'
      ) AS ended
      FROM events v WHERE v.id >= ${idAt("event", cursor)} AND v.id < ${idAt("event", cutoff)}
      ORDER BY v.id LIMIT ${EVENTS_PER_STEP}`,
  ])
  const ended = page.filter((row) => row.ended === 1).map((row) => row.id)
  const reached = page.length < EVENTS_PER_STEP ? 0 : ((page.at(-1)?.created_at as number) ?? 0)
  if (ended.length === 0) {
    // A page full of one millisecond would never move the cursor by itself.
    return { deleted: 0, unfinished: false, last: reached === cursor && reached > 0 ? cursor + 1 : reached }
  }
  const ids = sql`(SELECT value FROM json_each(${JSON.stringify(ended)}))`
  const [, , gone = []] = await db.batch([
    sql`DELETE FROM attempts WHERE rowid IN (SELECT rowid FROM attempts WHERE event_id IN ${ids} LIMIT ${ROWS_PER_STEP})`,
    sql`DELETE FROM deliveries WHERE rowid IN (SELECT rowid FROM deliveries WHERE event_id IN ${ids} LIMIT ${ROWS_PER_STEP})`,
    sql`
      DELETE FROM events WHERE id IN ${ids}
        AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.event_id = events.id)
        AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.event_id = events.id) RETURNING 1`,
  ])
  return { deleted: gone.length, unfinished: gone.length < ended.length, last: reached }
}

/** Forgets payloads whose time is over, a bounded number: their events stay, what is still owed of them ends. */
export async function expirePayloads(db: Db, at: number): Promise<void> {
  await db.batch([
    sql`
      UPDATE events SET payload = NULL, payload_expires_at = NULL WHERE rowid IN (
        SELECT rowid FROM events WHERE payload_expires_at <= ${at} ORDER BY payload_expires_at
        LIMIT ${PAYLOADS_PER_SWEEP}
      )`,
  ])
}
