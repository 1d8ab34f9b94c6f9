import { sql } from "drizzle-orm"

import type { Db } from "../../db/client.ts"
import { idAt } from "../../db/ids.ts"
import type { Deps } from "../../deps.ts"
import { setState } from "../system-state.ts"
import { Budget } from "./budget.ts"
import { MAX_CLAIMS } from "./claimed.ts"
import { catchUp } from "./dispatch.ts"
import { drain } from "./drain.ts"
import { candidates, FANOUT_STEP, isInterested } from "./interest.ts"
import { enqueue, type Job } from "./jobs.ts"
import { PING_EXPIRES_MS, workPing } from "./ping.ts"
import { findLostRecoveries, workRecover } from "./recover.ts"
import { findLostResends, workResend } from "./resend.ts"
import { applyRetention, expirePayloads } from "./retention.ts"

/** Jobs of one kind that one sweep sends; each goes on by itself while it finds a full page. */
const JOBS_PER_SWEEP = 4
const ENDPOINTS_PER_JOB = 36
const EVENTS_PER_JOB = 25
const POISONED_PER_SWEEP = 10
const PINGS_PER_SWEEP = 20
/** Passes of each kind that a sweep works itself when the queue refuses its jobs. */
const PASSES_WITHOUT_QUEUE = 4
/** An event younger than this has its own job on the way. */
const JOB_UNDER_WAY_MS = 2_000

/**
 * Finds what crashes, lost jobs and quotas left behind: events that nobody holds, overdue endpoints, pings,
 * resends and recoveries without a consumer, poison. Sends a few jobs, or, when the queue refuses them, works
 * within this invocation's own budget. Then deletes what is past retention, in bounded steps. Runs every
 * minute; running it more often, or twice at once, does no harm.
 */
export async function sweep(deps: Deps): Promise<void> {
  const budget = new Budget()
  for (const db of deps.databases) await sweepDatabase(deps, db, budget)
}

async function sweepDatabase(deps: Deps, db: Db, budget: Budget): Promise<void> {
  const at = deps.clock.now()
  const found = await lookAround(db, at)
  const asked = [
    ...(await findLostResends(db, at, JOB_UNDER_WAY_MS)),
    ...(await findLostRecoveries(db, at, JOB_UNDER_WAY_MS)),
  ]
  const refused: Job[] = []
  for (const job of [...asked, ...jobsFor(found)]) if (!(await enqueue(deps, job))) refused.push(job)
  if (refused.length > 0) await workWithoutQueue(deps, db, refused, budget)
  const deleted = await applyRetention(deps, db, at)
  await expirePayloads(db, at)
  await db.batch([setState("last_sweep_at", deps.clock.now()), setState("database_bytes", db.sizeBytes())])
  deps.log({
    unit: "sweep",
    ...found,
    asked: asked.length,
    refused: refused.map(({ kind }) => kind),
    deleted,
    durationMs: deps.clock.now() - at,
  })
}

interface Found {
  undispatched: number
  dueEndpoints: number
  pings: { applicationId: string; pingId: string }[]
  poisoned: number
  expired: number
}

/** One batch: ends what must end, counts what is to be done. Counting stops where it changes nothing more. */
async function lookAround(db: Db, at: number): Promise<Found> {
  const free = sql`dispatched_at IS NULL AND (leased_until IS NULL OR leased_until <= ${at})`
  const poison = sql`SELECT id FROM events WHERE ${free} AND claims >= ${MAX_CLAIMS} ORDER BY id LIMIT ${POISONED_PER_SWEEP}`
  const stalePings = sql`SELECT id FROM events WHERE dispatched_at IS NULL AND ping_id IS NOT NULL AND created_at <= ${at - PING_EXPIRES_MS}`
  const [undispatched = [], due = [], pings = [], , poisoned = [], , expired = []] = await db.batch([
    sql`
      SELECT 1 FROM events WHERE ${free} AND ping_id IS NULL AND claims < ${MAX_CLAIMS}
        AND id < ${idAt("event", at - JOB_UNDER_WAY_MS)}
      LIMIT ${JOBS_PER_SWEEP * EVENTS_PER_JOB}`,
    sql`SELECT 1 FROM endpoints WHERE due_at <= ${at} LIMIT ${JOBS_PER_SWEEP * ENDPOINTS_PER_JOB}`,
    // Left to itself the planner walks all events, for their order.
    sql`
      SELECT DISTINCT application_id, ping_id FROM events INDEXED BY events_undispatched
      WHERE dispatched_at IS NULL AND ping_id IS NOT NULL AND created_at > ${at - PING_EXPIRES_MS}
        AND created_at <= ${at - JOB_UNDER_WAY_MS}
      LIMIT ${PINGS_PER_SWEEP}`,
    // Poison ends visibly: every endpoint that would have got the event has a failed delivery.
    sql`
      INSERT INTO deliveries (event_id, endpoint_id, application_id, status, reason, created_at, ended_at)
      SELECT v.id, e.id, v.application_id, 'failed', 'internal', ${at}, ${at}
      FROM events v JOIN endpoints e ON e.id IN (SELECT id FROM (${candidates(FANOUT_STEP)}))
      WHERE v.id IN (${poison}) AND v.ping_id IS NULL AND ${isInterested}
      ON CONFLICT DO NOTHING`,
    sql`
      UPDATE events SET dispatched_at = ${at}, failure = 'internal', lease_token = NULL, leased_until = NULL
      WHERE id IN (${poison}) RETURNING id`,
    sql`
      UPDATE deliveries SET status = 'failed', reason = 'expired', ended_at = ${at}
      WHERE event_id IN (${stalePings}) AND status = 'pending'`,
    sql`UPDATE events SET dispatched_at = ${at} WHERE id IN (${stalePings}) RETURNING id`,
  ])
  return {
    undispatched: undispatched.length,
    dueEndpoints: due.length,
    pings: pings.map((row) => ({
      applicationId: row.application_id as string,
      pingId: row.ping_id as string,
    })),
    poisoned: poisoned.length,
    expired: expired.length,
  }
}

function jobsFor(found: Found): Job[] {
  const times = (count: number, perJob: number, job: Job) =>
    Array.from({ length: Math.ceil(count / perJob) }, () => job)
  return [
    ...found.pings.map((ping): Job => ({ kind: "ping", ...ping })),
    ...times(found.undispatched, EVENTS_PER_JOB, { kind: "catch-up" }),
    ...times(found.dueEndpoints, ENDPOINTS_PER_JOB, { kind: "drain" }),
  ]
}

/** The refused jobs, here and now: a bounded number of passes, and half of the attempts kept for new events. */
async function workWithoutQueue(deps: Deps, db: Db, refused: readonly Job[], budget: Budget): Promise<void> {
  for (const job of refused) {
    if (job.kind === "ping") await workPing(deps, db, job, budget)
    if (job.kind === "resend" && budget.left > 0) await workResend(deps, db, job, budget)
    if (job.kind === "recover") await workRecover(deps, db, job)
  }
  const retries = budget.split(Math.floor(budget.left / 2))
  for (let pass = 0; pass < PASSES_WITHOUT_QUEUE && retries.left > 0; pass++) {
    if ((await drain(deps, db, retries)) === 0) break
  }
  budget.join(retries)
  for (let pass = 0; pass < PASSES_WITHOUT_QUEUE && budget.left > 0; pass++) {
    if (!(await catchUp(deps, db, budget))) break
  }
}
