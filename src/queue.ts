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
  if (dispatches.length > 0) await settle(deps, dispatches, () => dispatchAll(deps, dispatches, budget))
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

/**
 * The events of a batch, together for each database that holds some. Those of messages that have come before may have
 * been worked on already: they are claimed.
 */
async function dispatchAll(deps: Deps, messages: readonly Message<Job>[], budget: Budget): Promise<void> {
  const ways = [
    { work: dispatch, messages: messages.filter(({ attempts }) => attempts <= 1) },
    { work: dispatchAgain, messages: messages.filter(({ attempts }) => attempts > 1) },
  ]
  for (const { work, messages } of ways) {
    const eventsIn = new Map<Db, EventKey[]>()
    for (const { body } of messages) {
      if (body.kind !== "dispatch") continue
      const db = deps.database(body.applicationId)
      eventsIn.set(db, [...(eventsIn.get(db) ?? []), body])
    }
    for (const [db, events] of eventsIn) await work(deps, db, events, budget)
  }
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
