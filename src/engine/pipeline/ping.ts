import { sql } from "drizzle-orm"

import type { Db } from "../../db/client.ts"
import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import { attempt, observed } from "./attempt.ts"
import { type Budget, lastStart } from "./budget.ts"
import { type ClaimedDelivery, endpointColumns, eventColumns, readEndpoint, readEvent } from "./claim.ts"
import { enqueue, type Work } from "./jobs.ts"
import { attemptAll } from "./pool.ts"
import { prepare } from "./prepare.ts"
import { record } from "./record.ts"
import type { DeliveryResult } from "./state.ts"
import { follow, goOnBehind } from "./stragglers.ts"

const PING_TIMEOUT_MS = 10_000
/** A ping that nobody has worked by then ends as expired: its caller is long gone. */
export const PING_EXPIRES_MS = 60_000

type PingJob = Extract<Work, { kind: "ping" }>

/**
 * Makes the requests of a ping, as many as the budget allows, and leaves the rest to another job. A request
 * that a dead process may have made is not repeated. Throws only before the first request has gone out.
 */
export async function workPing(deps: Deps, db: Db, job: PingJob, budget: Budget): Promise<void> {
  const claim = await claimPing(deps, db, job.pingId, budget)
  if (claim.deliveries.length > 0) await makeRequests(deps, db, job, claim, budget)
}

/** The same for a batch that waits for no receiver: once the ping is claimed, all goes on behind it. */
export async function workPingBehind(deps: Deps, db: Db, job: PingJob, budget: Budget): Promise<void> {
  const claim = await claimPing(deps, db, job.pingId, budget)
  if (claim.deliveries.length > 0)
    await goOnBehind(deps, timeoutMs(deps), makeRequests(deps, db, job, claim, budget))
}

interface Claim {
  token: string
  at: number
  deliveries: readonly ClaimedDelivery[]
}

function timeoutMs(deps: Deps): number {
  return Math.min(PING_TIMEOUT_MS, deps.config.attemptTimeoutMs)
}

/** Makes the requests, records them and lets the stragglers follow. */
async function makeRequests(
  deps: Deps,
  db: Db,
  job: PingJob,
  { token, at, deliveries }: Claim,
  budget: Budget,
): Promise<void> {
  const ended = deliveries.flatMap((delivery): DeliveryResult[] => {
    const reason = prepare(delivery)
    return reason ? [{ delivery, attempt: null, ended: reason }] : []
  })
  const toSend = deliveries.filter((delivery) => prepare(delivery) === null)
  const { made, open } = await attemptAll(
    deps,
    budget,
    toSend,
    { waitsForUnproven: true },
    ({ event, endpoint }) => attempt(deps, event, endpoint, "ping", timeoutMs(deps)),
  )
  const untouched = toSend.filter((delivery) => !made.has(delivery) && !open.has(delivery))
  const held = { by: "ping", token } as const
  const keep = async (results: readonly DeliveryResult[], untouched: readonly ClaimedDelivery[] = []) => {
    await record(deps, db, { held, results, untouched })
    await closePing(deps, db, job.pingId)
  }
  const answered = Array.from(made, ([delivery, attempt]): DeliveryResult => ({ delivery, attempt }))
  await keep([...ended, ...answered], untouched)
  await follow(deps, budget, open, (late) => keep(late))
  if (untouched.length > 0 || budget.left === 0) await enqueue(deps, db, job)
  deps.observe({
    unit: "ping",
    applicationId: job.applicationId,
    pingId: job.pingId,
    attempts: observed(made.values()),
    durationMs: deps.clock.now() - at,
  })
}

/** Takes as many requests of the ping as the budget has attempts, and those out of the budget. */
async function claimPing(deps: Deps, db: Db, pingId: string, budget: Budget): Promise<Claim> {
  const at = deps.clock.now()
  const token = crypto.randomUUID()
  const { rows } = await db.batch({
    claimed: sql`
      UPDATE deliveries SET lease_token = ${token}, claims = claims + 1
      WHERE (event_id, endpoint_id) IN (
        SELECT d.event_id, d.endpoint_id
        FROM events v JOIN deliveries d ON d.event_id = v.id JOIN endpoints e ON e.id = d.endpoint_id
        WHERE v.ping_id = ${pingId} AND v.created_at > ${at - PING_EXPIRES_MS} AND d.status = 'pending'
          AND d.claims = 0 AND e.removed_at IS NULL
        ORDER BY d.attempt_id LIMIT ${literal(budget.left)}
      ) AND NOT EXISTS (
        SELECT 1 FROM events v JOIN deliveries d ON d.event_id = v.id
        WHERE v.ping_id = ${pingId} AND d.lease_token = ${token}
      )`,
    rows: sql`
      SELECT ${eventColumns}, ${endpointColumns(at)}
      FROM events v JOIN deliveries d ON d.event_id = v.id JOIN endpoints e ON e.id = d.endpoint_id
      WHERE v.ping_id = ${pingId} AND d.lease_token = ${token} AND d.status = 'pending'
      ORDER BY d.attempt_id`,
  })
  const deliveries = rows.map(
    (row): ClaimedDelivery => ({
      event: readEvent(row),
      endpoint: readEndpoint(row),
      attempts: 0,
      claims: 0,
      startBy: lastStart(deps, at),
    }),
  )
  for (const _ of deliveries) budget.take()
  return { token, at, deliveries }
}

/** Marks the ping's events dispatched once none of their deliveries is pending; if this fails, the sweep does. */
async function closePing(deps: Deps, db: Db, pingId: string): Promise<void> {
  try {
    await db.batch({
      closed: sql`
        UPDATE events SET dispatched_at = ${deps.clock.now()}
        WHERE ping_id = ${pingId} AND dispatched_at IS NULL AND NOT EXISTS (
          SELECT 1 FROM deliveries d WHERE d.event_id = events.id AND d.status = 'pending'
        )`,
    })
  } catch (error) {
    deps.observe({ unit: "fault", during: "close-ping", pingId, error: String(error) })
  }
}
