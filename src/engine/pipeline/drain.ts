import { type SQL, sql } from "drizzle-orm"

import type { Db } from "../../db/client.ts"
import type { Deps } from "../../deps.ts"
import { isImpaired } from "../rules/endpoint-health.ts"
import { attempt } from "./attempt.ts"
import { type Budget, lastStart, leaseMs } from "./budget.ts"
import {
  endpointColumns,
  eventColumns,
  MAX_CLAIMS,
  type Owed,
  readEndpoint,
  readEvent,
  SUSPECT_CLAIMS,
} from "./claimed.ts"
import { DELIVERIES_PER_ENDPOINT, scheduleDrain } from "./due.ts"
import { enqueue } from "./jobs.ts"
import { attemptAll } from "./lanes.ts"
import { record } from "./record.ts"
import type { Handled } from "./state.ts"

const ENDPOINTS_PER_PASS = 36
/** Deliveries of removed and of disabled endpoints that one pass ends. */
const ENDED_PER_PASS = 2000
/**
 * Works the retry lane once: claims the most overdue endpoints, attempts up to six due deliveries of each, one
 * after the other, and records. Deliveries that must not happen any more (endpoint removed or disabled,
 * subscription gone) end here with their reason. Books the next drain if more is due soon. Answers how many
 * endpoints it claimed. Throws only before the first request has gone out.
 */
export async function drain(deps: Deps, db: Db, budget: Budget): Promise<number> {
  const at = deps.clock.now()
  const limit = Math.min(ENDPOINTS_PER_PASS, budget.left)
  const claim = await claimEndpoints(deps, db, at, limit)
  const { token, endpointIds } = claim
  if (endpointIds.length === 0) return 0
  // A full page: somebody else can go on behind it while this one waits for receivers.
  if (endpointIds.length === limit) await enqueue(deps, { kind: "drain" })

  const ended = claim.due.flatMap(({ owed, ended }): Handled[] =>
    ended ? [{ owed, attempt: null, ended }] : [],
  )
  const toSend = claim.due.filter((due) => !due.ended).map(({ owed }) => owed)
  const suspects = toSend.filter((owed) => owed.claims >= SUSPECT_CLAIMS)
  // The unwell last: a page of theirs, hanging, must not use up the time of the others.
  const fresh = toSend
    .filter((owed) => owed.claims < SUSPECT_CLAIMS && budget.take())
    .sort((a, b) => Number(isImpaired(a.endpoint.health, at)) - Number(isImpaired(b.endpoint.health, at)))
  const startBy = lastStart(deps, at)
  const send = (owed: Owed) => attempt(deps, owed.event, owed.endpoint, "scheduled")
  const made = await attemptAll(deps, fresh, { startBy, perEndpoint: 1 }, send)

  const handled = [...ended, ...[...made].map(([owed, attempt]): Handled => ({ owed, attempt }))]
  const untouched = toSend.filter((owed) => !made.has(owed) && !suspects.includes(owed))
  const released = suspects.length === 0 ? endpointIds : []
  let due = await record(deps, db, { token, handled, untouched, released })
  if (suspects.length > 0) {
    await drainAlone(deps, db, token, suspects, startBy, budget)
    due = await record(deps, db, { token, handled: [], released: endpointIds })
  }
  await scheduleDrain(deps, due)
  deps.log({
    unit: "drain",
    endpointIds,
    attempts: made.size,
    ended: claim.ended + ended.length,
    untouched: untouched.length,
    suspects: suspects.length,
    durationMs: deps.clock.now() - at,
  })
  return endpointIds.length
}

/** One at a time, each claim counted before its attempt, the least claimed first: a killer meets only itself. */
async function drainAlone(
  deps: Deps,
  db: Db,
  token: string,
  suspects: readonly Owed[],
  startBy: number,
  budget: Budget,
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
}

interface Claim {
  token: string
  endpointIds: string[]
  due: { owed: Owed; ended?: "expired" | "internal" | "unsubscribed" }[]
  /** Deliveries that ended because their endpoint is removed or disabled. */
  ended: number
}

/**
 * Leases the most overdue endpoints, ends what removed and disabled ones owe, leases the due deliveries of the
 * others and reads them. One batch, safe to repeat: under its token it claims once.
 */
async function claimEndpoints(deps: Deps, db: Db, at: number, limit: number): Promise<Claim> {
  const token = crypto.randomUUID()
  const until = at + leaseMs(deps)
  const page = duePage(token, at, limit)
  const [, removed = [], disabled = [], , rows = [], events = [], claimed = []] = await db.batch([
    sql`
      UPDATE endpoints SET lease_token = ${token}, leased_until = ${until}, due_at = ${until}
      WHERE id IN (SELECT id FROM endpoints WHERE due_at <= ${at} ORDER BY due_at LIMIT ${limit})
        AND NOT EXISTS (SELECT 1 FROM endpoints WHERE lease_token = ${token})`,
    endPending(
      sql`'canceled'`,
      sql`'removed'`,
      at,
      sql`e.lease_token = ${token} AND e.removed_at IS NOT NULL`,
    ),
    endPending(
      sql`'failed'`,
      sql`(SELECT CASE e.disabled_reason WHEN 'gone' THEN 'gone' ELSE 'disabled' END
           FROM endpoints e WHERE e.id = deliveries.endpoint_id)`,
      at,
      sql`e.lease_token = ${token} AND e.disabled_at IS NOT NULL AND d.next_attempt_at <= ${at}`,
    ),
    sql`
      UPDATE deliveries SET lease_token = ${token}, leased_until = ${until},
        claims = claims + (claims < ${SUSPECT_CLAIMS})
      WHERE rowid IN (${page}) AND lease_token IS NOT ${token}`,
    sql`
      SELECT d.event_id, d.attempts, d.claims, ${endpointColumns(at)},
        v.endpoint_id IS NOT NULL OR e.all_event_types_since IS NOT NULL OR EXISTS (
          SELECT 1 FROM subscriptions s WHERE s.event_type_id = v.event_type_id AND s.endpoint_id = e.id
        ) AS subscribed
      FROM deliveries d JOIN endpoints e ON e.id = d.endpoint_id LEFT JOIN events v ON v.id = d.event_id
      WHERE d.rowid IN (${page}) AND d.lease_token = ${token}
      ORDER BY d.next_attempt_at`,
    sql`
      SELECT ${eventColumns} FROM events v WHERE v.id IN (
        SELECT d.event_id FROM deliveries d WHERE d.rowid IN (${page}) AND d.lease_token = ${token}
      )`,
    sql`SELECT id FROM endpoints WHERE lease_token = ${token}`,
  ])
  const byId = new Map(events.map((row) => [row.id, readEvent(row)]))
  return {
    token,
    endpointIds: claimed.map((row) => row.id as string),
    ended: removed.length + disabled.length,
    due: rows.map((row) => {
      const event = byId.get(row.event_id)
      const claims = row.claims as number
      const owed: Owed = {
        event: event ?? { id: row.event_id as string, applicationId: "", payload: null },
        endpoint: readEndpoint(row),
        attempts: row.attempts as number,
        claims,
      }
      if (!event || claims >= MAX_CLAIMS) return { owed, ended: "internal" }
      if (event.payload === null) return { owed, ended: "expired" }
      if (row.subscribed !== 1) return { owed, ended: "unsubscribed" }
      return { owed }
    }),
  }
}

/**
 * The rowids of the due deliveries of the leased endpoints that may be attempted: six of each at most, `most`
 * in all, each endpoint's first before any second. Leased rows stay in it: they are the most overdue.
 */
function duePage(token: string, at: number, most: number): SQL {
  return sql`
    SELECT rowid FROM (
      SELECT d.rowid, d.next_attempt_at,
        row_number() OVER (PARTITION BY d.endpoint_id ORDER BY d.next_attempt_at, d.rowid) AS place
      FROM endpoints e CROSS JOIN deliveries d
      WHERE e.lease_token = ${token} AND e.removed_at IS NULL AND e.disabled_at IS NULL AND d.rowid IN (
        SELECT x.rowid FROM deliveries x
        WHERE x.endpoint_id = e.id AND x.status = 'pending' AND x.next_attempt_at <= ${at}
        ORDER BY x.next_attempt_at, x.rowid LIMIT ${DELIVERIES_PER_ENDPOINT}
      )
    ) ORDER BY place, next_attempt_at, rowid LIMIT ${most}`
}

/** Ends a bounded number of the pending deliveries `d` of the endpoints `e` for which the condition holds. */
function endPending(status: SQL, reason: SQL, at: number, condition: SQL): SQL {
  // CROSS JOIN keeps the planner from walking everybody's pending deliveries to find the leased endpoints.
  return sql`
    UPDATE deliveries SET status = ${status}, reason = ${reason}, next_attempt_at = NULL, ended_at = ${at}
    WHERE rowid IN (
      SELECT d.rowid FROM endpoints e CROSS JOIN deliveries d
      WHERE ${condition} AND d.endpoint_id = e.id AND d.status = 'pending' LIMIT ${ENDED_PER_PASS}
    ) RETURNING 1`
}
