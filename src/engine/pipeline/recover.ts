import { sql } from "drizzle-orm"

import type { Db, Row } from "../../db/client.ts"
import { idAt } from "../../db/ids.ts"
import type { Deps } from "../../deps.ts"
import { lastStart, leaseMs } from "./budget.ts"
import { MAX_CLAIMS } from "./claimed.ts"
import { earliestDue, readDue, refreshDueAt, scheduleDrain } from "./due.ts"
import { enqueue, type Job } from "./jobs.ts"

/** Deliveries that one step looks at, and at most changes. */
export const RECOVER_STEP = 2000
const STEPS_PER_INVOCATION = 20
const FOUND_PER_SWEEP = 10

type RecoverJob = Extract<Job, { kind: "recover" }>

/**
 * Works a recovery in steps: each makes the failed among some deliveries due again and moves the task's cursor, in
 * one batch, so that a step is done once whatever dies. What one invocation does not finish, another job does.
 */
export async function workRecover(deps: Deps, db: Db, job: RecoverJob): Promise<void> {
  const at = deps.clock.now()
  const token = crypto.randomUUID()
  const [, claimed = []] = await db.batch([
    sql`
      UPDATE background_tasks SET lease_token = ${token}, leased_until = ${at + leaseMs(deps)}, claims = claims + 1
      WHERE id = ${job.taskId} AND status = 'running' AND claims < ${MAX_CLAIMS}
        AND (leased_until IS NULL OR leased_until <= ${at})`,
    sql`
      SELECT endpoint_id, since, until FROM background_tasks WHERE id = ${job.taskId} AND lease_token = ${token}`,
  ])
  const task = claimed.at(0)
  if (!task) return
  const startBy = lastStart(deps, at)
  let finished = false
  let due: number | null = null
  for (let step = 1; step <= STEPS_PER_INVOCATION && deps.clock.now() <= startBy; step++) {
    const state = await recoverStep(deps, db, job.taskId, token, task)
    if (state === null) return
    finished = state.status === "finished"
    due = state.due
    deps.log({
      unit: "recover",
      taskId: job.taskId,
      step,
      recovered: state.processed,
      durationMs: deps.clock.now() - at,
    })
    if (finished) break
  }
  await scheduleDrain(deps, due)
  if (finished) return
  // Given back, so that the next job need not wait for the lease to run out.
  await db.batch([
    sql`UPDATE background_tasks SET lease_token = NULL, leased_until = NULL
        WHERE id = ${job.taskId} AND lease_token = ${token}`,
  ])
  await enqueue(deps, job)
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
  const page = sql`
    SELECT d.rowid AS place, d.event_id FROM background_tasks b CROSS JOIN deliveries d
    WHERE ${held} AND d.endpoint_id = ${task.endpoint_id}
      AND d.event_id > coalesce(b.cursor, ${idAt("event", task.since as number)})
      AND d.event_id < ${idAt("event", (task.until as number) + 1)}
    ORDER BY d.event_id LIMIT ${RECOVER_STEP}`
  const [, moved = [], , due] = await db.batch([
    // Not what has no payload any more, and no pings: nobody waits for those.
    sql`
      UPDATE deliveries SET status = 'pending', reason = NULL, attempts = 0, next_attempt_at = ${now},
        ended_at = NULL, claims = 0, lease_token = NULL, leased_until = NULL
      WHERE status = 'failed' AND rowid IN (SELECT place FROM (${page})) AND EXISTS (
        SELECT 1 FROM events v
        WHERE v.id = deliveries.event_id AND v.payload IS NOT NULL AND v.ping_id IS NULL
      ) AND EXISTS (
        SELECT 1 FROM endpoints e
        WHERE e.id = deliveries.endpoint_id AND e.removed_at IS NULL AND e.disabled_at IS NULL
      )`,
    sql`
      UPDATE background_tasks AS b SET
        processed = processed + changes(),
        status = CASE WHEN (SELECT count(*) FROM (${page})) < ${RECOVER_STEP} THEN 'finished' ELSE status END,
        cursor = coalesce((SELECT max(event_id) FROM (${page})), cursor),
        claims = 0, updated_at = ${now}
      WHERE ${held} AND b.status = 'running' RETURNING status, processed`,
    refreshDueAt(sql`SELECT ${task.endpoint_id}`),
    earliestDue(sql`SELECT ${task.endpoint_id}`),
  ])
  const state = moved.at(0)
  if (!state) return null
  return { status: state.status as string, processed: state.processed as number, due: readDue(due) }
}

/** Ends tasks that nobody could work; answers the jobs of those that nobody holds, a bounded number. */
export async function findLostRecoveries(db: Db, at: number, jobUnderWayMs: number): Promise<RecoverJob[]> {
  const free = sql`status = 'running' AND (leased_until IS NULL OR leased_until <= ${at})`
  const [, lost = []] = await db.batch([
    sql`UPDATE background_tasks SET status = 'failed', updated_at = ${at} WHERE ${free} AND claims >= ${MAX_CLAIMS}`,
    sql`
      SELECT id, application_id FROM background_tasks
      WHERE ${free} AND updated_at <= ${at - jobUnderWayMs} ORDER BY id LIMIT ${FOUND_PER_SWEEP}`,
  ])
  return lost.map((row) => ({
    kind: "recover",
    applicationId: row.application_id as string,
    taskId: row.id as string,
  }))
}
