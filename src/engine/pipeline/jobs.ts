import { type SQL, sql } from "drizzle-orm"

import type { Db, Row } from "../../db/client.ts"
import type { Deps } from "../../platform/deps.ts"
import { type Lane, send } from "../jobs/job.ts"
import type { Part } from "./lane.ts"

/** By what an event is found. */
export interface EventKey {
  applicationId: string
  eventId: string
}

/** What the engine's own jobs have somebody do in their shard, named by ids only; kinds.ts says who. */
export type Work =
  | ({ kind: "dispatch" } & EventKey)
  | { kind: "ping"; applicationId: string; pingId: string }
  /** Make the next attempt that somebody has asked for by hand in this application. */
  | { kind: "resend"; applicationId: string }
  /** Go on with long work on many rows. */
  | { kind: "task"; applicationId: string; taskId: string }
  /** Work the retry lane once: behind whoever had the last turn, or along a part of a round that a look has left over. */
  | ({ kind: "drain" } & Partial<Part> & Calling)
  /** Dispatch the oldest events that nobody holds. */
  | { kind: "catch-up" }
  /** Move operational events to the shard of `operations`. */
  | { kind: "forward" }

/** Whether a drain was called for what was due already: the one that waits, until it begins. */
interface Calling {
  isCalled?: boolean
}

/** The lane of each. */
export const LANES = {
  dispatch: "events",
  ping: "tasks",
  resend: "tasks",
  task: "tasks",
  drain: "retries",
  "catch-up": "retries",
  forward: "tasks",
} as const satisfies Record<Work["kind"], Lane>

/** Sends a job for a shard, after `delayMs` if given. Answers false instead of throwing when the queue refuses it. */
export function enqueue(deps: Deps, db: Db, work: Work, delayMs = 0): Promise<boolean> {
  return send(deps, LANES[work.kind], db, work, delayMs)
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
    deps.observe({ unit: "fault", during: "mark-refused", events: refused.length, error: String(error) })
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
