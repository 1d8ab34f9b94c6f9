import { type SQL, sql } from "drizzle-orm"

import type { Db, Row } from "../../db/client.ts"
import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import { eachApplication } from "../kit/each-application.ts"
import { JOB_UNDER_WAY_MS, type Upkeep } from "../upkeep/contribution.ts"
import type { AttemptedEvent } from "./attempt.ts"
import { leaseMs, REQUESTS_AT_ONCE } from "./budget.ts"
import { type ClaimedEndpoint, endpointColumns, eventColumns, readEndpoint, readEvent } from "./claim.ts"
import type { Work } from "./jobs.ts"
import { type Ended, prepare } from "./prepare.ts"
import { type DeliveryReason, statusOf } from "./state.ts"

// Attempts by hand wait in their deliveries' rows, application by application. One that is being made has a lease there;
// the leases are what bounds how many an application, and an endpoint, has under way. While some of an application may be
// made, one job of its is in the queue: it makes one of them and sends the next, so that whoever waits behind it, a ping or
// an upload, waits for one of each application, however many wait there.

/** Attempts by hand that an application has under way at once. */
const AT_ONCE = REQUESTS_AT_ONCE
/** Of these, those to one endpoint. */
const AT_ONCE_PER_ENDPOINT = AT_ONCE / 2
/** Those that wait longest, of which the next one is: so many are looked through for an endpoint that has room. */
const WAITING_PER_LOOK = 1_000
/** An attempt that was asked for so long ago, and killed whoever tried to make it, is given up. */
const GIVEN_UP_MS = 3600 * 1000
/** Applications of which one sweep looks what is left. */
const APPLICATIONS_PER_LOOK = 500
const JOBS_PER_SWEEP = 100
/** Of those that may be made, as many as it takes to know whether there are none, one or more. */
const READY_PER_LOOK = 2

/** A resend in somebody's hands. */
export interface ClaimedResend {
  applicationId: string
  eventId: string
  endpointId: string
  endpoint: ClaimedEndpoint
  event: AttemptedEvent
  /** Since when it was asked for (epoch ms); whoever asks again after that is owed another. */
  askedAt: number
  leasedUntil: number
  /** Whether another one may be made beside it. */
  isMore: boolean
  /** Why no attempt is made; null: one is. */
  ended: Ended | null
}

/**
 * Takes the resend that the application waits for longest, of an endpoint that has room, and reads what it needs; null:
 * none waits, or as many as may be are under way.
 */
export async function claimResend(deps: Deps, db: Db, applicationId: string): Promise<ClaimedResend | null> {
  const at = deps.clock.now()
  const leasedUntil = at + leaseMs(deps)
  // If the answer gets lost, the second try takes another: this one is found when its lease is over.
  const { taken, rows } = await db.batch({
    taken: sql`
      UPDATE deliveries SET resend_leased_until = ${leasedUntil}
      WHERE (event_id, endpoint_id) IN (${next(applicationId, at, 1)}) RETURNING event_id, endpoint_id`,
    rows: sql`
      SELECT d.event_id, d.resend_requested_at, e.removed_at, e.disabled_at, ${endpointColumns(at)}, ${eventColumns},
        EXISTS (${readyResends(applicationId, at)}) AS is_more
      FROM deliveries d CROSS JOIN endpoints e ON e.id = d.endpoint_id
      LEFT JOIN events v ON v.application_id = d.application_id AND v.id = d.event_id
      WHERE d.application_id = ${applicationId} AND d.resend_requested_at IS NOT NULL
        AND d.resend_leased_until = ${leasedUntil}`,
  })
  const [mine] = taken
  const row = rows.find((one) => one.event_id === mine?.event_id && one.endpoint_id === mine?.endpoint_id)
  if (!row) return null
  const eventId = row.event_id as string
  const event = row.id === null ? null : readEvent(row)
  return {
    applicationId,
    eventId,
    endpointId: row.endpoint_id as string,
    endpoint: readEndpoint(row),
    event: event ?? { id: eventId, applicationId, payload: null },
    askedAt: row.resend_requested_at as number,
    leasedUntil,
    isMore: row.is_more === 1,
    ended: prepare({
      event,
      removedAt: row.removed_at as number | null,
      disabledAt: row.disabled_at as number | null,
    }),
  }
}

/** A row for each of a few resends that the application waits for and that may be made now. */
export function readyResends(applicationId: string, at: number): SQL {
  return next(applicationId, at, READY_PER_LOOK)
}

/** Whether a resend that was just asked for wants a job: it does when it is the only one that may be made. */
export function wantsJob(ready: readonly Row[]): boolean {
  return ready.length === 1
}

/** Resends of which nobody makes any: their jobs are lost, or whoever made them died. A job for each application. */
export const resendUpkeep: Upkeep = {
  look: (_deps, at) => ({ resends: left(at) }),
  async jobs({ db, at }, { resends = [] }) {
    const bereft = resends.filter((row) => row.lost === 1).map((row) => row.application_id as string)
    if (bereft.length > 0) await freeLost(db, bereft, at)
    return resends.map((row): Work => ({ kind: "resend", applicationId: row.application_id as string }))
  },
}

/** A delivery whose resend nobody has begun. */
const isWaiting = sql`d.resend_requested_at IS NOT NULL AND d.resend_leased_until IS NULL`

/** One whose resend somebody makes. */
function isUnderWay(at: number): SQL {
  return sql`d.resend_requested_at IS NOT NULL AND d.resend_leased_until > ${at}`
}

/** One whose resend somebody has begun who died of it, or of something else. */
function isLost(at: number): SQL {
  return sql`d.resend_requested_at IS NOT NULL AND d.resend_leased_until <= ${at}`
}

/** The keys of up to `most` resends that are next: none while as many are under way as may be. */
function next(applicationId: string, at: number, most: number): SQL {
  const underWay = sql`FROM deliveries d WHERE d.application_id = ${applicationId} AND ${isUnderWay(at)}`
  return sql`
    SELECT event_id, endpoint_id FROM (
      SELECT d.event_id, d.endpoint_id, d.resend_requested_at FROM deliveries d
      WHERE d.application_id = ${applicationId} AND ${isWaiting}
      ORDER BY d.resend_requested_at LIMIT ${literal(WAITING_PER_LOOK)}
    )
    WHERE (SELECT count(*) ${underWay}) < ${literal(AT_ONCE)} AND endpoint_id NOT IN (
      SELECT d.endpoint_id ${underWay} GROUP BY d.endpoint_id HAVING count(*) >= ${literal(AT_ONCE_PER_ENDPOINT)}
    )
    ORDER BY resend_requested_at LIMIT ${literal(most)}`
}

/** Applications of which resends wait that had the time to be made, or that were lost. */
function left(at: number): SQL {
  const asked = sql`FROM deliveries x INDEXED BY deliveries_to_resend WHERE x.resend_requested_at IS NOT NULL`
  const has = (condition: SQL) => sql`EXISTS (
    SELECT 1 FROM deliveries d INDEXED BY deliveries_to_resend
    WHERE d.application_id = each_application.id AND ${condition})`
  return sql`
    WITH RECURSIVE ${eachApplication(asked, APPLICATIONS_PER_LOOK)}
    SELECT * FROM (
      SELECT id AS application_id,
        ${has(sql`${isWaiting} AND d.resend_requested_at <= ${at - JOB_UNDER_WAY_MS}`)} AS waiting,
        ${has(isLost(at))} AS lost
      FROM each_application WHERE id IS NOT NULL
    ) WHERE waiting OR lost LIMIT ${literal(JOBS_PER_SWEEP)}`
}

/** Has what is lost wait again, and gives up what was asked for too long ago. */
async function freeLost(db: Db, applicationIds: readonly string[], at: number): Promise<void> {
  const lost = sql`
    d.application_id IN (SELECT value FROM json_each(${JSON.stringify(applicationIds)})) AND ${isLost(at)}`
  await db.batch({
    givenUp: sql`
      UPDATE deliveries AS d SET ${endedFor("internal", at)}, ${requestDone(at)}
      WHERE ${lost} AND d.resend_requested_at <= ${at - GIVEN_UP_MS}`,
    freed: sql`UPDATE deliveries AS d SET resend_leased_until = NULL WHERE ${lost}`,
  })
}

/** What ends a delivery for this reason, if it waits for nothing but the attempt by hand; an aborted one in any case. */
export function endedFor(reason: DeliveryReason, now: number): SQL {
  const waitsForNothing =
    reason === "aborted" ? sql`status = 'pending'` : sql`status = 'pending' AND next_attempt_at IS NULL`
  return sql`
    status = CASE WHEN ${waitsForNothing} THEN ${statusOf(reason)} ELSE status END,
    reason = CASE WHEN ${waitsForNothing} THEN ${reason} ELSE reason END,
    ended_at = CASE WHEN ${waitsForNothing} THEN ${now} ELSE ended_at END,
    next_attempt_at = CASE WHEN ${waitsForNothing} THEN NULL ELSE next_attempt_at END`
}

/** The request made at `askedAt` is done; a later one waits. */
export function requestDone(askedAt: number): SQL {
  return sql`
    resend_requested_at = CASE WHEN resend_requested_at > ${askedAt} THEN resend_requested_at END,
    resend_leased_until = NULL`
}
