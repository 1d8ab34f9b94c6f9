import { sql } from "drizzle-orm"

import type { Db } from "../../db/client.ts"
import type { Deps } from "../../deps.ts"
import { attempt } from "./attempt.ts"
import { type Budget, lastStart, leaseMs, runLimited } from "./budget.ts"
import { endpointColumns, type Owed, readEndpoint } from "./claimed.ts"
import { MAX_CLAIMS, SUSPECT_CLAIMS } from "./dispatch.ts"
import { enqueue } from "./jobs.ts"
import { type Handled, record } from "./record.ts"

const ENDPOINTS_PER_PASS = 6
const DELIVERIES_PER_ENDPOINT = 6
/** Deliveries of removed endpoints that one pass ends. */
const ENDED_PER_PASS = 2000
/** Due times further away than this are left to the sweep, which runs every minute. */
const NEAR_MS = 60_000
/** A job must not arrive before what it is for is due; the queue's clock is not ours. */
const WAKE_RESERVE_MS = 50

/**
 * Works the retry lane once: claims the most overdue endpoints that are neither leased nor paused, attempts up
 * to six due deliveries of each, records, and books the next drain if more is due soon. Deliveries that must
 * not happen any more (endpoint removed or disabled, subscription gone) end here with their reason.
 * Answers how many endpoints it claimed.
 */
export async function drain(deps: Deps, db: Db, budget: Budget): Promise<number> {
  const at = deps.clock.now()
  const token = crypto.randomUUID()
  const claimed = await claimEndpoints(deps, db, token, at, Math.floor(budget.left / DELIVERIES_PER_ENDPOINT))
  if (claimed.endpointIds.length === 0) return 0

  const fresh = claimed.owed.filter((owed) => owed.claims < SUSPECT_CLAIMS)
  const suspects = claimed.owed.filter((owed) => owed.claims >= SUSPECT_CLAIMS)
  const startBy = lastStart(deps, at)
  const send = (owed: Owed) => attempt(deps, owed.event, owed.endpoint, "scheduled")

  const attempts = await runLimited(deps, fresh, startBy, (owed) => (budget.take() ? send(owed) : undefined))
  // Not started means still due: the lease ends, nothing else changes.
  const handled = fresh.flatMap((owed, index): Handled[] => {
    const made = attempts[index]
    return made ? [{ owed, attempt: made }] : []
  })
  await record(deps, db, {
    token,
    handled,
    released: suspects.length === 0 ? claimed.endpointIds : [],
  })
  if (suspects.length > 0) await drainAlone(deps, db, token, suspects, startBy, budget, claimed.endpointIds)

  await scheduleDrain(deps, await nextDue(db, deps.clock.now()))
  deps.log({
    unit: "drain",
    endpointIds: claimed.endpointIds,
    attempts: handled.length,
    suspects: suspects.length,
    ended: claimed.ended,
    durationMs: deps.clock.now() - at,
  })
  return claimed.endpointIds.length
}

/** Sends a drain for the moment at which something is due, unless that is far; null: nothing is due. */
export async function scheduleDrain(deps: Deps, dueAt: number | null): Promise<void> {
  if (dueAt === null) return
  const delay = dueAt - deps.clock.now()
  if (delay <= NEAR_MS) await enqueue(deps, { kind: "drain" }, delay <= 0 ? 0 : delay + WAKE_RESERVE_MS)
}

/** One at a time, each claim counted before its attempt, the least claimed first: a killer meets only itself. */
async function drainAlone(
  deps: Deps,
  db: Db,
  token: string,
  suspects: readonly Owed[],
  startBy: number,
  budget: Budget,
  released: readonly string[],
): Promise<void> {
  for (const owed of [...suspects].sort((a, b) => a.claims - b.claims)) {
    if (deps.clock.now() > startBy || !budget.take()) break
    await db.batch([
      sql`
        UPDATE deliveries SET claims = ${owed.claims + 1}
        WHERE event_id = ${owed.event.id} AND endpoint_id = ${owed.endpoint.id} AND lease_token = ${token}`,
    ])
    const made = await attempt(deps, owed.event, owed.endpoint, "scheduled")
    await record(deps, db, { token, handled: [{ owed, attempt: made }] })
  }
  await record(deps, db, { token, handled: [], released })
}

interface Claim {
  endpointIds: string[]
  owed: Owed[]
  ended: number
}

async function claimEndpoints(deps: Deps, db: Db, token: string, at: number, most: number): Promise<Claim> {
  const until = at + leaseMs(deps)
  const limit = Math.min(ENDPOINTS_PER_PASS, most)
  const ending = (status: string, reason: unknown) =>
    sql`UPDATE deliveries SET status = ${status}, reason = ${reason}, next_attempt_at = NULL, ended_at = ${at}`
  // The due deliveries of the claimed endpoints, the most overdue of each first.
  const page = sql`
    SELECT d.rowid FROM endpoints e JOIN deliveries d ON d.rowid IN (
      SELECT x.rowid FROM deliveries x
      WHERE x.endpoint_id = e.id AND x.status = 'pending' AND x.next_attempt_at <= ${at}
      ORDER BY x.next_attempt_at LIMIT ${DELIVERIES_PER_ENDPOINT}
    )
    WHERE e.lease_token = ${token}`
  const [
    claimed = [],
    removed = [],
    disabled = [],
    unsubscribed = [],
    poisoned = [],
    ,
    owed = [],
    events = [],
  ] = await db.batch([
    sql`
        UPDATE endpoints SET lease_token = ${token}, leased_until = ${until} WHERE id IN (
          SELECT id FROM endpoints
          WHERE due_at <= ${at} AND (leased_until IS NULL OR leased_until <= ${at})
            AND (paused_until IS NULL OR paused_until <= ${at} OR removed_at IS NOT NULL)
          ORDER BY due_at LIMIT ${limit}
        ) RETURNING id`,
    sql`
        ${ending("canceled", "removed")} WHERE rowid IN (
          SELECT d.rowid FROM endpoints e JOIN deliveries d ON d.endpoint_id = e.id AND d.status = 'pending'
          WHERE e.lease_token = ${token} AND e.removed_at IS NOT NULL LIMIT ${ENDED_PER_PASS}
        ) RETURNING 1`,
    sql`
        ${ending(
          "failed",
          sql`(SELECT CASE e.disabled_reason WHEN 'gone' THEN 'gone' ELSE 'disabled' END
               FROM endpoints e WHERE e.id = deliveries.endpoint_id)`,
        )} WHERE rowid IN (
          SELECT d.rowid FROM endpoints e
          JOIN deliveries d ON d.endpoint_id = e.id AND d.status = 'pending' AND d.next_attempt_at <= ${at}
          WHERE e.lease_token = ${token} AND e.disabled_at IS NOT NULL LIMIT ${ENDED_PER_PASS}
        ) RETURNING 1`,
    sql`
        ${ending("canceled", "unsubscribed")} WHERE rowid IN (${page}) AND EXISTS (
          SELECT 1 FROM events v JOIN endpoints e ON e.id = deliveries.endpoint_id
          WHERE v.id = deliveries.event_id AND v.endpoint_id IS NULL AND e.all_event_types_since IS NULL
            AND NOT EXISTS (
              SELECT 1 FROM subscriptions s WHERE s.event_type_id = v.event_type_id AND s.endpoint_id = e.id
            )
        ) RETURNING 1`,
    sql`${ending("failed", "internal")} WHERE rowid IN (${page}) AND claims >= ${MAX_CLAIMS} RETURNING 1`,
    sql`
        UPDATE deliveries SET lease_token = ${token}, leased_until = ${until},
          claims = claims + (claims < ${SUSPECT_CLAIMS})
        WHERE rowid IN (${page})`,
    sql`
        SELECT d.event_id, d.attempts, d.claims, ${endpointColumns(at)}
        FROM endpoints e JOIN deliveries d ON d.endpoint_id = e.id AND d.status = 'pending'
        WHERE e.lease_token = ${token} AND d.lease_token = ${token}`,
    sql`
        SELECT v.id, v.application_id, v.payload FROM events v WHERE v.id IN (
          SELECT d.event_id FROM endpoints e JOIN deliveries d ON d.endpoint_id = e.id AND d.status = 'pending'
          WHERE e.lease_token = ${token} AND d.lease_token = ${token}
        )`,
  ])
  const byId = new Map(events.map((row) => [row.id, row]))
  return {
    endpointIds: claimed.map((row) => row.id as string),
    ended: removed.length + disabled.length + unsubscribed.length + poisoned.length,
    owed: owed.flatMap((row) => {
      const event = byId.get(row.event_id)
      if (!event) return []
      return {
        event: {
          id: event.id as string,
          applicationId: event.application_id as string,
          payload: (event.payload as string | null) ?? "",
        },
        endpoint: readEndpoint(row),
        attempts: row.attempts as number,
        claims: row.claims as number,
      }
    }),
  }
}

/** When the retry lane next has something to do within a minute, from its most overdue endpoints; null: later. */
async function nextDue(db: Db, now: number): Promise<number | null> {
  const [rows = []] = await db.batch([
    sql`
      SELECT min(at) AS at FROM (
        SELECT max(due_at, coalesce(paused_until, 0), coalesce(leased_until, 0)) AS at FROM endpoints
        WHERE due_at <= ${now + NEAR_MS} ORDER BY due_at LIMIT 50
      )`,
  ])
  return (rows.at(0)?.at as number | null) ?? null
}
