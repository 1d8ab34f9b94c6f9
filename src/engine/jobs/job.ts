import type { Db } from "../../db/client.ts"
import type { Deps } from "../../platform/deps.ts"
import type { Budget } from "../pipeline/budget.ts"

/** What a job has somebody do in its shard: a kind of it, and ids. */
export interface AnyWork {
  readonly kind: string
}

/**
 * A queue message: some work, and the one shard that it is for. Losing one costs time, never an event: the
 * sweep finds what it named.
 */
export interface Job extends AnyWork {
  readonly shard: number
}

/** Three lanes: fresh events, everything that may take long, and work that a person is waiting for. */
export type Lane = keyof Deps["queues"]

/** A kind of job, worked one at a time. The worker throws only while trying again does no harm. */
export interface SingleJobs<W extends AnyWork> {
  lane: Lane
  work(deps: Deps, db: Db, work: W, budget: Budget): Promise<void>
}

/**
 * A kind of job of which all that a batch brings for a shard are worked together, under the same rule: those
 * that come for the first time, then those that come `again` and may have been worked on already.
 */
export interface JobsTogether<W extends AnyWork> {
  lane: Lane
  workTogether(deps: Deps, db: Db, works: readonly W[], budget: Budget, again: boolean): Promise<void>
}

/** What the engine or a family declares of a kind of job. */
export type JobKind<W extends AnyWork = AnyWork> = SingleJobs<W> | JobsTogether<W>

/** Kinds of job, by the kind that their messages name. */
export type JobKinds = Readonly<Record<string, JobKind>>

/**
 * Sends a job for a shard, after `delayMs` if given. Answers false instead of throwing
 * when the queue refuses it.
 */
export async function send(deps: Deps, lane: Lane, db: Db, work: AnyWork, delayMs = 0): Promise<boolean> {
  try {
    const seconds = delaySeconds(delayMs)
    await deps.queues[lane].send({ ...work, shard: db.shard }, seconds > 0 ? { delaySeconds: seconds } : {})
    return true
  } catch (error) {
    deps.observe({ unit: "fault", during: "enqueue", job: work.kind, error: String(error) })
    return false
  }
}

/** A queue's delays are whole seconds: a job comes no earlier than it was to. */
export function delaySeconds(delayMs: number): number {
  return Math.ceil(delayMs / 1000)
}
