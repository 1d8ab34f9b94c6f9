import { runCron } from "../../src/cron.ts"
import type { StatementCost } from "../support/probe.ts"
import type { Queued, World } from "../support/world.ts"
import { dollarsFromDecember, dollarsPerMillion } from "./prices.ts"

/** What one case costs, for each of its events; of `idle-minute`, for the minute. */
export interface Figures {
  /**
   * Rows that D1 wrote from the request to the last delivery, each index counted, as `meta.rows_written` has it.
   * The row of a family's own (a user, say) is left out, so that every case tells what the engine costs.
   */
  rowsWritten: number
  /** Rows that D1 looked at on the way, as `meta.rows_read` has it. */
  rowsRead: number
  /** Rows that the sweep writes to delete it all at the end of its retention, beyond those of an idle sweep. */
  rowsDeletedLater: number
  /** Round trips to D1: a batch is one, and so is a single read. */
  transactions: number
  /** Statements in them; the Free plan may count each as a query, of which an invocation has 50. */
  statements: number
  /** Three for each job: written, read and deleted, as Cloudflare bills them. */
  queueOperations: number
  /** Requests to us, batches of a queue and runs of the cron. */
  invocations: number
  /** Requests to receivers; D1 and the queues are counted above. */
  subrequests: number
  /** Lines that we print; Workers Logs would add an entry for each invocation, which wrangler.toml turns off. */
  logLines: number
  /** Dollars for a million, logs included, retention not (prices.ts). */
  dollarsPerMillion: number
}

export interface Measured {
  figures: Figures
  /** What one costs in dollars per million from 2026-12-01 on. */
  dollarsFromDecember: number
  logBytes: number
  /** Each round trip in order, with what did it. */
  trips: Trip[]
}

export interface Trip {
  by: string
  statements: StatementCost[]
}

/** What a case may do: everything through the doors that Cloudflare uses, each time one invocation. */
export interface Doors {
  /** POSTs JSON as a client does, under an Idempotency-Key if one is given; throws unless it is accepted. */
  post(path: string, json: unknown, key?: string): Promise<{ id: string }>
  /** Works what is due on the queues, in batches as wrangler.toml has them, until nothing is left. */
  queues(): Promise<void>
  /** The cron's minute. */
  cron(): Promise<void>
}

const OPERATIONS_PER_JOB = 3
/** `max_batch_size` in wrangler.toml. */
const BATCH_SIZES = { events: 25, retries: 1, tasks: 1 }
/** Tables that hold what a family is about, whatever becomes of its events. */
const FAMILY_TABLES = /^\s*(INSERT INTO|UPDATE|DELETE FROM) (users|messages|invoices|uploads)\b/i

type Counts = Omit<Figures, "rowsDeletedLater" | "dollarsPerMillion"> & { logBytes: number; trips: Trip[] }

/** Runs a case and counts what it takes, exactly. */
export async function count(world: World, run: (doors: Doors) => Promise<void>): Promise<Counts> {
  const trips: Trip[] = []
  let by = ""
  let invocations = 0
  let jobs = 0
  const firstLine = world.logged.length
  const firstRequest = world.receivers.received.length

  async function invoke<T>(name: string, work: () => Promise<T>): Promise<T> {
    by = name
    invocations++
    return work()
  }
  world.probe.onTrip = (statements) => trips.push({ by, statements })
  try {
    await run({
      post: (path, json, key) => invoke(`POST ${path}`, () => post(world, path, json, key)),
      async queues() {
        for (let batch = takeBatch(world); batch.length > 0; batch = takeBatch(world)) {
          jobs += batch.length
          const entries = batch
          await invoke(`${entries[0]?.queue} × ${entries.length}`, () => world.run(entries))
        }
      },
      cron: () => invoke("cron", () => runCron(world.deps)),
    })
  } finally {
    world.probe.onTrip = null
  }
  if (world.queued.length > 0) throw new Error("The case has left jobs behind that it did not count")

  const statements = trips.flatMap((trip) => trip.statements)
  const lines = world.logged.slice(firstLine)
  return {
    rowsWritten: sum(statements, ({ sql, rowsWritten }) => (FAMILY_TABLES.test(sql) ? 0 : rowsWritten)),
    rowsRead: sum(statements, ({ rowsRead }) => rowsRead),
    transactions: trips.length,
    statements: statements.length,
    queueOperations: OPERATIONS_PER_JOB * jobs,
    invocations,
    subrequests: world.receivers.received.length - firstRequest,
    logLines: lines.length,
    logBytes: sum(lines, (line) => JSON.stringify(line).length),
    trips,
  }
}

/** The figures of a case of `events` events, whose retention writes `deleted` rows. */
export function figuresOf(counts: Counts, deleted: number, events: number): Measured {
  const { trips, logBytes, ...totals } = counts
  const perEvent = { ...totals, rowsDeletedLater: deleted }
  for (const name of Object.keys(perEvent) as (keyof typeof perEvent)[]) perEvent[name] /= events
  return {
    figures: { ...perEvent, dollarsPerMillion: dollarsPerMillion(perEvent) },
    dollarsFromDecember: dollarsFromDecember(perEvent, logBytes / events),
    logBytes: logBytes / events,
    trips,
  }
}

async function post(world: World, path: string, json: unknown, key?: string): Promise<{ id: string }> {
  const headers: Record<string, string> = key === undefined ? {} : { "idempotency-key": key }
  const answer = await world.fetch(path, { json, headers })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${text}`)
  return JSON.parse(text)
}

/** The next batch of one queue among the jobs that are due. */
function takeBatch({ queued, clock }: World): Queued[] {
  const due = queued.filter((entry) => entry.at <= clock.now())
  const queue = due[0]?.queue
  const batch = due.filter((entry) => entry.queue === queue).slice(0, queue && BATCH_SIZES[queue])
  for (const entry of batch) queued.splice(queued.indexOf(entry), 1)
  return batch
}

function sum<Item>(items: readonly Item[], value: (item: Item) => number): number {
  return items.reduce((total, item) => total + value(item), 0)
}
