import type { Deps } from "../../deps.ts"

/** A queue message: ids only. Losing one costs time, never an event: the sweep finds what it named. */
export type Job =
  | { kind: "dispatch"; applicationId: string; eventId: string }
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

/** Sends a job, after `delayMs` if given. Answers false instead of throwing when the queue refuses it. */
export async function enqueue(deps: Deps, job: Job, delayMs = 0): Promise<boolean> {
  try {
    const delaySeconds = Math.ceil(delayMs / 1000)
    await deps.queues[QUEUE[job.kind]].send(job, delaySeconds > 0 ? { delaySeconds } : {})
    return true
  } catch (error) {
    deps.log({ unit: "fault", during: "enqueue", job: job.kind, error: String(error) })
    return false
  }
}
