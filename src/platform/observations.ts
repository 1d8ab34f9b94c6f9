import type { Job } from "../engine/jobs/job.ts"
import type { ErrorClass, Outcome } from "../engine/rules/outcome.ts"

/**
 * A fact about our own work, made once, where it happened, and handed to every sink. It has ids, counts and
 * times: never a secret, a header's value or a payload, so that a sink may write down all of it.
 */
export type Observation =
  | RequestObserved
  | DispatchObserved
  | StragglersObserved
  | FanOutObserved
  | DrainObserved
  | PingObserved
  | ResendObserved
  | TaskObserved
  | UploadObserved
  | SweepObserved
  | JobObserved
  | Fault

/**
 * Receives observations, as the log does and metrics would. Must neither throw nor keep the work waiting.
 */
export type Sink = (observation: Observation) => void

/** One request to us, and what it was answered. */
export interface RequestObserved {
  unit: "request"
  requestId: string
  address: string | null
  method: string
  /** With the query, but for the values of credentials. */
  path: string
  status: number
  /** How long the answer is; null where it does not say. */
  bytes: number | null
  referer: string | null
  agent: string | null
  durationMs: number
  /** What went wrong on our side. */
  error?: string
  stack?: string
}

/** One request of ours to a receiver; inside the observation of whatever made it. */
export interface AttemptObserved {
  attemptId: string
  eventId: string
  endpointId: string
  applicationId: string
  status: number | null
  error: ErrorClass | null
  outcome: Outcome
  durationMs: number
}

/** Events that were dispatched together. */
export interface DispatchObserved {
  unit: "dispatch"
  eventIds: readonly string[]
  attempts: readonly AttemptObserved[]
  /** Deliveries that were left to the retry lane, or had nothing to send any more. */
  putOff: number
  /** Requests that go on behind the batch. */
  open: number
  /** Under a lease, because somebody may have had them before. */
  claimed: boolean
  durationMs: number
}

/** Requests that have ended behind their batch, of dispatching as of any other work. */
export interface StragglersObserved {
  unit: "stragglers"
  attempts: readonly AttemptObserved[]
  /** Since their batch has ended. */
  durationMs: number
}

/** Events with many candidates, whose deliveries were written as due. */
export interface FanOutObserved {
  unit: "fan-out"
  eventIds: readonly string[]
  steps: number
  deliveries: number
  /** Events that another job goes on with. */
  unfinished: number
  durationMs: number
}

/** One pass over the retry lane. */
export interface DrainObserved {
  unit: "drain"
  endpointIds: readonly string[]
  attempts: readonly AttemptObserved[]
  /** Deliveries that ended without an attempt. */
  ended: number
  untouched: number
  /** Requests that go on behind the pass. */
  open: number
  suspects: number
  durationMs: number
}

export interface PingObserved {
  unit: "ping"
  applicationId: string
  pingId: string
  attempts: readonly AttemptObserved[]
  durationMs: number
}

/** One attempt that somebody asked for by hand; or none, and why there could be none. */
export interface ResendObserved {
  unit: "resend"
  applicationId: string
  eventId: string
  endpointId: string
  attempts: readonly AttemptObserved[]
  /** Why no attempt was made; null: one was. */
  ended: "internal" | "expired" | "removed" | "disabled" | "unsubscribed" | null
  durationMs: number
}

/** A turn of long work on many rows, or its end as failed without one. */
export interface TaskObserved {
  unit: "task"
  taskId: string
  kind: string
  /** Of this job. */
  steps: number
  /** Rows that have changed, over all jobs of the task. */
  processed: number
  status: "running" | "finished" | "failed" | "canceled"
  durationMs: number
}

/** A file that has arrived, or one that was looked through. */
export type UploadObserved = { unit: "upload"; uploadId: string; size: number; durationMs: number } & (
  | { state: "received"; parts: number; maxHeldBytes: number; maxParserBytes: number }
  | { state: "completed" | "failed" | "lost"; failure: string | null; claims: number }
)

/** One minute's sweep of one shard. */
export interface SweepObserved {
  unit: "sweep"
  shard: number
  /** Rows that the looks have found, by the names of the looks; what has found nothing is left out. */
  found: Readonly<Record<string, number>>
  /** What the sweep has done itself, by names of the parts that did it. */
  done: Readonly<Record<string, number>>
  /** The jobs that the queue refused. */
  refused: readonly string[]
  durationMs: number
}

/** Jobs that we failed at, and gave back to the queue. */
export interface JobObserved {
  unit: "job"
  jobs: readonly (Job & { jobAttempts: number })[]
  error: string
}

/** Something that went wrong on our side, and that the work went on behind. */
export type Fault = { unit: "fault"; error: string } & (
  | { during: "settings"; requestId: string }
  | { during: "enqueue"; job: string }
  | { during: "mark-refused"; events: number }
  | { during: "sign"; eventId: string; endpointId: string }
  | { during: "record"; deliveries: number }
  | { during: "record-one"; eventId: string; endpointId: string; attemptId: string | null }
  | { during: "close-ping"; pingId: string }
  | { during: "health"; queue: string | null }
  | { during: "dispatch" | "sweep" | "stragglers" }
  | { during: "process-upload" | "discard-upload"; uploadId: string }
)
