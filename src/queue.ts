import type { Db } from "./db/client.ts"
import { Budget } from "./engine/pipeline/budget.ts"
import { catchUp, dispatch, dispatchAgain } from "./engine/pipeline/dispatch.ts"
import { drain } from "./engine/pipeline/drain.ts"
import { type EventKey, enqueue, type Job } from "./engine/pipeline/jobs.ts"
import { workResend } from "./engine/pipeline/manual.ts"
import { workPing } from "./engine/pipeline/ping.ts"
import { workRecover } from "./engine/pipeline/recover.ts"
import { processUpload } from "./families/uploads/process.ts"
import type { Deps } from "./platform/deps.ts"

const RETRY_DELAY_SECONDS = 5

/**
 * Works a batch of jobs within one invocation's budget. The ack rule: a verb throws only before its first
 * request has gone out, so a job that threw is ours to retry, and everything else is acknowledged, whatever
 * the receivers said. A job that runs out of retries is logged; its row is found by the sweep.
 */
export async function consume(batch: MessageBatch<Job>, deps: Deps): Promise<void> {
  const budget = new Budget(deps.databases)
  const dispatches = batch.messages.filter((message) => message.body.kind === "dispatch")
  const others = batch.messages.filter((message) => message.body.kind !== "dispatch")
  const first = dispatches.filter(({ attempts }) => attempts <= 1)
  // What has come before may have been worked on already: it is claimed.
  const again = dispatches.filter(({ attempts }) => attempts > 1)
  if (first.length > 0) await settle(deps, first, () => dispatchAll(deps, first, dispatch, budget))
  if (again.length > 0) await settle(deps, again, () => dispatchAll(deps, again, dispatchAgain, budget))
  for (const message of others) await settle(deps, [message], () => work(deps, message.body, budget))
}

async function work(deps: Deps, job: Job, budget: Budget): Promise<void> {
  switch (job.kind) {
    case "dispatch":
      return dispatchAgain(deps, deps.database(job.applicationId), [job], budget)
    case "ping":
      return workPing(deps, deps.database(job.applicationId), job, budget)
    case "resend":
      return workResend(deps, deps.database(job.applicationId), job, budget)
    case "recover":
      return workRecover(deps, deps.database(job.applicationId), job, budget)
    case "drain":
      for (const db of deps.databases) await drain(deps, db, budget)
      return
    case "process-upload":
      return processUpload(deps, job.uploadId)
    case "catch-up":
      for (const db of deps.databases) {
        if (await catchUp(deps, db, budget)) await enqueue(deps, job)
      }
      return
  }
}

/** The events of some messages, together for each database that holds some; twice the same is once. */
async function dispatchAll(
  deps: Deps,
  messages: readonly Message<Job>[],
  work: typeof dispatch,
  budget: Budget,
): Promise<void> {
  const eventsIn = new Map<Db, Map<string, EventKey>>()
  for (const { body } of messages) {
    if (body.kind !== "dispatch") continue
    const db = deps.database(body.applicationId)
    const events = eventsIn.get(db) ?? new Map<string, EventKey>()
    eventsIn.set(db, events.set(body.eventId, body))
  }
  for (const [db, events] of eventsIn) await work(deps, db, [...events.values()], budget)
}

async function settle(
  deps: Deps,
  messages: readonly Message<Job>[],
  job: () => Promise<void>,
): Promise<void> {
  try {
    await job()
    for (const message of messages) message.ack()
  } catch (error) {
    for (const message of messages) {
      deps.log({ unit: "job", ...message.body, jobAttempts: message.attempts, error: String(error) })
      message.retry({ delaySeconds: RETRY_DELAY_SECONDS })
    }
  }
}
