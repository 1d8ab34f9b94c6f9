import { openDatabase } from "../db/client.ts"
import { type Layout, layOut } from "../db/directory.ts"
import type { Job } from "../engine/jobs/job.ts"
import { type Clock, systemClock } from "./clock.ts"
import { type Config, configOf, type Declared } from "./config.ts"
import { logSink } from "./log.ts"
import type { Sink } from "./observations.ts"

/** Everything that a verb may use of the outside, built once per invocation. */
export interface Deps extends Layout {
  config: Config
  queues: { events: Queue<Job>; retries: Queue<Job>; tasks: Queue<Job> }
  /** Where uploaded files are kept; null on an account without R2. */
  files: R2Bucket | null
  fetch: typeof fetch
  clock: Clock
  random(): number
  /** Tells every sink of something about our own work. */
  observe: Sink
}

/** The only place that touches bindings. Throws a ConfigError when a setting is bad, a family's among them. */
export function createDeps(env: Env, families: readonly Declared[]): Deps {
  const config = configOf(env, families)
  return {
    config,
    ...layOut([openDatabase(env.DB, systemClock, Math.random)]),
    queues: { events: env.EVENTS, retries: env.RETRIES, tasks: env.TASKS },
    files: (env as { FILES?: R2Bucket }).FILES ?? null,
    fetch: (input, init) => fetch(input, init),
    clock: systemClock,
    random: Math.random,
    observe: toAll(sinksOf(config)),
  }
}

/** Who is told of observations; metrics would be one more. */
function sinksOf(config: Config): Sink[] {
  return [logSink(config, systemClock)]
}

function toAll(sinks: readonly Sink[]): Sink {
  return (observation) => {
    for (const sink of sinks) sink(observation)
  }
}
