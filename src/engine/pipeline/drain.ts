import { type SQL, sql } from "drizzle-orm"
import type { Db, Row } from "../../db/client.ts"
import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import type { Rate } from "../rules/rate.ts"
import { type Attempt, attempt, observed } from "./attempt.ts"
import { type Budget, lastStart, leaseMs } from "./budget.ts"
import {
  type ClaimedDelivery,
  endpointColumns,
  eventColumns,
  readEndpoint,
  readEvent,
  readRate,
  SUSPECT_CLAIMS,
} from "./claim.ts"
import { enqueue, type Work } from "./jobs.ts"
import {
  ENDPOINTS_PER_PASS,
  type Left,
  lastInTurn,
  left,
  nextInTurn,
  onceRound,
  partOf,
  readLeft,
} from "./lane.ts"
import { attemptAll, type Manner, type Pooled } from "./pool.ts"
import { type Ended, prepare } from "./prepare.ts"
import { type Due, takePortion, throttledUntil } from "./rates.ts"
import { record } from "./record.ts"
import { callDrain, isCalledFor, noneWaits, scheduleDrain, turnSoFar } from "./schedule.ts"
import { type DeliveryResult, resultsOf } from "./state.ts"
import { follow } from "./stragglers.ts"

/** Deliveries of one unwell endpoint that a pass takes; of one that is well, as many as the pass has. */
const DELIVERIES_PER_ENDPOINT = 6
/** A pass waits for the unproven: many of them can be due at once. */
const PATIENT: Manner = { waitsForUnproven: true }
/** Deliveries of removed and of disabled endpoints that one pass ends. */
const ENDED_PER_PASS = 2000
/** What attempting and recording one suspect delivery asks of D1. */
const STATEMENTS_PER_SUSPECT = 8

type Drain = Extract<Work, { kind: "drain" }>

/**
 * Works the retry lane once: claims the most overdue endpoints, in turns by application, attempts due deliveries of each,
 * those of one that fails or is slow one after the other, six at most, and records. Deliveries that must not happen any
 * more (endpoint removed or disabled, subscription gone) end here with their reason. Calls the next drain if more is due,
 * or has one come if something is due soon; not without a `job`, where its caller goes on. Answers how many endpoints it
 * claimed. Throws only before the first request has gone out.
 */
export async function drain(deps: Deps, db: Db, budget: Budget, job: Drain | null = null): Promise<number> {
  const at = deps.clock.now()
  const claim = await claimEndpoints(deps, db, at, Math.min(ENDPOINTS_PER_PASS, budget.left), job)
  const isEmpty = claim.endpointIds.length === 0
  const next = isEmpty ? null : await workClaim(deps, db, budget, claim)
  if (job) await goOn(deps, db, job, claim, next)
  return claim.endpointIds.length
}

/** Attempts what was claimed, records it, and lets the stragglers follow; answers when the endpoints are next due (epoch ms). */
async function workClaim(deps: Deps, db: Db, budget: Budget, claim: Claim): Promise<number | null> {
  const { at, endpointIds } = claim
  const held = { by: "endpoint", token: claim.token } as const
  const ended = claim.due.flatMap(({ delivery, ended }): DeliveryResult[] =>
    ended ? [{ delivery, attempt: null, ended }] : [],
  )
  const unended = claim.due.filter((due) => !due.ended)
  const portion = await takePortion(db, unended, claim.rates, at)
  const isSuspect = ({ delivery }: Due) => claim.suspects.has(delivery.endpoint.id)
  const suspects = portion.due.filter(isSuspect).map(({ delivery }) => delivery)
  const others = portion.due.filter((due) => !isSuspect(due)).map(({ delivery }) => delivery)

  const affordable = others.filter(() => budget.take())
  const together = await attemptAll(deps, budget, affordable, PATIENT, scheduled(deps))
  const isSent = (due: Due) => together.made.has(due.delivery) || together.open.has(due.delivery)
  const sent = portion.due.filter((due) => isSent(due) || isSuspect(due))
  let next = await record(deps, db, {
    held,
    results: [...ended, ...resultsOf(together)],
    released: suspects.length === 0 ? without(endpointIds, together.open) : [],
    throttled: throttledUntil(sent, portion.usedUntil, at),
  })

  const alone = await drainAlone(deps, db, claim.token, suspects, budget)
  const open = new Map([...together.open, ...alone.open])
  const suspect = alone.unmade
  if (suspects.length > 0) {
    next = await record(deps, db, { held, results: [], released: without(endpointIds, open), suspect })
  }
  // Who has not answered yet holds its endpoint's lease, and nobody else's.
  await follow(deps, budget, open, async (results) => {
    const released = results.map(({ delivery }) => delivery.endpoint.id)
    await scheduleDrain(deps, db, await record(deps, db, { held, results, released, suspect }))
  })
  deps.observe({
    unit: "drain",
    endpointIds,
    attempts: observed([...together.made.values(), ...alone.made]),
    ended: claim.ended + ended.length,
    untouched: others.length - together.made.size - together.open.size,
    open: open.size,
    suspects: suspects.length,
    durationMs: deps.clock.now() - at,
  })
  return next
}

/** How the retry lane sends. */
function scheduled(deps: Deps) {
  return ({ event, endpoint }: ClaimedDelivery) => attempt(deps, event, endpoint, "scheduled")
}

/** Those of the endpoints that have no request open. */
function without(endpointIds: readonly string[], open: Pooled["open"]): string[] {
  const waitedFor = new Set(Array.from(open.keys(), ({ endpoint }) => endpoint.id))
  return endpointIds.filter((id) => !waitedFor.has(id))
}

/**
 * Has the next drain come: at once while there is more, behind whoever had the last turn; else when the first of the
 * endpoints worked here is due, or the first of any if this one was called, as one at a time is. Where the look did not get
 * round, another one goes on with it.
 */
async function goOn(deps: Deps, db: Db, job: Drain, claim: Claim, due: number | null): Promise<void> {
  const { at, lastTurn, left } = claim
  const isMore = left.dueAt !== null && left.dueAt <= at
  const seesToOthers = isMore ? lastTurn !== null : job.isCalled || job.from !== undefined
  const next = earlier(due, seesToOthers ? left.dueAt : null)
  if (next !== null && next <= deps.clock.now()) {
    await callDrain(deps, db, lastTurn)
    return
  }
  await scheduleDrain(deps, db, next)
  if (left.stoppedAt !== null) {
    await enqueue(deps, db, { kind: "drain", from: left.stoppedAt, to: job.to ?? claim.turnBefore })
  }
}

function earlier(a: number | null, b: number | null): number | null {
  return a === null || b === null ? (a ?? b) : Math.min(a, b)
}

/** What was attempted of suspects, what of it is open still, and the endpoints that have some left. */
interface Alone {
  made: Attempt[]
  open: Pooled["open"]
  unmade: string[]
}

/** One at a time, each claim counted before its attempt, the least claimed first: a killer meets only itself. */
async function drainAlone(
  deps: Deps,
  db: Db,
  token: string,
  suspects: readonly ClaimedDelivery[],
  budget: Budget,
): Promise<Alone> {
  const waiting = suspects.toSorted((a, b) => a.claims - b.claims)
  const made: Attempt[] = []
  let open: Pooled["open"] = new Map()
  const mayStart = ({ startBy }: ClaimedDelivery) => deps.clock.now() <= startBy && budget.freeLanes() > 0
  // Whether one that is open kills is not known yet: nobody else is to be near.
  for (let next = waiting[0]; next && mayStart(next) && open.size === 0; next = waiting[0]) {
    if (!budget.affords(STATEMENTS_PER_SUSPECT) || !budget.take()) break
    waiting.shift()
    await countClaim(db, next)
    const pooled = await attemptAll(deps, budget, [next], PATIENT, scheduled(deps))
    open = pooled.open
    const answered = pooled.made.get(next)
    if (!answered) break
    made.push(answered)
    await record(deps, db, {
      held: { by: "endpoint", token },
      results: [{ delivery: next, attempt: answered }],
    })
  }
  return { made, open, unmade: waiting.map(({ endpoint }) => endpoint.id) }
}

/** The claims of its endpoint that have brought it here count too. */
async function countClaim(db: Db, { event, endpoint, claims }: ClaimedDelivery): Promise<void> {
  await db.batch({
    claimed: sql`
      UPDATE deliveries SET claims = ${Math.max(claims, SUSPECT_CLAIMS) + 1}
      WHERE event_id = ${event.id} AND endpoint_id = ${endpoint.id} AND status = 'pending'`,
  })
}

interface Claim {
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
 * Leases the endpoints whose turn it is, and with each what is due there; reads it; ends what removed and disabled ones
 * owe. Safe to repeat: under its token it claims once, and finds its own by the lease's end.
 */
async function claimEndpoints(
  deps: Deps,
  db: Db,
  at: number,
  limit: number,
  job: Drain | null,
): Promise<Claim> {
  const { from, to, isCalled = false } = job ?? {}
  const round = from !== undefined && to !== undefined ? partOf({ from, to }) : onceRound(turnSoFar)
  const token = crypto.randomUUID()
  const until = at + leaseMs(deps)
  const mine = sql`e.leased_until = ${until} AND e.lease_token = ${token}`
  const page = duePage(mine, at, limit)
  const { lane, due, events } = await db.batch({
    begun: isCalled ? noneWaits : null,
    claimed: sql`
      UPDATE endpoints SET lease_token = ${token}, leased_until = ${until}, due_at = NULL, claims = claims + 1
      WHERE rowid IN (${nextInTurn(round, at, limit)}) AND NOT EXISTS (SELECT 1 FROM endpoints e WHERE ${mine})
        AND NOT ${job === null || isCalled ? sql`false` : isCalledFor(at)}`,
    // What is left has a row, whether or not there is an endpoint.
    lane: sql`
      SELECT l.json AS left, ${turnSoFar} AS turn_before, e.application_id, a.throttle_rate AS shared_rate, a.throttled_until AS shared_until,
        e.claims, e.removed_at, e.disabled_at, ${endpointColumns(at)}
      FROM (SELECT ${left(round)} AS json) l LEFT JOIN endpoints e ON ${mine}
      LEFT JOIN applications a ON a.id = e.application_id`,
    due: sql`
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
      ORDER BY p.turn, d.next_attempt_at`,
    events: sql`
      SELECT ${eventColumns} FROM (SELECT DISTINCT application_id, event_id FROM (${page})) p
      CROSS JOIN events v ON v.application_id = p.application_id AND v.id = p.event_id`,
  })
  const endpoints = lane.filter((row) => row.endpoint_id !== null)
  const eventOf = new Map(events.map((row) => [row.id, readEvent(row)]))
  const turnBefore = lane[0]?.turn_before as string
  const endpointOf = new Map(endpoints.map((row) => [row.endpoint_id, readEndpoint(row)]))
  return {
    token,
    at,
    turnBefore,
    lastTurn: lastInTurn(from ?? turnBefore, endpoints),
    left: readLeft(lane[0]?.left),
    rates: new Map(
      endpoints.flatMap((row) => {
        const rate = readRate(row.shared_rate, row.shared_until)
        return rate ? [[row.application_id as string, rate]] : []
      }),
    ),
    endpointIds: endpoints.map((row) => row.endpoint_id as string),
    suspects: new Set(
      endpoints
        .filter((row) => (row.claims as number) > SUSPECT_CLAIMS)
        .map((row) => row.endpoint_id as string),
    ),
    ended: await endImpossible(db, endpoints, mine, at),
    due: due.flatMap((row) => {
      const endpoint = endpointOf.get(row.endpoint_id)
      if (!endpoint) return []
      const event = eventOf.get(row.event_id)
      const delivery: ClaimedDelivery = {
        event: event ?? {
          id: row.event_id as string,
          applicationId: row.application_id as string,
          payload: null,
        },
        endpoint,
        attempts: row.attempts as number,
        claims: row.claims as number,
        startBy: lastStart(deps, at),
      }
      // What removed and disabled endpoints owe has ended above.
      const ended = prepare({
        event: event ?? null,
        claims: delivery.claims,
        subscribed: row.subscribed === 1,
      })
      return { delivery, ended, since: row.next_attempt_at as number }
    }),
  }
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
        min(coalesce(e.throttle_rate, ${all}), CASE WHEN e.failing_since IS NULL AND e.slow_ms IS NULL THEN ${all} ELSE ${few} END) AS most,
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
