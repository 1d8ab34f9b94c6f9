import type { Db } from "../../src/db/client.ts"
import { layOut } from "../../src/db/directory.ts"
import type { Deps } from "../../src/platform/deps.ts"
import { consume } from "../../src/queue.ts"
import { batchOf, type Queued, type World } from "./world.ts"

type QueueName = Queued["queue"]

/** What a pass of the retry lane takes in reality: no consumer does more than one thing in a step. */
export const STEP_MS = 100
const MINUTE_MS = 60_000
const BATCH_SIZES: Record<QueueName, number> = { events: 25, retries: 1, tasks: 1 }

/**
 * Consumers that work the queues beside each other, so many of each queue, with the sweep every minute: a batch that
 * waits for receivers keeps its consumer, and nobody else. `most` is what has been seen at worst: statements and attempts
 * of one invocation, rows in one answer of D1's, and drains that waited or were under way at one time.
 */
export function startConsumers(world: World, everyStep: () => void = () => {}, ofEachQueue = 1) {
  const most = { statements: 0, attempts: 0, rows: 0, drains: 0 }
  const busy: Record<QueueName, number> = { events: 0, retries: 0, tasks: 0 }
  let asking = 0
  let sweepAt = world.clock.now()

  async function ask<T>(question: () => Promise<T>): Promise<T> {
    asking++
    try {
      return await question()
    } finally {
      asking--
    }
  }

  /** An invocation has databases of its own, which count what it asks of them. */
  function invocation(): Deps {
    const made = { statements: 0, attempts: 0 }
    function note(what: keyof typeof made, count: number): void {
      made[what] += count
      most[what] = Math.max(most[what], made[what])
    }
    function counting(db: Db): Db {
      let asked = 0
      const counted = <A extends unknown[], T extends object>(question: (...args: A) => Promise<T>) =>
        ((...args: A) =>
          ask(async () => {
            const before = db.asked()
            const waiting = question(...args)
            asked += db.asked() - before
            note("statements", db.asked() - before)
            const answer = await waiting
            most.rows = Math.max(most.rows, Object.values(answer).flat().length)
            return answer
          })) as typeof question
      return {
        ...db,
        read: counted(db.read),
        readAll: counted(db.readAll) as Db["readAll"],
        batch: counted(db.batch) as Db["batch"],
        asked: () => asked,
      }
    }
    return {
      ...world.deps,
      ...layOut(world.deps.shards.map(counting)),
      fetch(input, init) {
        note("attempts", 1)
        return world.receivers.fetch(input, init)
      },
    }
  }

  function startBatch(queue: QueueName): void {
    const now = world.clock.now()
    const due = world.queued.filter((entry) => entry.queue === queue && entry.at <= now)
    const batch = due.sort((a, b) => a.at - b.at).slice(0, BATCH_SIZES[queue])
    if (batch.length === 0) return
    const taken = new Set(batch)
    const left = world.queued.filter((entry) => !taken.has(entry))
    world.queued.length = 0
    for (const entry of left) world.queued.push(entry)
    busy[queue]++
    void consume(batchOf(batch), invocation()).finally(() => busy[queue]--)
  }

  /** Until all who work wait for a receiver, or for time to pass. */
  async function quiet(): Promise<void> {
    for (let ticks = 0; ticks < 3; ticks++) {
      await new Promise((passed) => setTimeout(passed, 0))
      if (asking > 0) ticks = 0
    }
  }

  async function step(): Promise<void> {
    everyStep()
    if (world.clock.now() >= sweepAt) {
      sweepAt += MINUTE_MS
      await world.sweep()
    }
    for (const queue of ["events", "retries", "tasks"] as const) {
      for (let free = ofEachQueue - busy[queue]; free > 0; free--) startBatch(queue)
    }
    const now = world.clock.now()
    const waiting = world.queued.filter(({ job, at }) => job.kind === "drain" && at <= now).length
    most.drains = Math.max(most.drains, waiting + busy.retries)
    await quiet()
    world.clock.advance(STEP_MS)
    await quiet()
  }

  async function pass(ms: number): Promise<void> {
    for (const until = world.clock.now() + ms; world.clock.now() < until; ) await step()
  }

  return { most, pass }
}
