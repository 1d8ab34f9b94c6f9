import { sql } from "drizzle-orm"

import type { Db, Row } from "../../db/client.ts"
import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import { isOfTime, placeSince } from "../deliveries/delivery.ts"
import { JOB_UNDER_WAY_MS, type Upkeep } from "../upkeep/contribution.ts"
import { type Budget, lastStart, leaseMs } from "./budget.ts"
import { MAX_CLAIMS } from "./claim.ts"
import { earliestDue, readDue, refreshDueAt, scheduleDrain } from "./due.ts"
import { enqueue, type Work } from "./jobs.ts"

/** Deliveries that one step looks at, and at most changes. */
export const RECOVER_STEP = 2000
const STATEMENTS_PER_STEP = 4
const FOUND_PER_SWEEP = 10

type RecoverJob = Extract<Work, { kind: "recover" }>

/**
 * Works a recovery in steps: each makes the failed among some deliveries due again and moves the task's cursor, in
 * one batch, so that a step is done once whatever dies. What one invocation does not finish, another job does.
 */
export async function workRecover(deps: Deps, db: Db, job: RecoverJob, budget: Budget): Promise<void> {
  const at = deps.clock.now()
  const token = crypto.randomUUID()
  const { claimed } = await db.batch({
    taken: sql`
      UPDATE background_tasks SET lease_token = ${token}, leased_until = ${at + leaseMs(deps)}, claims = claims + 1
      WHERE id = ${job.taskId} AND status = 'running' AND claims < ${MAX_CLAIMS}
        AND (leased_until IS NULL OR leased_until <= ${at})`,
    claimed: sql`
      SELECT endpoint_id, since, until FROM background_tasks WHERE id = ${job.taskId} AND lease_token = ${token}`,
  })
  const task = claimed.at(0)
  if (!task) return
  const startBy = lastStart(deps, at)
  let finished = false
  let due: number | null = null
  let steps = 0
  let recovered = 0
  while (!finished && deps.clock.now() <= startBy && budget.affords(STATEMENTS_PER_STEP)) {
    const state = await recoverStep(deps, db, job.taskId, token, task)
    if (state === null) return
    finished = state.status === "finished"
    due = state.due
    recovered = state.processed
    steps++
  }
  deps.observe({
    unit: "recover",
    taskId: job.taskId,
    steps,
    recovered,
    finished,
    durationMs: deps.clock.now() - at,
  })
  await scheduleDrain(deps, db, due)
  if (finished) return
  // Given back, so that the next job need not wait for the lease to run out.
  await db.batch({
    given: sql`
      UPDATE background_tasks SET lease_token = NULL, leased_until = NULL
      WHERE id = ${job.taskId} AND lease_token = ${token}`,
  })
  await enqueue(deps, db, job)
}

interface State {
  status: string
  /** Deliveries that have become due again, over all steps. */
  processed: number
  /** When the endpoint is (epoch ms): its own rate may hold it back. */
  due: number | null
}

/** One step; answers the task's state behind it, null when the claim is lost. */
async function recoverStep(
  deps: Deps,
  db: Db,
  taskId: string,
  token: string,
  task: Row,
): Promise<State | null> {
  const now = deps.clock.now()
  const held = sql`b.id = ${taskId} AND b.lease_token = ${token}`
  // In the order in which deliveries were made: those of later events are passed over.
  const page = sql`
    SELECT d.event_id, d.endpoint_id, d.attempt_id FROM background_tasks b CROSS JOIN deliveries d
    WHERE ${held} AND d.endpoint_id = ${task.endpoint_id}
      AND d.attempt_id > coalesce(b.cursor, ${placeSince(task.since as number)})
    ORDER BY d.attempt_id LIMIT ${literal(RECOVER_STEP)}`
  const { moved, due } = await db.batch({
    // Not what has no payload any more, and no pings: nobody waits for those.
    recovered: sql`
      UPDATE deliveries AS d SET status = 'pending', reason = NULL, attempts = 0, next_attempt_at = ${now},
        ended_at = NULL, claims = 0
      WHERE (d.event_id, d.endpoint_id) IN (SELECT event_id, endpoint_id FROM (${page})) AND d.status = 'failed'
        AND ${isOfTime({ since: task.since as number, before: (task.until as number) + 1 })}
        AND EXISTS (
          SELECT 1 FROM events v WHERE v.application_id = d.application_id AND v.id = d.event_id
            AND v.payload IS NOT NULL AND v.ping_id IS NULL
        ) AND EXISTS (
          SELECT 1 FROM endpoints e WHERE e.id = d.endpoint_id AND e.removed_at IS NULL AND e.disabled_at IS NULL
        )`,
    moved: sql`
      UPDATE background_tasks AS b SET
        processed = processed + changes(),
        status = CASE WHEN (SELECT count(*) FROM (${page})) < ${literal(RECOVER_STEP)} THEN 'finished' ELSE status END,
        cursor = coalesce((SELECT max(attempt_id) FROM (${page})), cursor),
        claims = 0, updated_at = ${now}
      WHERE ${held} AND b.status = 'running' RETURNING status, processed`,
    derived: refreshDueAt(sql`SELECT ${task.endpoint_id}`),
    due: earliestDue(sql`SELECT ${task.endpoint_id}`),
  })
  const state = moved.at(0)
  if (!state) return null
  return { status: state.status as string, processed: state.processed as number, due: readDue(due) }
}

/** Recoveries that nobody works on. */
export const recoverUpkeep: Upkeep = {
  look: (_deps, at) => ({
    recoveries: sql`
      SELECT id, application_id, claims FROM background_tasks
      WHERE status = 'running' AND (leased_until IS NULL OR leased_until <= ${at})
        AND updated_at <= ${at - JOB_UNDER_WAY_MS}
      ORDER BY id LIMIT ${literal(FOUND_PER_SWEEP)}`,
  }),
  /** Ends those that nobody could work. */
  async jobs({ db, at }, { recoveries = [] }) {
    const poisoned = recoveries.filter((row) => (row.claims as number) >= MAX_CLAIMS)
    if (poisoned.length > 0) {
      const ids = JSON.stringify(poisoned.map((row) => row.id))
      await db.batch({
        failed: sql`
          UPDATE background_tasks SET status = 'failed', updated_at = ${at}
          WHERE id IN (SELECT value FROM json_each(${ids})) AND status = 'running' AND claims >= ${MAX_CLAIMS}
            AND (leased_until IS NULL OR leased_until <= ${at})`,
      })
    }
    return recoveries
      .filter((row) => !poisoned.includes(row))
      .map(
        (row): Work => ({
          kind: "recover",
          applicationId: row.application_id as string,
          taskId: row.id as string,
        }),
      )
  },
}
