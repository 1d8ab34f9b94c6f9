import { sweepJobs } from "./cron.ts"
import type { Db } from "./db/client.ts"
import type { Job, JobKinds } from "./engine/jobs/job.ts"
import { type Budget, budgetOf } from "./engine/pipeline/budget.ts"
import { ENGINE_JOBS } from "./engine/pipeline/kinds.ts"
import { families as all } from "./families.ts"
import type { Family } from "./http/family.ts"
import type { Deps } from "./platform/deps.ts"

const RETRY_DELAY_SECONDS = 5

/**
 * Works a batch of jobs within one invocation's budget, shard after shard. The ack rule: a verb throws
 * only before its first request has gone out, so a job that threw is ours to retry, and everything
 * else is acknowledged, whatever the receivers said. A job that runs out of retries is logged; its row
 * is found by the sweep.
 */
export async function consume(
  batch: MessageBatch<Job>,
  deps: Deps,
  families: readonly Family[] = all,
): Promise<void> {
  const budget = budgetOf(deps)
  const kinds: JobKinds = Object.assign(
    { sweep: sweepJobs(families) },
    ENGINE_JOBS,
    ...families.map(({ jobs }) => jobs),
  )
  for (const messages of sharesOf(batch.messages, kinds)) {
    await settle(deps, messages, (db) => work(deps, db, messages, kinds, budget))
  }
}

/**
 * The messages of each kind that is worked together, by shard, and those that have come before
 * apart; then each other.
 */
function sharesOf(messages: readonly Message<Job>[], kinds: JobKinds): (readonly Message<Job>[])[] {
  const isTogether = ({ body }: Message<Job>) => "workTogether" in (kinds[body.kind] ?? {})
  const together = Map.groupBy(messages.filter(isTogether), (message) =>
    [message.body.shard, isAgain(message), message.body.kind].join(" "),
  )
  const alone = messages.filter((message) => !isTogether(message)).map((message) => [message])
  return [...together.values(), ...alone]
}

function isAgain({ attempts }: Message<Job>): boolean {
  return attempts > 1
}

/**
 * A kind that nobody works may be of a release that has not reached this isolate yet: the
 * queue brings it again.
 */
async function work(
  deps: Deps,
  db: Db,
  messages: readonly Message<Job>[],
  kinds: JobKinds,
  budget: Budget,
): Promise<void> {
  const [first] = messages
  if (!first) return
  const kind = kinds[first.body.kind]
  if (!kind) throw new Error(`Nobody works jobs of the kind ${first.body.kind}`)
  if ("work" in kind) return kind.work(deps, db, first.body, budget)
  const jobs = messages.map(({ body }) => body)
  return kind.workTogether(deps, db, jobs, budget, isAgain(first))
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
    const jobs = messages.map(({ body, attempts }) => ({ ...body, jobAttempts: attempts }))
    deps.observe({ unit: "job", jobs, error: String(error) })
    for (const message of messages) message.retry({ delaySeconds: RETRY_DELAY_SECONDS })
  }
}

function shardOfJobs(deps: Deps, messages: readonly Message<Job>[]): Db {
  const shard = messages[0]?.body.shard
  const db = deps.shards[shard ?? -1]
  if (!db) throw new Error(`there is no shard ${shard}: SHARDS must not be lowered`)
  return db
}
