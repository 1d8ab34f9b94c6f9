import { type SQL, sql } from "drizzle-orm"

import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import { removalOf, removeAll } from "../endpoints/remove.ts"
import { EngineError } from "../kit/errors.ts"
import { enqueue } from "../pipeline/jobs.ts"
import { callDrain } from "../pipeline/schedule.ts"
import type { TaskKind } from "../tasks/step.ts"
import { draftTask, insertTask, wantsJob } from "../tasks/task.ts"
import { getApplication } from "./application.ts"
import { isBuiltIn } from "./built-in.ts"
import { copyApplication, isDirectory } from "./copies.ts"

/** Endpoints that are removed in one batch. */
export const REMOVE_STEP = 500

/**
 * Removes an application with its endpoints, in one batch: nothing of it is delivered from then on, its uid
 * is free again. Of one with very many endpoints a task removes the rest, step by step. Refuses with
 * `not_found`, and with `conflict` for those that come with the system.
 */
export async function removeApplication(deps: Deps, idOrUid: string): Promise<void> {
  const { id } = await getApplication(deps, idOrUid)
  if (isBuiltIn(id)) {
    throw new EngineError("conflict", "This application is part of the system and cannot be deleted")
  }
  const now = deps.clock.now()
  const db = deps.shardOf(id)
  const removed = sql`
    UPDATE applications SET removed_at = ${now}, updated_at = ${now}, uid = NULL
    WHERE id = ${id} AND removed_at IS NULL`
  const { page, next } = pageOf(id, null)
  const task = draftTask(deps, id, "remove-application", {})
  const { due, wanted } = await db.batch({
    copies: copyApplication(deps, id),
    removed,
    endpoints: removeAll(page, now),
    rest: insertTask(task, { cursor: sql`(${next})`, onlyIf: sql`(${next}) IS NOT NULL` }),
    wanted: wantsJob(task),
    due: sql`SELECT 1 FROM endpoints WHERE application_id = ${id} AND due_at IS NOT NULL LIMIT 1`,
  })
  // Last: as long as the directory knows it, a repeated request ends what is left.
  if (!isDirectory(db)) await deps.directory.batch({ removed })
  if (wanted.length > 0) await enqueue(deps, db, { kind: "task", applicationId: id, taskId: task.id })
  if (due.length > 0) await callDrain(deps, db)
}

/** Removes the endpoints that the removal of their application has left, in the order of their ids. */
export const removeApplicationTask: TaskKind = {
  statements: 6,
  step(deps, { applicationId, cursor }, onlyIf) {
    const { page, next } = pageOf(applicationId, cursor)
    return { ...removalOf(page, deps.clock.now(), onlyIf), next }
  },
  async wake(deps, db) {
    // What removed endpoints are still owed ends there.
    await callDrain(deps, db)
  },
}

/**
 * Selects the ids of one step, removed or not: the same before and after it; and where the next one begins.
 */
function pageOf(applicationId: string, cursor: string | null): { page: SQL; next: SQL } {
  const walk = sql`
    SELECT id FROM endpoints WHERE application_id = ${applicationId} AND id > ${cursor ?? ""} ORDER BY id`
  return {
    page: sql`${walk} LIMIT ${literal(REMOVE_STEP)}`,
    next: sql`${walk} LIMIT 1 OFFSET ${literal(REMOVE_STEP - 1)}`,
  }
}
