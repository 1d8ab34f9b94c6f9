import { type SQL, sql } from "drizzle-orm"

import type { Db, Row } from "../../db/client.ts"
import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import { eachApplication } from "../kit/each-application.ts"
import { type Budget, leaseMs } from "../pipeline/budget.ts"
import { MAX_CLAIMS } from "../pipeline/claim.ts"
import { enqueue, type Work } from "../pipeline/jobs.ts"
import { JOB_UNDER_WAY_MS, type Upkeep } from "../upkeep/contribution.ts"
import { TASK_KINDS } from "./kinds.ts"
import type { TaskAtWork, TaskKind } from "./step.ts"
import { nextInTurn, type TaskStatus } from "./task.ts"

/** So long one job works on a task before whoever waits behind it in the queue has a turn. */
const TURN_MS = 1_000
/** What the runner asks of D1 behind the last step: waking whoever goes on, and handing the task back. */
const STATEMENTS_AT_END = 2
const FOUND_PER_SWEEP = 10
/** Applications of which one sweep looks whether their tasks are worked on. */
const APPLICATIONS_PER_LOOK = 500
/** Tasks of each, the first ones, among which it looks for one that is worked on. */
const TASKS_PER_LOOK = 100

type TaskJob = Extract<Work, { kind: "task" }>

/** A task in the hands of this job, and how far it is. */
interface Claimed extends TaskAtWork {
  id: string
  kind: string
  token: string
  status: TaskStatus
  processed: number
  /** The application's task whose turn is next: this one, while it runs and there is no other. */
  next: string | null
}

/**
 * Works on a task for a turn, a step where others of its application wait: then it is handed back, and another job goes on
 * with the next one in turn, behind whoever waits in the queue, so that of many tasks one is worked on. Each step moves the
 * cursor in its own batch, under the lease, so that it is done once whatever dies, and so that none is made once the
 * task is canceled. Throws for a kind that nobody works, and for a step that fails.
 */
export async function workTask(deps: Deps, db: Db, job: TaskJob, budget: Budget): Promise<void> {
  const at = deps.clock.now()
  let task = await claim(deps, db, job, at)
  if (task === null) {
    await passOn(deps, db, job)
    return
  }
  const kind = TASK_KINDS[task.kind]
  if (!kind) throw new Error(`Nobody works tasks of the kind ${task.kind}`)
  const isOver = () =>
    deps.clock.now() - at >= TURN_MS || !budget.affords(kind.statements + STATEMENTS_AT_END)
  let steps = 0
  while (task.status === "running" && task.next === task.id && !isOver()) {
    const moved = await takeStep(deps, db, kind, task)
    if (moved === null) return
    task = moved
    steps++
  }
  observe(deps, task, steps, at)
  if (steps > 0) await kind.wake(deps, db, task)
  if (task.status === "running") await handBack(db, task)
  if (task.next !== null) await enqueue(deps, db, { ...job, taskId: task.next })
}

/** A job for a task that has ended goes to the next in turn; one that somebody holds is seen to by whoever does. */
async function passOn(deps: Deps, db: Db, job: TaskJob): Promise<void> {
  const { applicationId, taskId } = job
  const [row] = await db.read(sql`
    SELECT ${nextInTurn(applicationId, taskId)} AS next
    FROM tasks WHERE id = ${taskId} AND status <> 'running'`)
  if (row?.next != null) await enqueue(deps, db, { ...job, taskId: row.next as string })
}

/** Leases a task that runs and that nobody holds; null: it is not to be had. */
async function claim(
  deps: Deps,
  db: Db,
  { applicationId, taskId }: TaskJob,
  at: number,
): Promise<Claimed | null> {
  const token = crypto.randomUUID()
  const { claimed } = await db.batch({
    taken: sql`
      UPDATE tasks SET lease_token = ${token}, leased_until = ${at + leaseMs(deps)}, claims = claims + 1
      WHERE id = ${taskId} AND status = 'running' AND claims < ${MAX_CLAIMS} AND ${isFree(at)}`,
    claimed: sql`
      SELECT kind, input, status, cursor, processed, id AS next FROM tasks
      WHERE id = ${taskId} AND lease_token = ${token}`,
  })
  const [row] = claimed
  if (!row) return null
  return {
    id: taskId,
    token,
    applicationId,
    kind: row.kind as string,
    input: JSON.parse(row.input as string),
    ...readProgress(row),
  }
}

/** One step and the move of the cursor, in one batch; answers the task behind it, null when the claim is lost. */
async function takeStep(deps: Deps, db: Db, kind: TaskKind, task: Claimed): Promise<Claimed | null> {
  const isHeld = sql`
    t.id = ${task.id} AND t.lease_token = ${task.token} AND t.status = 'running' AND t.cursor IS ${task.cursor}`
  const step = kind.step(deps, task, sql`EXISTS (SELECT 1 FROM tasks t WHERE ${isHeld})`)
  const { state } = await db.batch({
    changed: step.change,
    moved: sql`
      UPDATE tasks AS t SET processed = processed + changes(), cursor = coalesce(n.next, cursor),
        status = CASE WHEN n.next IS NULL THEN 'finished' ELSE status END, claims = 0, updated_at = ${deps.clock.now()}
      FROM (SELECT (${step.next}) AS next) n WHERE ${isHeld}`,
    derived: step.derived,
    // What has become of it, also where the answer to the first try of this batch was lost.
    state: sql`
      SELECT status, cursor, processed, ${nextInTurn(task.applicationId, task.id)} AS next FROM tasks
      WHERE id = ${task.id} AND lease_token = ${task.token}`,
  })
  const [row] = state
  return row ? { ...task, ...readProgress(row) } : null
}

function readProgress(row: Row): Pick<Claimed, "status" | "cursor" | "processed" | "next"> {
  return {
    status: row.status as TaskStatus,
    cursor: row.cursor as string | null,
    processed: row.processed as number,
    next: row.next as string | null,
  }
}

/** So that the next job need not wait for the lease to run out, and this claim does not count against the task. */
async function handBack(db: Db, { id, token }: Claimed): Promise<void> {
  await db.batch({
    given: sql`
      UPDATE tasks SET lease_token = NULL, leased_until = NULL, claims = 0
      WHERE id = ${id} AND lease_token = ${token}`,
  })
}

function isFree(at: number): SQL {
  return sql`(leased_until IS NULL OR leased_until <= ${at})`
}

function observe(
  deps: Deps,
  { id, kind, status, processed }: Pick<Claimed, "id" | "kind" | "status" | "processed">,
  steps: number,
  since: number,
): void {
  const durationMs = deps.clock.now() - since
  deps.observe({ unit: "task", taskId: id, kind, steps, processed, status, durationMs })
}

/** The first running tasks of the application of the enclosing query. */
const firstTasks = sql`
  SELECT x.id, x.claims, x.leased_until, x.updated_at FROM tasks x INDEXED BY tasks_running
  WHERE x.application_id = each_application.id AND x.status = 'running'
  ORDER BY x.id LIMIT ${literal(TASKS_PER_LOOK)}`

/** A task of each application that has some, none of which is worked on: the one that came to nothing least often. */
export const taskUpkeep: Upkeep = {
  look: (_deps, at) => ({
    tasks: sql`
      WITH RECURSIVE ${eachApplication(
        sql`FROM tasks x INDEXED BY tasks_running WHERE x.status = 'running'`,
        APPLICATIONS_PER_LOOK,
      )}
      SELECT t.id, t.application_id, t.claims FROM each_application
      CROSS JOIN tasks t ON t.id = (SELECT w.id FROM (${firstTasks}) w ORDER BY w.claims, w.id LIMIT 1)
      WHERE NOT EXISTS (
        SELECT 1 FROM (${firstTasks}) w
        WHERE NOT ${isFree(at)} OR w.updated_at > ${at - JOB_UNDER_WAY_MS}
      ) LIMIT ${literal(FOUND_PER_SWEEP)}`,
  }),
  async jobs({ deps, db, at }, { tasks = [] }) {
    const poisoned = tasks.filter((row) => (row.claims as number) >= MAX_CLAIMS)
    if (poisoned.length > 0) await endPoisoned(deps, db, poisoned, at)
    return tasks
      .filter((row) => !poisoned.includes(row))
      .map(
        (row): Work => ({
          kind: "task",
          applicationId: row.application_id as string,
          taskId: row.id as string,
        }),
      )
  },
}

/** Whoever has claimed them died of it, or failed at them, too often: they end, visibly. */
async function endPoisoned(deps: Deps, db: Db, poisoned: readonly Row[], at: number): Promise<void> {
  const ids = JSON.stringify(poisoned.map((row) => row.id))
  const { failed } = await db.batch({
    failed: sql`
      UPDATE tasks SET status = 'failed', updated_at = ${at}
      WHERE id IN (SELECT value FROM json_each(${ids})) AND status = 'running' AND claims >= ${MAX_CLAIMS}
        AND ${isFree(at)}
      RETURNING id, kind, processed`,
  })
  for (const { id, kind, processed } of failed) {
    const task = { id: id as string, kind: kind as string, processed: processed as number }
    observe(deps, { ...task, status: "failed" }, 0, at)
  }
}
