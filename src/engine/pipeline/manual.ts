import { type SQL, sql } from "drizzle-orm"

import type { Db, Row } from "../../db/client.ts"
import { inChunks } from "../../db/json.ts"
import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import type { ResendObserved } from "../../platform/observations.ts"
import { disabledEvents, nudgeOperations, recoveryEvent } from "../events/operational.ts"
import { hasGone } from "../rules/endpoint-health.ts"
import type { Farewell } from "../rules/outcome.ts"
import { JOB_UNDER_WAY_MS, type Upkeep } from "../upkeep/contribution.ts"
import { type Attempt, attempt, endOf, observed } from "./attempt.ts"
import { type Budget, leaseMs } from "./budget.ts"
import { type ClaimedEndpoint, endpointColumns, eventColumns, readEndpoint, readEvent } from "./claim.ts"
import { earliestDue, endPause, readDue, refreshDueAt, scheduleDrain } from "./due.ts"
import { whoAnswers } from "./endpoint-health.ts"
import { enqueue, type Work } from "./jobs.ts"
import { FAILING_ATTEMPTS } from "./operational.ts"
import { prepare } from "./prepare.ts"
import { insertAttempts } from "./record.ts"
import { type DeliveryReason, reasonOf, statusOf } from "./state.ts"

/** An attempt that was asked for so long ago, and killed whoever tried to make it, is given up. */
const GIVEN_UP_MS = 3600 * 1000
const FOUND_PER_SWEEP = 100

type ResendJob = Extract<Work, { kind: "resend" }>

/**
 * Makes the one attempt that somebody has asked for. A success delivers, whatever the delivery was before; a
 * failure ends only a delivery that has nothing but this attempt, and leaves the schedule of any other alone.
 * Throws only before the request has gone out.
 */
export async function workResend(deps: Deps, db: Db, job: ResendJob, budget: Budget): Promise<void> {
  if (!budget.take()) {
    await enqueue(deps, db, job)
    return
  }
  const at = deps.clock.now()
  const claimed = await claim(deps, db, job)
  if (claimed === null) return
  const event = readEvent(claimed)
  const endpoint = readEndpoint(claimed)
  const askedAt = claimed.asked_at as number
  const ended = prepare({
    event,
    removedAt: claimed.removed_at as number | null,
    disabledAt: claimed.disabled_at as number | null,
  })
  if (ended) {
    await db.batch({ ended: endResend(job, ended, askedAt, deps.clock.now()) })
    observe(deps, job, at, null, ended)
    return
  }
  const made = await attempt(deps, event, endpoint, "manual")
  try {
    const { outcome, farewell } = made
    const gone =
      farewell !== null &&
      hasGone(endpoint.health, [made], (await whoAnswers(db, [endpoint.id])).has(endpoint.id))
    const now = deps.clock.now()
    const taken = outcome === "delivered"
    // The operational event of a disabling goes behind it, that of a delivery ahead of the state that it is about.
    const { disabling, recovery, askedAgain, due } = await db.batch(
      {
        disabled: gone ? disableGone(job.endpointId, farewell, endpoint.enabledAt, now) : null,
        disabling: gone
          ? disabledEvents(deps, db, [{ endpointId: job.endpointId, reason: farewell }], now)
          : null,
        attempts: inChunks([made]).map((rows) => insertAttempts(rows)),
        recovery: taken ? recoveryEvent(deps, db, made, FAILING_ATTEMPTS, now) : null,
        delivered: taken ? delivered(job, askedAt, endpoint.enabledAt, now) : null,
        ended: taken ? null : endResend(job, gone ? reasonOf(farewell) : REASONS[outcome], askedAt, now),
        noted: farewell === null ? null : noteGone(job.endpointId, endpoint.enabledAt, made.at),
        paused: made.retryAfterMs === null ? null : pause(endpoint, endOf(made) + made.retryAfterMs),
        derived:
          outcome === "aborted" || made.retryAfterMs !== null
            ? refreshDueAt(sql`SELECT ${job.endpointId}`)
            : null,
        askedAgain: sql`
          SELECT 1 FROM deliveries WHERE event_id = ${job.eventId} AND endpoint_id = ${job.endpointId}
            AND resend_requested_at IS NOT NULL`,
        due: earliestDue(sql`SELECT ${job.endpointId}`),
      },
      "stubborn",
    )
    await nudgeOperations(deps, db, [...disabling, ...recovery])
    // Somebody has asked again meanwhile, and that job found this one at work.
    if (askedAgain.length > 0) await enqueue(deps, db, job)
    // One that is well again is sent at once what it still waits for.
    if (taken) await scheduleDrain(deps, db, readDue(due))
  } catch (error) {
    // Still asked for: it is found again when its lease has run out.
    const { eventId, endpointId } = job
    deps.observe({
      unit: "fault",
      during: "record-one",
      eventId,
      endpointId,
      attemptId: made.id,
      error: String(error),
    })
  }
  observe(deps, job, at, made, null)
}

function observe(
  deps: Deps,
  { applicationId, eventId, endpointId }: ResendJob,
  at: number,
  made: Attempt | null,
  ended: ResendObserved["ended"],
): void {
  deps.observe({
    unit: "resend",
    applicationId,
    eventId,
    endpointId,
    attempts: observed(made ? [made] : []),
    ended,
    durationMs: deps.clock.now() - at,
  })
}

/** Takes the request, unless it is made, given up or in somebody's hands; reads what it needs. */
async function claim(
  deps: Deps,
  db: Db,
  { applicationId, eventId, endpointId }: ResendJob,
): Promise<Row | null> {
  const at = deps.clock.now()
  // If the answer gets lost, the second try claims nothing: the sweep sends another job when the lease is over.
  const { taken, rows } = await db.batch({
    taken: sql`
      UPDATE deliveries SET resend_leased_until = ${at + leaseMs(deps)}
      WHERE event_id = ${eventId} AND endpoint_id = ${endpointId} AND resend_requested_at IS NOT NULL
        AND (resend_leased_until IS NULL OR resend_leased_until <= ${at}) RETURNING resend_requested_at`,
    rows: sql`
      SELECT ${eventColumns}, ${endpointColumns(at)}, e.removed_at, e.disabled_at
      FROM events v, endpoints e
      WHERE v.application_id = ${applicationId} AND v.id = ${eventId} AND e.id = ${endpointId}`,
  })
  const asked = taken.at(0)
  const row = rows.at(0)
  return asked && row ? { ...row, asked_at: asked.resend_requested_at } : null
}

/** What a failed attempt by hand ends a delivery with, if it waits for nothing else. */
const REASONS = {
  retry: "exhausted",
  gone: "gone",
  aborted: "aborted",
  refused: "refused-target",
} as const

function delivered(job: ResendJob, askedAt: number, enabledAt: number, now: number): SQL[] {
  return [
    sql`
      UPDATE deliveries SET status = 'delivered', reason = NULL, next_attempt_at = NULL, ended_at = ${now},
        claims = 0, ${requestDone(askedAt)}
      WHERE event_id = ${job.eventId} AND endpoint_id = ${job.endpointId} AND status <> 'delivered'`,
    // One that was delivered before stays as it ended then.
    sql`
      UPDATE deliveries SET ${requestDone(askedAt)}
      WHERE event_id = ${job.eventId} AND endpoint_id = ${job.endpointId} AND resend_requested_at <= ${askedAt}`,
    // Whoever takes one by hand is proven, and not failing any more.
    sql`
      UPDATE endpoints SET proven_at = coalesce(proven_at, ${now}), failing_since = NULL, gone_at = NULL
      WHERE id = ${job.endpointId} AND enabled_at = ${enabledAt}
        AND (proven_at IS NULL OR failing_since IS NOT NULL OR gone_at IS NOT NULL)`,
    ...endPause(job.endpointId, now),
  ]
}

/** A farewell counts, whoever asked for it: the next one that follows it is believed. */
function noteGone(endpointId: string, enabledAt: number, at: number): SQL {
  return sql`
    UPDATE endpoints SET gone_at = coalesce(gone_at, ${at}) WHERE id = ${endpointId} AND enabled_at = ${enabledAt}`
}

/** A receiver that asks for a pause gets it, whoever asked it. */
function pause({ id, enabledAt }: ClaimedEndpoint, until: number): SQL {
  return sql`
    UPDATE endpoints SET paused_until = max(coalesce(paused_until, 0), ${until})
    WHERE id = ${id} AND enabled_at = ${enabledAt}`
}

/** A receiver that has gone for good is disabled, whoever asked it. */
function disableGone(endpointId: string, farewell: Farewell, enabledAt: number, now: number): SQL {
  return sql`
    UPDATE endpoints SET disabled_at = ${now}, disabled_reason = ${farewell}
    WHERE id = ${endpointId} AND enabled_at = ${enabledAt} AND disabled_at IS NULL AND removed_at IS NULL`
}

/**
 * The request is done. A delivery that waits for nothing else has ended, for this reason; so has any other of which the
 * receiver wants no more attempts.
 */
function endResend(job: ResendJob, reason: DeliveryReason, askedAt: number, now: number): SQL {
  return sql`
    UPDATE deliveries SET ${endedFor(reason, now)}, ${requestDone(askedAt)}
    WHERE event_id = ${job.eventId} AND endpoint_id = ${job.endpointId}`
}

function endedFor(reason: DeliveryReason, now: number): SQL {
  const waitsForNothing =
    reason === "aborted" ? sql`status = 'pending'` : sql`status = 'pending' AND next_attempt_at IS NULL`
  return sql`
    status = CASE WHEN ${waitsForNothing} THEN ${statusOf(reason)} ELSE status END,
    reason = CASE WHEN ${waitsForNothing} THEN ${reason} ELSE reason END,
    ended_at = CASE WHEN ${waitsForNothing} THEN ${now} ELSE ended_at END,
    next_attempt_at = CASE WHEN ${waitsForNothing} THEN NULL ELSE next_attempt_at END`
}

/** The request made at `askedAt` is done; a later one stays. */
function requestDone(askedAt: number): SQL {
  return sql`
    resend_requested_at = CASE WHEN resend_requested_at > ${askedAt} THEN resend_requested_at END,
    resend_leased_until = NULL`
}

function isFree(at: number): SQL {
  return sql`(resend_leased_until IS NULL OR resend_leased_until <= ${at})`
}

function lostResends(at: number): SQL {
  return sql`
    SELECT application_id, event_id, endpoint_id FROM deliveries
    WHERE resend_requested_at <= ${at - JOB_UNDER_WAY_MS} AND ${isFree(at)}
    ORDER BY resend_requested_at LIMIT ${literal(FOUND_PER_SWEEP)}`
}

/** Resends that nobody works on: their jobs are lost, or whoever had them died. */
export const resendUpkeep: Upkeep = {
  look: (_deps, at) => ({ resends: lostResends(at) }),
  /** Gives up what has been asked for too long. */
  async jobs({ db, at }, { resends = [] }) {
    if (resends.length === 0) return []
    const { lost } = await db.batch({
      givenUp: sql`
        UPDATE deliveries SET ${endedFor("internal", at)}, ${requestDone(at)}
        WHERE (event_id, endpoint_id) IN (
          SELECT event_id, endpoint_id FROM deliveries
          WHERE resend_requested_at <= ${at - GIVEN_UP_MS} AND ${isFree(at)} LIMIT ${literal(FOUND_PER_SWEEP)}
        )`,
      lost: lostResends(at),
    })
    return lost.map(
      (row): Work => ({
        kind: "resend",
        applicationId: row.application_id as string,
        eventId: row.event_id as string,
        endpointId: row.endpoint_id as string,
      }),
    )
  },
}
