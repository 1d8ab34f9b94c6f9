import { type SQL, sql } from "drizzle-orm"

import type { Db, Row } from "../../db/client.ts"
import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import type { Rate } from "../rules/rate.ts"
import { lastStart, leaseMs } from "./budget.ts"
import {
  type ClaimedDelivery,
  endpointColumns,
  eventColumns,
  readEndpoint,
  readEvent,
  readRate,
  SUSPECT_CLAIMS,
} from "./claim.ts"
import type { Work } from "./jobs.ts"
import { type Left, lastInTurn, left, nextInTurn, onceRound, partOf, readLeft } from "./lane.ts"
import { type Ended, prepare } from "./prepare.ts"
import type { Due } from "./rates.ts"
import { isCalledFor, noneWaits, turnSoFar } from "./schedule.ts"

/** Deliveries of one unwell endpoint that a pass takes; of one that is well, as many as the pass has. */
const DELIVERIES_PER_ENDPOINT = 6
/** Deliveries of removed and of disabled endpoints that one pass ends. */
const ENDED_PER_PASS = 2000

export type Drain = Extract<Work, { kind: "drain" }>

/** Endpoints under a lease, and what is due there. */
export interface Claim {
  token: string
  at: number
  endpointIds: string[]
  due: (Due & { ended: Ended | null })[]
  /** The rates of applications that have one. */
  rates: ReadonlyMap<string, Rate>
  /** Endpoints whose claims have ended without a result too often: what is due there is handled alone. */
  suspects: ReadonlySet<string>
  /** Deliveries that ended because their endpoint is removed or disabled. */
  ended: number
  /** The application that had the last turn before this pass; empty: nobody had one. */
  turnBefore: string
  /** The last one in this pass; null: nothing was due. */
  lastTurn: string | null
  /** What the lane holds beyond. */
  left: Left
}

/**
 * Leases up to `limit` endpoints whose turn it is, and with each what is due there at `at`; reads it; ends what removed
 * and disabled ones owe. Without a `job` it looks once round the lane. Safe to repeat: under its token it claims once, and
 * finds its own by the lease's end.
 */
export async function claimEndpoints(
  deps: Deps,
  db: Db,
  at: number,
  limit: number,
  job: Drain | null,
): Promise<Claim> {
  const { from, to, isCalled = false } = job ?? {}
  const round = from !== undefined && to !== undefined ? partOf({ from, to }) : onceRound(turnSoFar)
  // Whoever was not called leaves what is due to the drain that was, and waits.
  const mayClaim = job === null || isCalled ? sql`true` : sql`NOT ${isCalledFor(at)}`
  const token = crypto.randomUUID()
  const until = at + leaseMs(deps)
  const mine = sql`e.leased_until = ${until} AND e.lease_token = ${token}`
  const page = duePage(mine, at, limit)
  const { lane, due, events } = await db.batch({
    begun: isCalled ? noneWaits : null,
    claimed: sql`
      UPDATE endpoints SET lease_token = ${token}, leased_until = ${until}, due_at = NULL, claims = claims + 1
      WHERE rowid IN (${nextInTurn(round, at, limit)})
        AND NOT EXISTS (SELECT 1 FROM endpoints e WHERE ${mine}) AND ${mayClaim}`,
    // What is left has a row, whether or not there is an endpoint.
    lane: sql`
      SELECT l.json AS left, ${turnSoFar} AS turn_before, e.application_id, e.claims, e.removed_at, e.disabled_at,
        a.throttle_rate AS shared_rate, a.throttled_until AS shared_until, ${endpointColumns(at)}
      FROM (SELECT ${left(round)} AS json) l LEFT JOIN endpoints e ON ${mine}
      LEFT JOIN applications a ON a.id = e.application_id`,
    due: dueDeliveries(page),
    events: sql`
      SELECT ${eventColumns} FROM (SELECT DISTINCT application_id, event_id FROM (${page})) p
      CROSS JOIN events v ON v.application_id = p.application_id AND v.id = p.event_id`,
  })
  const endpoints = lane.filter((row) => row.endpoint_id !== null)
  const turnBefore = lane[0]?.turn_before as string
  return {
    token,
    at,
    endpointIds: idsOf(endpoints),
    due: readDeliveries(deps, at, { endpoints, events, due }),
    rates: sharedRates(endpoints),
    suspects: new Set(idsOf(endpoints.filter(({ claims }) => (claims as number) > SUSPECT_CLAIMS))),
    ended: await endImpossible(db, endpoints, mine, at),
    turnBefore,
    lastTurn: lastInTurn(from ?? turnBefore, endpoints),
    left: readLeft(lane[0]?.left),
  }
}

function idsOf(endpoints: readonly Row[]): string[] {
  return endpoints.map((row) => row.endpoint_id as string)
}

function sharedRates(endpoints: readonly Row[]): ReadonlyMap<string, Rate> {
  return new Map(
    endpoints.flatMap((row) => {
      const rate = readRate(row.shared_rate, row.shared_until)
      return rate ? [[row.application_id as string, rate]] : []
    }),
  )
}

/** The deliveries that `dueDeliveries` has selected, each with its endpoint, its event and what stands against its attempt. */
function readDeliveries(
  deps: Deps,
  at: number,
  { endpoints, events, due }: { endpoints: readonly Row[]; events: readonly Row[]; due: readonly Row[] },
): Claim["due"] {
  const endpointOf = new Map(endpoints.map((row) => [row.endpoint_id, readEndpoint(row)]))
  const eventOf = new Map(events.map((row) => [row.id, readEvent(row)]))
  return due.flatMap((row) => {
    const endpoint = endpointOf.get(row.endpoint_id)
    if (!endpoint) return []
    const event = eventOf.get(row.event_id) ?? null
    const claims = row.claims as number
    const gone = { id: row.event_id as string, applicationId: row.application_id as string, payload: null }
    const delivery: ClaimedDelivery = {
      event: event ?? gone,
      endpoint,
      attempts: row.attempts as number,
      claims,
      startBy: lastStart(deps, at),
    }
    // What removed and disabled endpoints owe is ended by itself.
    const ended = prepare({ event, claims, subscribed: row.subscribed === 1 })
    return { delivery, ended, since: row.next_attempt_at as number }
  })
}

/** The deliveries of a page, and whether their endpoints still want them. */
function dueDeliveries(page: SQL): SQL {
  return sql`
    SELECT p.event_id, p.endpoint_id, d.application_id, d.next_attempt_at, d.attempts, d.claims,
      e.all_event_types_since IS NOT NULL OR EXISTS (
        SELECT 1 FROM events v WHERE v.application_id = d.application_id AND v.id = d.event_id AND (
          v.endpoint_id IS NOT NULL OR EXISTS (
            SELECT 1 FROM subscriptions s
            WHERE s.event_type_id = v.event_type_id AND s.application_id = v.application_id
              AND s.endpoint_id = d.endpoint_id
          )
        )
      ) AS subscribed
    FROM (${page}) p CROSS JOIN deliveries d ON d.event_id = p.event_id AND d.endpoint_id = p.endpoint_id
    CROSS JOIN endpoints e ON e.id = p.endpoint_id
    ORDER BY p.turn, d.next_attempt_at`
}

/**
 * The keys of the due deliveries of the leased endpoints that may be attempted: six at most of one that is unwell, a
 * second's worth of one with a rate, `most` in all, in turns by application, and each endpoint's first before any second.
 */
function duePage(mine: SQL, at: number, most: number): SQL {
  const all = literal(most)
  const few = literal(DELIVERIES_PER_ENDPOINT)
  return sql`
    SELECT event_id, endpoint_id, application_id,
      row_number() OVER (PARTITION BY application_id ORDER BY place, next_attempt_at, event_id) AS turn
    FROM (
      SELECT d.event_id, d.endpoint_id, e.application_id, d.next_attempt_at,
        min(coalesce(e.throttle_rate, ${all}),
          CASE WHEN e.failing_since IS NULL AND e.slow_ms IS NULL THEN ${all} ELSE ${few} END) AS most,
        row_number() OVER (PARTITION BY d.endpoint_id ORDER BY d.next_attempt_at, d.event_id) AS place
      FROM endpoints e CROSS JOIN deliveries d
      WHERE ${mine} AND e.removed_at IS NULL AND e.disabled_at IS NULL AND d.endpoint_id = e.id AND d.event_id IN (
        SELECT x.event_id FROM deliveries x
        WHERE x.endpoint_id = e.id AND x.status = 'pending' AND x.next_attempt_at <= ${at}
        ORDER BY x.next_attempt_at, x.event_id LIMIT ${all}
      )
    ) WHERE place <= most ORDER BY turn, next_attempt_at, event_id LIMIT ${all}`
}

/** Ends what must not happen any more at the claimed endpoints; asks D1 only if one of them is removed or disabled. */
async function endImpossible(db: Db, endpoints: readonly Row[], mine: SQL, at: number): Promise<number> {
  const isRemoved = endpoints.some((row) => row.removed_at !== null)
  const isDisabled = endpoints.some((row) => row.disabled_at !== null)
  if (!isRemoved && !isDisabled) return 0
  const { removed, disabled } = await db.batch({
    removed: isRemoved
      ? endPending(sql`'canceled'`, sql`'removed'`, at, sql`${mine} AND e.removed_at IS NOT NULL`)
      : null,
    disabled: isDisabled
      ? endPending(
          sql`'failed'`,
          sql`(SELECT CASE e.disabled_reason WHEN 'gone' THEN 'gone' ELSE 'disabled' END
               FROM endpoints e WHERE e.id = deliveries.endpoint_id)`,
          at,
          sql`${mine} AND e.disabled_at IS NOT NULL AND d.next_attempt_at <= ${at}`,
        )
      : null,
  })
  return removed.length + disabled.length
}

/** Ends a bounded number of the pending deliveries `d` of the endpoints `e` for which the condition holds. */
function endPending(status: SQL, reason: SQL, at: number, condition: SQL): SQL {
  // CROSS JOIN keeps the planner from walking everybody's pending deliveries to find the leased endpoints.
  return sql`
    UPDATE deliveries SET status = ${status}, reason = ${reason}, next_attempt_at = NULL, ended_at = ${at}
    WHERE (event_id, endpoint_id) IN (
      SELECT d.event_id, d.endpoint_id FROM endpoints e CROSS JOIN deliveries d
      WHERE ${condition} AND d.endpoint_id = e.id AND d.status = 'pending' LIMIT ${literal(ENDED_PER_PASS)}
    ) RETURNING 1`
}
