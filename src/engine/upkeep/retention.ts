import { sql } from "drizzle-orm"

import type { Db, Row } from "../../db/client.ts"
import { idAt } from "../../db/ids.ts"
import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import { forgetTokens } from "../applications/tokens.ts"
import { forgetAnswers, IDEMPOTENCY_MS } from "../kit/idempotency.ts"
import { keysIn, readKey } from "../pipeline/jobs.ts"
import type { Upkeep } from "./contribution.ts"
import { moveRetention } from "./state.ts"

/** From this share of the database's limit on, retention shortens. */
export const NEARLY_FULL = 0.8
const DAY_MS = 24 * 3600 * 1000
const EVENTS_PER_STEP = 500
const ROWS_PER_STEP = 2000
/** A step's own five, and what the parts of the sweep behind it ask beyond what is always in reserve. */
const STATEMENTS_PER_STEP = 8
const REMOVED_ENDPOINTS = 100
const ENDED_TASKS = 100
const PAYLOADS_PER_SWEEP = 2000

/**
 * Deletes ended events that are past retention, with their attempts and deliveries, in the order in which
 * they were written and in steps of a bounded number of rows. An event that still owes something stays; the
 * cursor passes over it, so that the next sweeps need not look at it again until they come round.
 */
export const eventRetention: Upkeep = {
  // The numbers begin anew when the table was empty: a cursor with nothing behind it is as good as none.
  look: () => ({
    oldest: sql`
      SELECT c.cursor, v.created_at
      FROM (SELECT coalesce((SELECT s.retention_cursor FROM system_state s WHERE s.key = 'sweep'), 0) AS cursor) c
      LEFT JOIN events v ON v.seq = (SELECT min(n.seq) FROM events n WHERE n.seq > c.cursor)
      WHERE c.cursor > 0 OR v.seq IS NOT NULL`,
  }),
  async work({ deps, db, at, budget }, { oldest = [] }) {
    const cutoff = at - keptMs(deps, db)
    const start = (oldest.at(0)?.cursor as number | undefined) ?? 0
    const first = (oldest.at(0)?.created_at as number | null | undefined) ?? null
    if (start === 0 && (first === null || first >= cutoff)) return {}
    let cursor = start
    let deleted = 0
    while (budget.affords(STATEMENTS_PER_STEP)) {
      const page = await deletePage(db, cursor, cutoff)
      deleted += page.deleted
      if (page.unfinished) continue
      cursor = page.reached
      if (cursor === 0) break
    }
    if (cursor !== start) await db.batch({ moved: moveRetention(cursor) })
    return { deletedEvents: deleted }
  },
}

/** Between nearly full and full the time kept falls in proportion, to a day at least. */
export function keptMs(deps: Deps, db: Db): number {
  const full = db.sizeBytes() / deps.config.databaseLimitBytes
  const share = full < NEARLY_FULL ? 1 : Math.max(0, (1 - full) / (1 - NEARLY_FULL))
  return Math.max(DAY_MS, deps.config.retentionDays * DAY_MS * share)
}

interface DeletedPage {
  deleted: number
  /** Some of the page's events have more rows than one step deletes. */
  unfinished: boolean
  /** The number of the last old event; 0 when nothing old is behind it. */
  reached: number
}

async function deletePage(db: Db, cursor: number, cutoff: number): Promise<DeletedPage> {
  const page = await db.read(sql`
    SELECT v.seq, v.application_id, v.id, v.created_at < ${cutoff} AS old, v.dispatched_at IS NOT NULL AND NOT EXISTS (
      SELECT 1 FROM deliveries d WHERE d.event_id = v.id AND d.status = 'pending'
    ) AS ended
    FROM events v WHERE v.seq > ${cursor} ORDER BY v.seq LIMIT ${literal(EVENTS_PER_STEP)}`)
  // Numbers are given in the order of commits, times are not quite: a young event among
  // old ones is passed over.
  const old = page.filter((row) => row.old === 1)
  const isLast = page.length < EVENTS_PER_STEP || old.length === 0
  const reached = isLast ? 0 : ((old.at(-1)?.seq as number | undefined) ?? 0)
  const ended = old.filter((row) => row.ended === 1)
  const deleted = ended.length === 0 ? 0 : await deleteEvents(db, ended)
  return { deleted, unfinished: deleted < ended.length, reached }
}

async function deleteEvents(db: Db, events: readonly Row[]): Promise<number> {
  const keys = events.map(readKey)
  const ids = sql`(SELECT value FROM json_each(${JSON.stringify(keys.map(({ eventId }) => eventId))}))`
  const most = literal(ROWS_PER_STEP)
  const { gone } = await db.batch({
    attempts: sql`
      DELETE FROM attempts WHERE (event_id, id) IN (
        SELECT event_id, id FROM attempts WHERE event_id IN ${ids} LIMIT ${most}
      )`,
    deliveries: sql`
      DELETE FROM deliveries WHERE (event_id, endpoint_id) IN (
        SELECT event_id, endpoint_id FROM deliveries WHERE event_id IN ${ids} LIMIT ${most}
      )`,
    gone: sql`
      DELETE FROM events AS v WHERE (v.application_id, v.id) IN (${keysIn(keys)})
        AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.event_id = v.id)
        AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.event_id = v.id) RETURNING 1`,
  })
  return gone.length
}

/**
 * Deletes removed endpoints to which nothing refers any more, and ended tasks, once they are past retention.
 */
export const remainsRetention: Upkeep = {
  look: () => ({
    removed: sql`SELECT removed_at FROM endpoints WHERE removed_at IS NOT NULL ORDER BY removed_at LIMIT 1`,
    tasks: sql`SELECT id FROM tasks ORDER BY id LIMIT 1`,
  }),
  async work({ deps, db, at }, { removed = [], tasks = [] }) {
    const cutoff = at - keptMs(deps, db)
    const firstKept = idAt("task", cutoff)
    const removedBefore = removed.some((row) => (row.removed_at as number) <= cutoff)
    const endedBefore = tasks.some((row) => (row.id as string) < firstKept)
    if (!removedBefore && !endedBefore) return {}
    await db.batch({
      endpoints: sql`
        DELETE FROM endpoints WHERE id IN (
          SELECT e.id FROM endpoints e WHERE e.removed_at <= ${cutoff}
            AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.endpoint_id = e.id)
            AND NOT EXISTS (SELECT 1 FROM endpoint_hours h WHERE h.endpoint_id = e.id)
          LIMIT ${literal(REMOVED_ENDPOINTS)}
        )`,
      tasks: sql`
        DELETE FROM tasks WHERE id IN (
          SELECT id FROM tasks
          WHERE id < ${firstKept} AND status <> 'running' LIMIT ${literal(ENDED_TASKS)}
        )`,
    })
    return {}
  },
}

/** Forgets kept answers and revoked tokens whose time is over, a bounded number. */
export const keyRetention: Upkeep = {
  look: (_deps, at) => ({
    answers: sql`SELECT 1 FROM idempotency_keys WHERE created_at <= ${at - IDEMPOTENCY_MS} LIMIT 1`,
    tokens: sql`SELECT 1 FROM revoked_tokens WHERE expires_at <= ${at} LIMIT 1`,
  }),
  async work({ db, at, budget }) {
    await db.batch({ tokens: forgetTokens(at, ROWS_PER_STEP) })
    let forgottenAnswers = 0
    while (budget.affords(1)) {
      const { forgotten } = await db.batch({ forgotten: forgetAnswers(at, ROWS_PER_STEP) })
      forgottenAnswers += forgotten.length
      if (forgotten.length < ROWS_PER_STEP) break
    }
    return { forgottenAnswers }
  },
}

/**
 * Forgets payloads whose time is over, a bounded number: their events stay, what is still owed of them ends.
 */
export const payloadExpiry: Upkeep = {
  look: (_deps, at) => ({ expired: sql`SELECT 1 FROM events WHERE payload_expires_at <= ${at} LIMIT 1` }),
  async work({ db, at }) {
    await db.batch({
      forgotten: sql`
        UPDATE events SET payload = NULL, payload_expires_at = NULL WHERE seq IN (
          SELECT seq FROM events WHERE payload_expires_at <= ${at} ORDER BY payload_expires_at
          LIMIT ${literal(PAYLOADS_PER_SWEEP)}
        )`,
    })
    return {}
  },
}
