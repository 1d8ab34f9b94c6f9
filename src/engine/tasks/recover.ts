import { sql } from "drizzle-orm"

import { newId } from "../../db/ids.ts"
import type { Deps } from "../../platform/deps.ts"
import { getEndpoint } from "../endpoints/endpoint.ts"
import { EngineError } from "../kit/errors.ts"
import type { Remember } from "../kit/idempotency.ts"
import { earliestDue, endPause, readDue, scheduleDrain } from "../pipeline/due.ts"
import { enqueue } from "../pipeline/jobs.ts"
import { requireSpace } from "../upkeep/space.ts"

const DAY_MS = 24 * 3600 * 1000
const MAX_DAYS = 14
/** So that nobody has to mind how clocks differ who asks for the last 14 days. */
const CLOCKS_DIFFER_MS = 5 * 60 * 1000

/** A long work on many rows, done in steps by the queue. */
export interface BackgroundTask {
  id: string
  task: "endpoint.recover"
  status: "running" | "finished" | "failed"
  updatedAt: number
}

/**
 * Starts the recovery of an endpoint: its failed deliveries of events from `since` until `until` (epoch ms)
 * become due again, with a fresh schedule, and whoever asks for it says that the endpoint is well: its pause
 * ends. Refuses with `not_found`, `conflict` (endpoint disabled) or `invalid`
 * (since when).
 */
export async function recover(
  deps: Deps,
  input: {
    applicationId: string
    endpoint: string
    since: number
    until?: number | undefined
    remember?: Remember<BackgroundTask> | undefined
  },
): Promise<BackgroundTask> {
  const { applicationId, since, remember } = input
  const now = deps.clock.now()
  const until = input.until ?? now
  if (since < until - MAX_DAYS * DAY_MS - CLOCKS_DIFFER_MS)
    throw new EngineError("invalid", `At most ${MAX_DAYS} days can be recovered at once`, "since")
  if (since > until) throw new EngineError("invalid", "since must not be later than until", "since")
  const endpoint = await getEndpoint(deps, applicationId, input.endpoint)
  if (endpoint.disabledAt !== null)
    throw new EngineError("conflict", "The endpoint is disabled: enable it before recovering what it missed")
  await requireSpace(deps, applicationId)
  const task: BackgroundTask = {
    id: newId("backgroundTask", now),
    task: "endpoint.recover",
    status: "running",
    updatedAt: now,
  }
  const isThere = sql`EXISTS (SELECT 1 FROM background_tasks WHERE id = ${task.id})`
  const db = deps.shardOf(applicationId)
  const { due } = await db.batch({
    paused: endPause(endpoint.id, now),
    due: earliestDue(sql`SELECT ${endpoint.id}`),
    task: sql`
      INSERT INTO background_tasks (id, application_id, endpoint_id, task, status, since, until, created_at,
        updated_at)
      VALUES (${task.id}, ${applicationId}, ${endpoint.id}, ${task.task}, ${task.status}, ${since}, ${until},
        ${now}, ${now})
      ON CONFLICT DO NOTHING`,
    remembered: remember ? await remember(task, isThere) : null,
  })
  await enqueue(deps, db, { kind: "recover", applicationId, taskId: task.id })
  // What was waiting for the end of the pause need not wait for the task.
  await scheduleDrain(deps, db, readDue(due))
  return task
}
