import { type SQL, sql } from "drizzle-orm"

import type { Db } from "../../db/client.ts"
import { timeOf } from "../../db/ids.ts"
import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import { isOfTime, placeSince } from "../deliveries/delivery.ts"
import { getEndpoint } from "../endpoints/endpoint.ts"
import { EngineError } from "../kit/errors.ts"
import type { Remember } from "../kit/idempotency.ts"
import { earliestDue, endPause, readDue, refreshDueAt } from "../pipeline/due.ts"
import { enqueue } from "../pipeline/jobs.ts"
import { scheduleDrain } from "../pipeline/schedule.ts"
import { requireSpace } from "../upkeep/space.ts"
import type { TaskKind } from "./step.ts"
import { draftTask, insertTask, type Task, wantsJob } from "./task.ts"

const DAY_MS = 24 * 3600 * 1000
const MAX_DAYS = 14
/** So that nobody has to mind how clocks differ who asks for the last 14 days. */
const CLOCKS_DIFFER_MS = 5 * 60 * 1000

/** Deliveries that one step looks at, and at most changes. */
export const RECOVER_STEP = 2000

interface RecoverInput {
  endpointId: string
  /** Of the events, epoch ms. */
  since: number
  until: number
  /** When the first delivery was made that a step looks at. */
  from?: number
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
    remember?: Remember<Task> | undefined
  },
): Promise<Task> {
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
  const db = deps.shardOf(applicationId)
  const work = {
    endpointId: endpoint.id,
    since,
    until,
    from: (await findFirst(db, endpoint.id, since)) ?? until,
  }
  const task = draftTask(deps, applicationId, "recover", work satisfies RecoverInput)
  const isThere = sql`EXISTS (SELECT 1 FROM tasks WHERE id = ${task.id})`
  const { due, wanted } = await db.batch({
    paused: endPause(endpoint.id, now),
    due: earliestDue(sql`SELECT ${endpoint.id}`),
    task: insertTask(task),
    wanted: wantsJob(task),
    remembered: remember ? await remember(task, isThere) : null,
  })
  if (wanted.length > 0) await enqueue(deps, db, { kind: "task", applicationId, taskId: task.id })
  // What was waiting for the end of the pause need not wait for the task.
  await scheduleDrain(deps, db, readDue(due))
  return task
}

/** When the first delivery was made that a recovery looks at; null: there is none. */
async function findFirst(db: Db, endpointId: string, since: number): Promise<number | null> {
  const [first] = await db.read(sql`SELECT d.attempt_id ${walkBehind(endpointId, placeSince(since))} LIMIT 1`)
  return first ? timeOf(first.attempt_id as string) : null
}

/** How much of the time that is recovered a recovery has behind it, from 0 to 1. */
export function recoveredShare({ status, input, cursor }: Pick<Task, "status" | "input" | "cursor">): number {
  if (status === "finished") return 1
  if (cursor === null) return 0
  const { since, until, from = since } = input as RecoverInput
  return Math.min(1, Math.max(0, timeOf(cursor) - from) / Math.max(1, until - from))
}

/** Makes the failed among some deliveries due again, in the order in which deliveries were made. */
export const recoverTask: TaskKind<RecoverInput> = {
  statements: 4,
  step(deps, { input: { endpointId, since, until }, cursor }, onlyIf) {
    const now = deps.clock.now()
    const walk = walkBehind(endpointId, cursor ?? placeSince(since))
    return {
      // Not what has no payload any more, and no pings: nobody waits for those.
      change: sql`
        UPDATE deliveries AS d SET status = 'pending', reason = NULL, attempts = 0, next_attempt_at = ${now},
          ended_at = NULL, claims = 0
        WHERE (d.event_id, d.endpoint_id) IN (
          SELECT d.event_id, d.endpoint_id ${walk} LIMIT ${literal(RECOVER_STEP)}
        ) AND d.status = 'failed' AND ${isOfTime({ since, before: until + 1 })} AND ${onlyIf}
          AND EXISTS (
            SELECT 1 FROM events v WHERE v.application_id = d.application_id AND v.id = d.event_id
              AND v.payload IS NOT NULL AND v.ping_id IS NULL
          ) AND EXISTS (
            SELECT 1 FROM endpoints e WHERE e.id = d.endpoint_id AND e.removed_at IS NULL AND e.disabled_at IS NULL
          )`,
      next: sql`SELECT d.attempt_id ${walk} LIMIT 1 OFFSET ${literal(RECOVER_STEP - 1)}`,
      derived: [refreshDueAt(sql`SELECT ${endpointId}`)],
    }
  },
  async wake(deps, db, { input: { endpointId } }) {
    // Its own rate may hold the endpoint back.
    await scheduleDrain(deps, db, readDue(await db.read(earliestDue(sql`SELECT ${endpointId}`))))
  },
}

/** The deliveries of an endpoint behind a place, as they were made; those of later events are passed over. */
function walkBehind(endpointId: string, place: string | undefined): SQL {
  return sql`
    FROM deliveries d WHERE d.endpoint_id = ${endpointId} AND d.attempt_id > ${place} ORDER BY d.attempt_id`
}
