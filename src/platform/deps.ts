import { waitUntil } from "cloudflare:workers"
import { type Db, openDatabase } from "../db/client.ts"
import { type Layout, layOut } from "../db/directory.ts"
import type { Job } from "../engine/jobs/job.ts"
import type { ActivitySource } from "./activity.ts"
import { type Clock, systemClock } from "./clock.ts"
import { type Config, ConfigError, configOf, type Declared } from "./config.ts"
import { logSink } from "./log.ts"
import type { Sink } from "./observations.ts"
import type { Wire } from "./wire.ts"

/** Everything that a verb may use of the outside, built once per invocation. */
export interface Deps extends Layout {
  config: Config
  queues: { events: Queue<Job>; retries: Queue<Job>; tasks: Queue<Job> }
  /** Where uploaded files are kept; null on an account without R2. */
  files: R2Bucket | null
  fetch: typeof fetch
  /**
   * Lets work go on when the invocation has answered: 30 s at most, and gone without a
   * word if the process dies.
   */
  waitUntil(work: Promise<unknown>): void
  clock: Clock
  random(): number
  /** Hands an observation of our own work to every sink. */
  observe: Sink
  /** In which words the engine speaks to customers in its own name. */
  wire: Wire
  /** What happens in families beside events and their attempts. */
  activities: readonly ActivitySource[]
}

/**
 * What a family may declare for its dependencies: settings, receivers within this Worker, the engine's words.
 */
export interface Contributor extends Declared {
  wire?: Wire
  activity?: ActivitySource
  receives?(deps: Deps, url: string, request: () => Request): Promise<Response | null>
}

/**
 * The only place that touches bindings. Throws a ConfigError when a setting is bad, a family's among them.
 */
export function createDeps(env: Env, families: readonly Contributor[]): Deps {
  const config = configOf(env, families)
  const deps: Deps = {
    config,
    ...layOut(openShards(env, config.shards)),
    queues: { events: env.EVENTS, retries: env.RETRIES, tasks: env.TASKS },
    files: (env as { FILES?: R2Bucket }).FILES ?? null,
    fetch: (input, init) => fetch(input, init),
    waitUntil,
    clock: systemClock,
    random: Math.random,
    observe: toAll(sinksOf(config)),
    wire: wireOf(families),
    activities: activitiesOf(families),
  }
  return withOwnReceivers(deps, families)
}

/** The activities of all families. */
export function activitiesOf(families: readonly Contributor[]): ActivitySource[] {
  return families.flatMap(({ activity }) => activity ?? [])
}

/** The words in which the engine speaks to customers: one family declares them. */
export function wireOf(families: readonly Contributor[]): Wire {
  const wire = families.find((family) => family.wire)?.wire
  if (!wire) throw new Error("No family declares the wire of what the engine says in its own name")
  return wire
}

/** The same, but what is sent to a receiver that a family has in this Worker is handed over in process. */
export function withOwnReceivers(deps: Deps, families: readonly Contributor[]): Deps {
  const within: typeof fetch = async (input, init) => {
    const url = input instanceof Request ? input.url : String(input)
    for (const { receives } of families) {
      const response = await receives?.(deps, url, () => new Request(input, init))
      if (response) return response
    }
    return deps.fetch(input, init)
  }
  return { ...deps, fetch: within }
}

/** What receives observations; metrics would be one more. */
function sinksOf(config: Config): Sink[] {
  return [logSink(config, systemClock)]
}

function toAll(sinks: readonly Sink[]): Sink {
  return (observation) => {
    for (const sink of sinks) sink(observation)
  }
}

/** The databases of the bindings `DB`, `DB_1`, `DB_2`… as far as SHARDS says. */
function openShards(env: Env, count: number): Db[] {
  const bindings = env as unknown as Readonly<Record<string, D1Database | undefined>>
  return Array.from({ length: count }, (_, shard) => {
    const name = bindingOf(shard)
    const d1 = bindings[name]
    if (!d1) throw new ConfigError(`The setting SHARDS: is ${count}, but no D1 database is bound as ${name}`)
    return openDatabase(d1, systemClock, Math.random, shard)
  })
}

function bindingOf(shard: number): string {
  return shard === 0 ? "DB" : `DB_${shard}`
}
