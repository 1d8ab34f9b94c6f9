import { type SQL, sql } from "drizzle-orm"

import type { Db } from "../../db/client.ts"
import { inChunks } from "../../db/json.ts"
import type { Deps } from "../../platform/deps.ts"
import { disabledEvents, nudgeOperations, recoveryEvent } from "../events/operational.ts"
import { hasGone } from "../rules/endpoint-health.ts"
import type { Farewell } from "../rules/outcome.ts"
import { type Attempt, attempt, endOf, observed } from "./attempt.ts"
import type { Budget } from "./budget.ts"
import { earliestDue, readDue, refreshDueAt } from "./due.ts"
import { whoAnswers } from "./endpoint-health.ts"
import { enqueue, type Work } from "./jobs.ts"
import { FAILING_ATTEMPTS } from "./operational.ts"
import { insertAttempts } from "./record-statements.ts"
import { type ClaimedResend, claimResend, endedFor, readyResends, requestDone } from "./resend-lane.ts"
import { scheduleDrain } from "./schedule.ts"
import { type DeliveryReason, reasonOf } from "./state.ts"
import { goOnBehind } from "./stragglers.ts"

/** What claiming an attempt by hand asks of D1, and what recording it does at most. */
const STATEMENTS_PER_CLAIM = 2
const STATEMENTS_PER_RECORD = 14

type ResendJob = Extract<Work, { kind: "resend" }>

/**
 * Makes the next attempt that somebody has asked for by hand in an application, and sends a job for the one behind it,
 * unless as many as may be are under way: then whoever ends one sees to the next. The batch does not wait for the
 * receiver: the request goes on behind it, and until it is recorded its lease keeps everybody else from making it. A
 * success delivers, whatever the delivery was before; a failure ends only a delivery that has nothing but this attempt,
 * and leaves the schedule of any other alone. Throws only before the request has gone out.
 */
export async function workResend(deps: Deps, db: Db, job: ResendJob, budget: Budget): Promise<void> {
  const hasRoom = budget.freeLanes() > 0 && budget.affords(STATEMENTS_PER_CLAIM + STATEMENTS_PER_RECORD)
  if (!hasRoom || !budget.take()) {
    await enqueue(deps, db, job)
    return
  }
  const at = deps.clock.now()
  const resend = await claimResend(deps, db, job.applicationId)
  if (resend === null) return
  const { event, endpoint, ended } = resend
  if (ended !== null) {
    const { next } = await db.batch({
      ended: endResend(resend, ended, deps.clock.now()),
      next: readyResends(job.applicationId, deps.clock.now()),
    })
    if (next.length > 0) await enqueue(deps, db, job)
    observe(deps, resend, at, null)
    return
  }
  const request = attempt(deps, event, endpoint, "manual")
  budget.keepLane(endpoint.id, request)
  const recorded = request.then(async (made) => {
    await record(deps, db, resend, made)
    observe(deps, resend, at, made)
  })
  budget.setAside(STATEMENTS_PER_RECORD, recorded)
  if (resend.isMore) await enqueue(deps, db, job)
  await goOnBehind(deps, deps.config.attemptTimeoutMs, recorded)
}

/** Keeps the attempt in any case, and what follows from it while the resend is still held. Never throws. */
async function record(deps: Deps, db: Db, resend: ClaimedResend, made: Attempt): Promise<void> {
  try {
    await write(deps, db, resend, made)
  } catch (error) {
    // Still asked for: it is found again when its lease has run out.
    const { eventId, endpointId } = resend
    const attemptId = made.id
    deps.observe({
      unit: "fault",
      during: "record-one",
      eventId,
      endpointId,
      attemptId,
      error: String(error),
    })
  }
}

/**
 * One batch, and the jobs that follow: for the next resend, if this one stood in its way, and, of an endpoint that is
 * well again, for what it waits for.
 */
async function write(deps: Deps, db: Db, resend: ClaimedResend, made: Attempt): Promise<void> {
  const { applicationId, endpointId } = resend
  const { outcome, farewell, retryAfterMs } = made
  const gone = (await isGone(db, resend, made)) ? farewell : null
  const now = deps.clock.now()
  const taken = outcome === "delivered"
  const isDueAnew = taken || outcome === "aborted" || retryAfterMs !== null
  // The operational event of a disabling goes behind it, that of a delivery ahead of the state that it is about; and that
  // last, since whatever else follows asks whether it is still held.
  const { ready, disabling, recovery, next, due } = await db.batch(
    {
      // What may be made while this one is under way has a job.
      ready: readyResends(applicationId, now),
      attempts: inChunks([made]).map((rows) => insertAttempts(rows)),
      disabled: gone ? disableGone(resend, gone, now) : null,
      disabling: gone ? disabledEvents(deps, db, [{ endpointId, reason: gone }], now) : null,
      recovery: taken ? recoveryEvent(deps, db, made, hasFailed(resend), now) : null,
      health: taken ? isWell(resend, now) : null,
      noted: farewell === null ? null : noteGone(resend, made.at),
      paused: retryAfterMs === null ? null : pause(resend, endOf(made) + retryAfterMs),
      done: taken ? deliver(resend, now) : endResend(resend, gone ? reasonOf(gone) : REASONS[outcome], now),
      derived: isDueAnew ? refreshDueAt(sql`SELECT ${endpointId}`) : null,
      next: readyResends(applicationId, now),
      due: earliestDue(sql`SELECT ${endpointId}`),
    },
    "stubborn",
  )
  await nudgeOperations(deps, db, [...disabling, ...recovery])
  if (ready.length === 0 && next.length > 0) await enqueue(deps, db, { kind: "resend", applicationId })
  if (taken) await scheduleDrain(deps, db, readDue(due))
}

/** Whether the receiver has gone for good. Asks D1 only where it has bidden farewell. */
async function isGone(db: Db, { endpointId, endpoint }: ClaimedResend, made: Attempt): Promise<boolean> {
  if (made.farewell === null) return false
  const answering = await whoAnswers(db, [endpointId])
  return hasGone(endpoint.health, [made], answering.has(endpointId))
}

function observe(
  deps: Deps,
  { applicationId, eventId, endpointId, ended }: ClaimedResend,
  at: number,
  made: Attempt | null,
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

/** What a failed attempt by hand ends a delivery with, if it waits for nothing else. */
const REASONS = {
  retry: "exhausted",
  gone: "gone",
  aborted: "aborted",
  refused: "refused-target",
} as const

/** Of the delivery `d`: it counts as failing, and who delivers it still holds it. */
function hasFailed({ leasedUntil }: ClaimedResend): SQL {
  return sql`d.attempts >= ${FAILING_ATTEMPTS} AND d.resend_leased_until = ${leasedUntil}`
}

/** Whoever takes one by hand is proven, and neither failing nor in a pause any more. */
function isWell(resend: ClaimedResend, now: number): SQL {
  return sql`
    UPDATE endpoints SET proven_at = coalesce(proven_at, ${now}), failing_since = NULL, gone_at = NULL, paused_until = NULL
    WHERE ${isSameEndpoint(resend)}
      AND (proven_at IS NULL OR coalesce(failing_since, gone_at, paused_until) IS NOT NULL)`
}

/** A farewell counts, whoever asked for it: the next one that follows it is believed. */
function noteGone(resend: ClaimedResend, at: number): SQL {
  return sql`UPDATE endpoints SET gone_at = coalesce(gone_at, ${at}) WHERE ${isSameEndpoint(resend)}`
}

/** A receiver that asks for a pause gets it, whoever asked it. */
function pause(resend: ClaimedResend, until: number): SQL {
  return sql`
    UPDATE endpoints SET paused_until = max(coalesce(paused_until, 0), ${until}) WHERE ${isSameEndpoint(resend)}`
}

/** A receiver that has gone for good is disabled, whoever asked it. */
function disableGone(resend: ClaimedResend, farewell: Farewell, now: number): SQL {
  return sql`
    UPDATE endpoints SET disabled_at = ${now}, disabled_reason = ${farewell}
    WHERE ${isSameEndpoint(resend)} AND disabled_at IS NULL AND removed_at IS NULL`
}

/** The endpoint that was asked, unless it has started afresh since; and only while the resend is held. */
function isSameEndpoint(resend: ClaimedResend): SQL {
  const { id, enabledAt } = resend.endpoint
  return sql`id = ${id} AND enabled_at = ${enabledAt} AND EXISTS (SELECT 1 FROM deliveries WHERE ${isHeld(resend)})`
}

/** The delivery, while its resend is in the hands of whoever has claimed it. */
function isHeld({ eventId, endpointId, leasedUntil }: ClaimedResend): SQL {
  return sql`event_id = ${eventId} AND endpoint_id = ${endpointId} AND resend_leased_until = ${leasedUntil}`
}

/** The request is done, and its delivery delivered; one that was so before stays as it ended then. */
function deliver(resend: ClaimedResend, now: number): SQL {
  return sql`
    UPDATE deliveries SET status = 'delivered', reason = NULL, next_attempt_at = NULL, claims = 0,
      ended_at = CASE WHEN status = 'delivered' THEN ended_at ELSE ${now} END, ${requestDone(resend.askedAt)}
    WHERE ${isHeld(resend)}`
}

/**
 * The request is done. A delivery that waits for nothing else has ended, for this reason; so has any other of which the
 * receiver wants no more attempts.
 */
function endResend(resend: ClaimedResend, reason: DeliveryReason, now: number): SQL {
  return sql`
    UPDATE deliveries SET ${endedFor(reason, now)}, ${requestDone(resend.askedAt)} WHERE ${isHeld(resend)}`
}
