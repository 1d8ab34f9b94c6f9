import { sql } from "drizzle-orm"

import type { Db, Row } from "../../db/client.ts"
import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import { isDirectory } from "../applications/copies.ts"
import { forward, outboxUpkeep } from "../events/outbox.ts"
import { inboxUpkeep } from "../inboxes/upkeep.ts"
import { send } from "../jobs/job.ts"
import { type Budget, budgetOf } from "../pipeline/budget.ts"
import { MAX_CLAIMS } from "../pipeline/claim.ts"
import { CATCH_UP_EVENTS, catchUp, isLeftBehind } from "../pipeline/dispatch.ts"
import { drain } from "../pipeline/drain.ts"
import { freeLost, newPlace } from "../pipeline/due.ts"
import { candidates, FANOUT_STEP, isInterested } from "../pipeline/interest.ts"
import { enqueue, type Work } from "../pipeline/jobs.ts"
import { dueNow, ENDPOINTS_PER_PASS } from "../pipeline/lane.ts"
import { workResend } from "../pipeline/manual.ts"
import { PING_EXPIRES_MS, workPing } from "../pipeline/ping.ts"
import { resendUpkeep } from "../pipeline/resend-lane.ts"
import { taskUpkeep, workTask } from "../tasks/run.ts"
import { type Found, JOB_UNDER_WAY_MS, type Sweep, type Upkeep } from "./contribution.ts"
import { countingUpkeep } from "./counting.ts"
import { eventRetention, keyRetention, payloadExpiry, remainsRetention } from "./retention.ts"
import { noteSweep } from "./state.ts"

/** Jobs of one kind that one sweep sends; each goes on by itself while it finds a full page. */
const JOBS_PER_SWEEP = 4
const POISONED_PER_SWEEP = 10
const PINGS_PER_SWEEP = 20
const MINUTE_MS = 60_000
/** Passes of each kind that a sweep works itself when the queue refuses its jobs. */
const PASSES_WITHOUT_QUEUE = 4
/** What one such pass asks of D1. */
const STATEMENTS_PER_PASS = 12

/** Events that nobody holds, and poison among them, which ends visibly. */
const eventUpkeep: Upkeep = {
  look: (deps, at) => ({
    leftBehind: sql`
      SELECT 1 FROM events v INDEXED BY events_undispatched WHERE ${isLeftBehind(deps, at)}
      LIMIT ${literal(JOBS_PER_SWEEP * CATCH_UP_EVENTS)}`,
    poison: sql`
      SELECT v.seq FROM events v INDEXED BY events_undispatched
      WHERE v.dispatched_at IS NULL AND v.leased_until <= ${at} AND v.claims >= ${MAX_CLAIMS}
      ORDER BY v.id LIMIT ${literal(POISONED_PER_SWEEP)}`,
  }),
  async jobs({ db, at }, { leftBehind = [], poison = [] }) {
    if (poison.length > 0) await endPoison(db, poison, at)
    return times(leftBehind.length, CATCH_UP_EVENTS, { kind: "catch-up" })
  },
}

/** Every endpoint that would have got such an event has a failed delivery. */
async function endPoison(db: Db, poison: readonly Row[], at: number): Promise<void> {
  const ended = sql`v.seq IN (SELECT value FROM json_each(${JSON.stringify(poison.map((row) => row.seq))}))
    AND v.dispatched_at IS NULL AND v.leased_until <= ${at} AND v.claims >= ${MAX_CLAIMS}`
  await db.batch({
    failed: sql`
      INSERT INTO deliveries (event_id, endpoint_id, application_id, status, reason, created_at, ended_at, attempt_id)
      SELECT v.id, e.id, v.application_id, 'failed', 'internal', ${at}, ${at}, ${newPlace(at)}
      FROM events v CROSS JOIN endpoints e ON e.id IN (SELECT id FROM (${candidates(FANOUT_STEP)}))
      WHERE ${ended} AND v.ping_id IS NULL AND ${isInterested}
      ON CONFLICT DO NOTHING`,
    ended: sql`
      UPDATE events AS v SET dispatched_at = ${at}, failure = 'internal', lease_token = NULL, leased_until = NULL
      WHERE ${ended}`,
  })
}

/** Overdue endpoints, and leases whose holders died: these are free again. */
const dueUpkeep: Upkeep = {
  look: (_deps, at) => ({
    due: sql`
      SELECT 'lease' AS what FROM endpoints WHERE leased_until <= ${at}
      UNION ALL
      SELECT 'due' FROM (${dueNow(at, JOBS_PER_SWEEP * ENDPOINTS_PER_PASS)})
      LIMIT ${literal(JOBS_PER_SWEEP * ENDPOINTS_PER_PASS)}`,
  }),
  async jobs({ db, at }, { due = [] }) {
    if (due.some(({ what }) => what === "lease")) {
      await db.batch({ freed: freeLost(at, JOBS_PER_SWEEP * ENDPOINTS_PER_PASS) })
    }
    return times(due.length, ENDPOINTS_PER_PASS, { kind: "drain" })
  },
}

/** Pings without a consumer, and those whose callers are long gone, which end as expired. */
const pingUpkeep: Upkeep = {
  look: (_deps, at) => ({
    // Left to itself the planner walks all events, for their order.
    pings: sql`
      SELECT DISTINCT application_id, ping_id FROM events INDEXED BY events_undispatched
      WHERE dispatched_at IS NULL AND ping_id IS NOT NULL AND created_at > ${at - PING_EXPIRES_MS}
        AND created_at <= ${at - JOB_UNDER_WAY_MS}
      LIMIT ${literal(PINGS_PER_SWEEP)}`,
    stale: sql`
      SELECT seq, id FROM events INDEXED BY events_undispatched
      WHERE dispatched_at IS NULL AND ping_id IS NOT NULL AND created_at <= ${at - PING_EXPIRES_MS}
      LIMIT ${literal(PINGS_PER_SWEEP)}`,
  }),
  async jobs({ db, at }, { pings = [], stale = [] }) {
    if (stale.length > 0) {
      const idsOf = (column: string) => JSON.stringify(stale.map((row) => row[column]))
      await db.batch({
        deliveries: sql`
          UPDATE deliveries SET status = 'failed', reason = 'expired', ended_at = ${at}
          WHERE event_id IN (SELECT value FROM json_each(${idsOf("id")})) AND status = 'pending'`,
        events: sql`
          UPDATE events SET dispatched_at = ${at}
          WHERE seq IN (SELECT value FROM json_each(${idsOf("seq")})) AND dispatched_at IS NULL`,
      })
    }
    return pings.map(
      (row): Work => ({
        kind: "ping",
        applicationId: row.application_id as string,
        pingId: row.ping_id as string,
      }),
    )
  },
}

/** What the engine itself has the sweep do; families add theirs. */
export const ENGINE_UPKEEP: readonly Upkeep[] = [
  resendUpkeep,
  taskUpkeep,
  pingUpkeep,
  outboxUpkeep,
  eventUpkeep,
  dueUpkeep,
  countingUpkeep,
  eventRetention,
  remainsRetention,
  keyRetention,
  payloadExpiry,
  inboxUpkeep,
]

/**
 * Finds what crashes, lost jobs and quotas left behind. Sends a few jobs, or, when the queue refuses them, works within
 * this invocation's own budget. Then deletes what is past retention, in bounded steps. Runs every minute; running it
 * more often, or twice at once, does no harm. The first shard is swept here, any other by a job of its own; when
 * the queue refuses those, they take turns, a shard a minute. One part that fails does not stop the others; the first fault is thrown
 * at the end.
 */
export async function sweep(deps: Deps, upkeep: readonly Upkeep[] = ENGINE_UPKEEP): Promise<void> {
  const [first, ...others] = deps.shards
  const here = first ? [first] : []
  for (const db of others) if (!(await send(deps, "retries", db, { kind: "sweep" }))) here.push(db)
  const db = here[Math.floor(deps.clock.now() / MINUTE_MS) % here.length]
  if (db) await sweepShard(deps, db, budgetOf(deps), upkeep)
}

/** The same for one shard, within the budget. What is about one application is done where that lives. */
export async function sweepShard(
  deps: Deps,
  db: Db,
  budget: Budget,
  upkeep: readonly Upkeep[] = ENGINE_UPKEEP,
): Promise<void> {
  const concerned = upkeep.filter(
    ({ application, beyondDirectory }) =>
      (application === undefined || deps.shardOf(application) === db) &&
      !(beyondDirectory && isDirectory(db)),
  )
  const faults = await sweepDatabase(deps, db, concerned, budget)
  if (faults.length > 0) throw faults[0]
}

/** Answers the faults of the parts that have failed. */
async function sweepDatabase(
  deps: Deps,
  db: Db,
  upkeep: readonly Upkeep[],
  budget: Budget,
): Promise<unknown[]> {
  const one: Sweep = { deps, db, at: deps.clock.now(), budget }
  const faults: unknown[] = []
  async function attempt<T>(part: () => Promise<T>, instead: T): Promise<T> {
    try {
      return await part()
    } catch (error) {
      deps.observe({ unit: "fault", during: "sweep", error: String(error) })
      faults.push(error)
      return instead
    }
  }
  const found = await lookAround(one, upkeep).catch(async () => {
    // Whoever's look fails must not keep the others from theirs.
    const apart: Found[] = []
    for (const part of upkeep) apart.push(...(await attempt(() => lookAround(one, [part]), [{}])))
    return apart
  })
  const concerned = upkeep.filter((_, index) =>
    Object.values(found[index] ?? {}).some((rows) => rows.length > 0),
  )
  const foundBy = (part: Upkeep): Found => found[upkeep.indexOf(part)] ?? {}
  const refused: Work[] = []
  for (const part of concerned) {
    const jobs = await attempt(async () => (await part.jobs?.(one, foundBy(part))) ?? [], [])
    for (const job of jobs) if (!(await enqueue(deps, db, job))) refused.push(job)
  }
  if (refused.length > 0) await attempt(() => workWithoutQueue(one, refused), undefined)
  const done: Record<string, number> = {}
  for (const part of concerned) {
    Object.assign(done, await attempt(async () => part.work?.(one, foundBy(part)), undefined))
  }
  await attempt(() => db.batch({ noted: noteSweep(deps.clock.now(), db.sizeBytes()) }), { noted: [] })
  deps.observe({
    unit: "sweep",
    shard: db.shard,
    found: Object.fromEntries(
      found
        .flatMap((looks) =>
          Object.entries(looks).map(([name, rows]): [string, number] => [name, rows.length]),
        )
        .filter(([, length]) => length > 0),
    ),
    done,
    refused: refused.map(({ kind }) => kind),
    durationMs: deps.clock.now() - one.at,
  })
  return faults
}

/** One batch of all looks; answers what each part has found. */
async function lookAround({ deps, db, at }: Sweep, upkeep: readonly Upkeep[]): Promise<Found[]> {
  const looks = upkeep.map((part) => Object.entries(part.look(deps, at)))
  const rows = await db.batch(
    Object.fromEntries(
      looks.flatMap((statements, index) =>
        statements.map(([name, statement]) => [`${index} ${name}`, statement]),
      ),
    ),
  )
  return looks.map((statements, index) =>
    Object.fromEntries(statements.map(([name]) => [name, rows[`${index} ${name}`] ?? []])),
  )
}

/** As many jobs as it takes for `count` things. */
function times(count: number, perJob: number, job: Work): Work[] {
  return Array.from({ length: Math.ceil(count / perJob) }, () => job)
}

/**
 * The refused jobs, here and now: one of each kind that somebody may wait for, another one each minute; then a bounded
 * number of passes, and half of the attempts for new events, half for retries, as far as there are both; then long work.
 */
async function workWithoutQueue({ deps, db, at, budget }: Sweep, refused: readonly Work[]): Promise<void> {
  const turnOf = <K extends Work["kind"]>(kind: K): Extract<Work, { kind: K }> | undefined => {
    const jobs = refused.filter((job): job is Extract<Work, { kind: K }> => job.kind === kind)
    return jobs[Math.floor(at / MINUTE_MS) % jobs.length]
  }
  const [ping, resend, task] = [turnOf("ping"), turnOf("resend"), turnOf("task")]
  if (ping) await workPing(deps, db, ping, budget)
  if (resend) await workResend(deps, db, resend, budget)
  if (turnOf("forward")) await forward(deps, db)
  const retries = budget.split(Math.floor(budget.left / 2))
  let [due, undispatched] = [true, true]
  for (let pass = 0; pass < PASSES_WITHOUT_QUEUE && (due || undispatched); pass++) {
    due &&= retries.left > 0 && retries.affords(STATEMENTS_PER_PASS) && (await drain(deps, db, retries)) > 0
    if (!due) budget.join(retries)
    undispatched &&=
      budget.left > 0 && budget.affords(STATEMENTS_PER_PASS) && (await catchUp(deps, db, budget))
    if (!undispatched) retries.join(budget)
  }
  if (task && budget.affords(STATEMENTS_PER_PASS)) await workTask(deps, db, task, budget)
}
