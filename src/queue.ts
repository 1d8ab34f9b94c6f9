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
 * Works a batch of jobs within one invocation's budget, shard after shard. The ack rule: a verb throws only before its
 * first request has gone out, so a job that threw is ours to retry, and everything else is acknowledged, whatever
 * the receivers said. A job that runs out of retries is logged; its row is found by the sweep.
 */
export async function consume(batch: MessageBatch<Job>, deps: Deps): Promise<void> {
  const budget = new Budget(deps.shards)
  const dispatches = batch.messages.filter((message) => message.body.kind === "dispatch")
  const others = batch.messages.filter((message) => message.body.kind !== "dispatch")
  for (const messages of Map.groupBy(dispatches, ({ body }) => body.shard).values()) {
    const first = messages.filter(({ attempts }) => attempts <= 1)
    // What has come before may have been worked on already: it is claimed.
    const again = messages.filter(({ attempts }) => attempts > 1)
    if (first.length > 0) await settle(deps, first, (db) => dispatch(deps, db, eventsOf(first), budget))
    if (again.length > 0) await settle(deps, again, (db) => dispatchAgain(deps, db, eventsOf(again), budget))
  }
  for (const message of others) await settle(deps, [message], (db) => work(deps, db, message.body, budget))
}

async function work(deps: Deps, db: Db, job: Job, budget: Budget): Promise<void> {
  switch (job.kind) {
    case "dispatch":
      return dispatchAgain(deps, db, [job], budget)
    case "ping":
      return workPing(deps, db, job, budget)
    case "resend":
      return workResend(deps, db, job, budget)
    case "recover":
      return workRecover(deps, db, job, budget)
    case "drain":
      await drain(deps, db, budget)
      return
    case "process-upload":
      return processUpload(deps, job.uploadId)
    case "catch-up":
      if (await catchUp(deps, db, budget)) await enqueue(deps, db, job)
      return
  }
}

/** The events that some messages name; twice the same is once. */
function eventsOf(messages: readonly Message<Job>[]): EventKey[] {
  const events = new Map<string, EventKey>()
  for (const { body } of messages) if (body.kind === "dispatch") events.set(body.eventId, body)
  return [...events.values()]
}

/** The messages are all for one shard. */
async function settle(
  deps: Deps,
  messages: readonly Message<Job>[],
  job: (db: Db) => Promise<void>,
): Promise<void> {
  try {
    await job(shardOfJobs(deps, messages))
    for (const message of messages) message.ack()
  } catch (error) {
    for (const message of messages) {
      deps.log({ unit: "job", ...message.body, jobAttempts: message.attempts, error: String(error) })
      message.retry({ delaySeconds: RETRY_DELAY_SECONDS })
    }
  }
}

function shardOfJobs(deps: Deps, messages: readonly Message<Job>[]): Db {
  const shard = messages[0]?.body.shard
  const db = deps.shards[shard ?? -1]
  if (!db) throw new Error(`there is no shard ${shard}: SHARDS must not be lowered`)
  return db
}
