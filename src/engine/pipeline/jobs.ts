import { type SQL, sql } from "drizzle-orm"

import type { Db, Row } from "../../db/client.ts"
import type { Deps } from "../../platform/deps.ts"

/** By what an event is found. */
export interface EventKey {
  applicationId: string
  eventId: string
}

/** What a job has somebody do in its shard, named by ids only. */
export type Work =
  | ({ kind: "dispatch" } & EventKey)
  | { kind: "ping"; applicationId: string; pingId: string }
  /** Make the one attempt that somebody has asked for by hand. */
  | { kind: "resend"; applicationId: string; eventId: string; endpointId: string }
  /** Go on with making what an endpoint has missed due again. */
  | { kind: "recover"; applicationId: string; taskId: string }
  /** Work the most overdue endpoints of the retry lane. */
  | { kind: "drain" }
  /** Dispatch the oldest events that nobody holds. */
  | { kind: "catch-up" }
  /** C: check that an uploaded file arrived whole, and tell its receiver. */
  | { kind: "process-upload"; uploadId: string }

/**
 * A queue message: some work, and the one shard that it is for. Losing one costs time, never an event: the sweep finds
 * what it named.
 */
export type Job = Work & { shard: number }

// Three lanes: fresh events, everything that may take long, and work that a person is waiting for.
const QUEUE = {
  dispatch: "events",
  ping: "tasks",
  resend: "tasks",
  recover: "tasks",
  drain: "retries",
  "catch-up": "retries",
  "process-upload": "tasks",
} as const

/** Sends a job for a shard, after `delayMs` if given. Answers false instead of throwing when the queue refuses it. */
export async function enqueue(deps: Deps, db: Db, work: Work, delayMs = 0): Promise<boolean> {
  try {
    const job: Job = { ...work, shard: db.shard }
    const delaySeconds = Math.ceil(delayMs / 1000)
    await deps.queues[QUEUE[job.kind]].send(job, delaySeconds > 0 ? { delaySeconds } : {})
    return true
  } catch (error) {
    deps.log({ unit: "fault", during: "enqueue", job: work.kind, error: String(error) })
    return false
  }
}

/**
 * Sends each event its own job, which has the event to itself for its first minute. If the queue refuses it, the event
 * is marked, so that the next sweep takes it at once; if that fails too, a later one does.
 */
export async function enqueueDispatch(deps: Deps, db: Db, events: readonly EventKey[]): Promise<void> {
  const refused: EventKey[] = []
  for (const event of events) {
    if (!(await enqueue(deps, db, { kind: "dispatch", ...event }))) refused.push(event)
  }
  if (refused.length === 0) return
  try {
    await db.batch({
      marked: sql`
        UPDATE events AS v SET leased_until = 0
        WHERE (v.application_id, v.id) IN (${keysIn(refused)}) AND v.dispatched_at IS NULL
          AND v.lease_token IS NULL AND v.leased_until IS NULL`,
    })
  } catch (error) {
    deps.log({ unit: "fault", during: "enqueue", events: refused.length, error: String(error) })
  }
}

/** The key of the event whose row this is. */
export function readKey(row: Row): EventKey {
  return { applicationId: row.application_id as string, eventId: row.id as string }
}

/** Selects the application and id of each of the events. */
export function keysIn(events: readonly EventKey[]): SQL {
  return sql`SELECT value->>0, value->>1 FROM json_each(${toPairs(events)})`
}

/** The events as JSON for `json_each`: application and id of each. */
export function toPairs(events: readonly EventKey[]): string {
  return JSON.stringify(events.map(({ applicationId, eventId }) => [applicationId, eventId]))
}
