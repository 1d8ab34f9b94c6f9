import { type SQL, sql } from "drizzle-orm"

import type { Db } from "../../db/client.ts"
import { newId } from "../../db/ids.ts"
import { tasks } from "../../db/schema/tasks.ts"
import { shapeOf } from "../../db/shape.ts"
import type { Deps } from "../../platform/deps.ts"
import { EngineError, notFound } from "../kit/errors.ts"
import type { Page, PageRequest } from "../kit/page.ts"
import { allOf, isAmong, scanShards } from "../kit/scan.ts"

const shape = shapeOf(
  tasks,
  "id",
  "applicationId",
  "kind",
  "input",
  "status",
  "cursor",
  "processed",
  "updatedAt",
)

/** Long work on many rows, done in steps by jobs; `processed` counts the rows that have changed. */
export type Task = ReturnType<typeof shape.read>
export type TaskStatus = Task["status"]

/** Whose tasks, and which kinds of them. */
export interface TaskScope {
  /** Null: every application's. */
  applicationId: string | null
  kinds: readonly string[]
}

/** The task that is about to be started, not yet written. */
export function draftTask(deps: Deps, applicationId: string, kind: string, input: object): Task {
  const now = deps.clock.now()
  return {
    id: newId("task", now),
    applicationId,
    kind,
    input,
    status: "running",
    cursor: null,
    processed: 0,
    updatedAt: now,
  }
}

/** The statement that starts a task, behind `cursor` if given, if the condition holds. */
export function insertTask(
  { id, applicationId, kind, input, status, updatedAt }: Task,
  { cursor = sql`NULL`, onlyIf = sql`true` }: { cursor?: SQL; onlyIf?: SQL } = {},
): SQL {
  return sql`
    INSERT INTO tasks (id, application_id, kind, input, status, cursor, created_at, updated_at)
    SELECT ${id}, ${applicationId}, ${kind}, ${JSON.stringify(input)}, ${status}, ${cursor}, ${updatedAt}, ${updatedAt}
    WHERE ${onlyIf} ON CONFLICT DO NOTHING`
}

/**
 * The id of the application's task whose turn it is behind this one, or null: they take turns in the order of their ids, so
 * that a short one ends while a long one goes on. One whose last claim has come to nothing has no turn before the others
 * have ended.
 */
export function nextInTurn(applicationId: string, behind: string): SQL {
  const first = (condition: SQL) => sql`(
    SELECT o.id FROM tasks o INDEXED BY tasks_running
    WHERE o.application_id = ${applicationId} AND o.status = 'running' AND ${condition} ORDER BY o.id LIMIT 1)`
  return sql`coalesce(
    ${first(sql`o.claims = 0 AND o.id > ${behind}`)}, ${first(sql`o.claims = 0`)}, ${first(sql`true`)})`
}

/** A row if the task, which has just been started, is the only one: then it wants a job, whose turns others share. */
export function wantsJob({ id, applicationId }: Task): SQL {
  return sql`
    SELECT 1 FROM tasks WHERE id = ${id} AND id = (
      SELECT min(o.id) FROM tasks o INDEXED BY tasks_running
      WHERE o.application_id = ${applicationId} AND o.status = 'running')`
}

/** The tasks in the order of their ids, a page at a time; it may be short of its limit. */
export async function listTasks(
  deps: Deps,
  scope: TaskScope,
  request: PageRequest,
  statuses?: readonly TaskStatus[],
): Promise<Page<Task>> {
  const { rows, done } = await scanShards(databasesOf(deps, scope), request, {
    table: sql`tasks t`,
    place: [sql`t.id`],
    owner: isOwn(scope),
    key: sql`t.id`,
    filter: allOf(isOfKind(scope), isAmong(sql`t.status`, statuses)),
    columns: shape.columns("t"),
  })
  return { rows: rows.map(shape.read), done }
}

/** The task with this id; refuses with `not_found`. */
export async function getTask(deps: Deps, scope: TaskScope, id: string): Promise<Task> {
  return (await findTask(deps, scope, id)).task
}

/**
 * Ends a task before its time: what its steps have changed stays, a step under way is done wholly or not at all, and
 * none begins any more; a job that comes for it goes to the next one of its application. A task that is canceled already
 * is answered as it is. Refuses with `not_found`, and with `conflict` for one that has ended otherwise.
 */
export async function cancelTask(deps: Deps, scope: TaskScope, id: string): Promise<Task> {
  const { db, task } = await findTask(deps, scope, id)
  if (task.status === "running") {
    await db.batch({
      canceled: sql`
        UPDATE tasks SET status = 'canceled', updated_at = ${deps.clock.now()}
        WHERE id = ${task.id} AND status = 'running'`,
    })
  }
  const canceled = await getTask(deps, scope, id)
  if (canceled.status !== "canceled")
    throw new EngineError("conflict", `The task has ${canceled.status} already`)
  return canceled
}

async function findTask(deps: Deps, scope: TaskScope, id: string): Promise<{ db: Db; task: Task }> {
  for (const db of databasesOf(deps, scope)) {
    const [row] = await db.read(sql`
      SELECT ${shape.columns("t")} FROM tasks t WHERE t.id = ${id} AND ${isOwn(scope)} AND ${isOfKind(scope)}`)
    if (row) return { db, task: shape.read(row) }
  }
  throw notFound("Task")
}

/** A task's id does not say whose it is. */
function databasesOf(deps: Deps, { applicationId }: TaskScope): readonly Db[] {
  return applicationId === null ? deps.shards : [deps.shardOf(applicationId)]
}

function isOwn({ applicationId }: TaskScope): SQL {
  return applicationId === null ? sql`true` : sql`t.application_id = ${applicationId}`
}

function isOfKind({ kinds }: TaskScope): SQL {
  return sql`t.kind IN (SELECT value FROM json_each(${JSON.stringify(kinds)}))`
}
