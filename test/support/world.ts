import { env } from "cloudflare:workers"

import { createApp } from "../../src/app.ts"
import { type Batch, type Db, openDatabase } from "../../src/db/client.ts"
import { layOut } from "../../src/db/directory.ts"
import type { Job } from "../../src/engine/jobs/job.ts"
import { budgetOf } from "../../src/engine/pipeline/budget.ts"
import { sweep, sweepShard } from "../../src/engine/upkeep/sweep.ts"
import { families } from "../../src/families.ts"
import { parseConfig } from "../../src/platform/config.ts"
import { activitiesOf, type Deps, wireOf, withOwnReceivers } from "../../src/platform/deps.ts"
import { jsonLine } from "../../src/platform/log.ts"
import type { Observation } from "../../src/platform/observations.ts"
import { consume } from "../../src/queue.ts"
import { manualClock } from "./clock.ts"
import { createProbe, probed } from "./probe.ts"
import { createReceivers, type Received } from "./receiver.ts"
import { customersDB, shards } from "./shards.ts"
import { emptyDatabase, everything } from "./tables.ts"

export const ORIGIN = "http://127.0.0.1:8787"

/** Of the event loop: what has just come from D1 may lead to the next question only some turns later. */
const QUIET_TURNS = 5

export interface Queued {
  queue: "events" | "retries" | "tasks"
  job: Job
  at: number
}

/** Open mode as its own door would leave it to the Worker: no request has to prove that it came through. */
export function openConfig(settings: Record<string, string> = {}) {
  const local = { AUTH_MODE: "open", OPEN_SECRET: "o".repeat(32), ALLOW_PRIVATE_TARGETS: "true" }
  return { ...parseConfig({ ...local, ...settings }, families), openSecret: null }
}

/** A line of the log, read again. */
export type LogLine = Record<string, unknown>

/**
 * The whole system in one hand: real D1, a clock that tests move, queues that tests run, receivers that tests
 * script. Every test makes its own; `reset` empties what it shares with others.
 */
export async function createWorld(settings: Record<string, string> = {}) {
  for (const d1 of shards) await emptyDatabase(d1)
  const clock = manualClock()
  const receivers = createReceivers(clock)
  const queued: Queued[] = []
  const observed: Observation[] = []
  const logged: LogLine[] = []
  const probe = createProbe()
  const world = { queueRefuses: false }
  /** What goes on behind invocations. */
  const background = new Set<Promise<unknown>>()

  function queue(name: Queued["queue"]): Queue<Job> {
    return {
      async send(job: Job, options?: QueueSendOptions) {
        if (world.queueRefuses) throw new Error("Queue is over its quota")
        queued.push({ queue: name, job, at: clock.now() + (options?.delaySeconds ?? 0) * 1000 })
      },
      metrics: async () => ({ backlogCount: queued.length, backlogBytes: 0 }),
    } as unknown as Queue<Job>
  }

  const config = openConfig(settings)
  const databases = shards.map((d1, shard) => openDatabase(probed(d1, probe), clock, () => 0, shard))
  const [db] = databases
  if (!db) throw new Error("there is no database")
  const bare: Deps = {
    config,
    ...layOut(databases),
    queues: { events: queue("events"), retries: queue("retries"), tasks: queue("tasks") },
    files: env.FILES,
    fetch: receivers.fetch,
    waitUntil(work) {
      const done = work.finally(() => background.delete(done))
      background.add(done)
    },
    clock,
    random: () => 0,
    observe(observation) {
      observed.push(observation)
      logged.push(JSON.parse(jsonLine(observation, clock.now())))
    },
    wire: wireOf(families),
    activities: activitiesOf(families),
  }
  const deps = withOwnReceivers(bare, families)
  // Each request has to find out anew where an application lives.
  const app = createApp(() => ({ ...deps, ...layOut(deps.shards) }))

  /** Takes the jobs that are due off the queues. */
  function takeDue(): Queued[] {
    const due = queued.filter((entry) => entry.at <= clock.now())
    for (const entry of due) queued.splice(queued.indexOf(entry), 1)
    return due
  }

  /** Until nothing goes on behind any invocation. */
  async function settled(): Promise<void> {
    while (background.size > 0) await Promise.all(background)
  }

  /** Until whoever works waits for a receiver, or for time to pass, and for nothing of D1's. */
  async function quiet(): Promise<void> {
    for (let turns = 0; turns < QUIET_TURNS; turns++) {
      await new Promise((passed) => setTimeout(passed, 0))
      if (probe.underWay > 0) turns = 0
    }
  }

  /** A batch, and what goes on behind it, which may leave something behind in turn. */
  async function runToTheEnd(entries: readonly Queued[], inProcess = deps): Promise<void> {
    const behind: Promise<unknown>[] = []
    await consume(batchOf(entries), { ...inProcess, waitUntil: (work) => behind.push(work) })
    while (behind.length > 0) await Promise.all(behind.splice(0))
  }

  /** Runs what is due, each job a batch of its own unless `together`; answers how many jobs ran. */
  async function runDue(together = false, inProcess = deps): Promise<number> {
    let ran = 0
    for (let due = takeDue(); due.length > 0; due = takeDue()) {
      ran += due.length
      if (together) await runToTheEnd(due, inProcess)
      else for (const entry of due) await runToTheEnd([entry], inProcess)
    }
    return ran
  }

  /**
   * Runs what is due in one batch, in a process that dies for good when the fatal request reaches its receiver.
   * Resolves at its death, or when all is done.
   */
  async function runUntilDeath(isFatal: (request: Received) => boolean): Promise<void> {
    let dead = false
    const unlessDead = <T>(promise: Promise<T>): Promise<T> =>
      dead ? new Promise(() => {}) : promise.then((value) => (dead ? new Promise<never>(() => {}) : value))
    const mortals = databases.map(
      (one): Db => ({
        ...one,
        read: (statement) => unlessDead(one.read(statement)),
        batch: ((statements: Batch) => unlessDead(one.batch(statements))) as Db["batch"],
      }),
    )
    await new Promise<void>((resolve, reject) => {
      const mortal: Deps = {
        ...deps,
        ...layOut(mortals),
        clock: { ...clock, after: (ms, callback) => clock.after(ms, () => dead || callback()) },
        fetch: async (input, init) => {
          const response = await unlessDead(receivers.fetch(input, init))
          const last = receivers.received.at(-1)
          if (last && isFatal(last)) {
            dead = true
            resolve()
            return new Promise(() => {})
          }
          return response
        },
      }
      runDue(true, mortal).then(() => resolve(), reject)
    })
  }

  /** Runs everything until the queues are empty, moving the clock to each delayed job, and the sweep on. */
  async function runAll(forMs = 0): Promise<void> {
    const until = clock.now() + forMs
    for (;;) {
      await runDue()
      const next = Math.min(...queued.map((entry) => entry.at))
      if (next <= until) clock.advance(next - clock.now())
      else break
    }
    if (clock.now() < until) clock.advance(until - clock.now())
  }

  /** The cron, and the jobs by which it sweeps further shards. */
  async function sweepAll(): Promise<void> {
    if (world.queueRefuses) {
      // They take turns, a minute each.
      for (const db of deps.shards) await sweepShard(deps, db, budgetOf(deps))
      return
    }
    await sweep(deps)
    const sweeps = queued.filter(({ job }) => job.kind === "sweep")
    for (const entry of sweeps) queued.splice(queued.indexOf(entry), 1)
    for (const entry of sweeps) await consume(batchOf([entry]), deps)
  }

  /** Lets time pass as in production: the queues run, and the cron fires every minute. */
  async function runAllWithSweeps(forMs: number): Promise<void> {
    const until = clock.now() + forMs
    while (clock.now() < until) {
      await runAll(Math.min(60_000, until - clock.now()))
      await sweepAll()
    }
    await runDue()
  }

  return Object.assign(world, {
    clock,
    config,
    db,
    deps,
    app,
    env,
    customersDB,
    receivers,
    queued,
    observed,
    /** The lines of the log, as a deployment writes them. */
    logged,
    probe,
    /** Runs these jobs as one batch, and what goes on behind it. */
    run: (entries: readonly Queued[]) => runToTheEnd(entries),
    settled,
    quiet,
    runDue,
    runUntilDeath,
    runAll,
    runAllWithSweeps,
    sweep: sweepAll,
    /** Every row of every table but these, as text. */
    everything: async (...except: string[]) =>
      JSON.stringify(
        (await Promise.all(shards.map((d1) => everything(d1, except)))).flatMap((text) => JSON.parse(text)),
      ),
    /** From now on the consumer works while a request waits for its results, as a ping does. */
    pingsWork(): void {
      clock.whileAsleep = async (ms) => {
        clock.advance(ms)
        await runDue()
      }
    },
    /** The cron fires a little later: the jobs of what was just published have had their time. */
    cron(): Promise<void> {
      clock.advance(2_001)
      return sweepAll()
    },
    /** A request through the door that users use. */
    fetch(path: string, init: RequestInit & { json?: unknown } = {}): Promise<Response> {
      const { json, ...rest } = init
      const request =
        json === undefined
          ? rest
          : {
              method: "POST",
              ...rest,
              body: JSON.stringify(json),
              headers: { "content-type": "application/json", ...(rest.headers as Record<string, string>) },
            }
      return Promise.resolve(app.request(new URL(path, ORIGIN).href, request, env))
    },
  })
}

export type World = Awaited<ReturnType<typeof createWorld>>

/** A batch as the queue hands it over for the `attempts`-th time; `settled` tells what became of each message. */
export function batchOf(
  entries: readonly Queued[],
  attempts = 1,
): MessageBatch<Job> & { settled: ("ack" | "retry")[] } {
  const settled: ("ack" | "retry")[] = []
  const messages = entries.map(({ job }, index) => ({
    id: String(index),
    timestamp: new Date(),
    body: job,
    attempts,
    ack: () => (settled[index] = "ack"),
    retry: () => (settled[index] = "retry"),
  }))
  const queue = entries[0]?.queue ?? "events"
  return { queue, messages, settled, ackAll() {}, retryAll() {} } as unknown as ReturnType<typeof batchOf>
}
