import { createWorld, type World } from "../support/world.ts"
import { count, type Doors, figuresOf, type Measured } from "./measure.ts"
import { copyEvents, isCounting, newestEvent } from "./stored.ts"

/** A case: what is there before, what is counted, and how many events that is. */
interface Case {
  name: string
  events: number
  /** Makes what the case needs and publishes one event of its kind; answers the event's id, if it has any. */
  prepare(world: World, doors: Doors): Promise<{ run: (doors: Doors) => Promise<void>; example?: string }>
}

/** When each case begins: an instance has warmed up by then, and the sweep has counted the hour before. */
const MINUTES_PAST_THE_HOUR = 10
const HOUR_MS = 3600_000
const RETENTION_MS = 7 * 24 * 3600_000
const MINUTE_MS = 60_000

export type Named = Measured & { name: string }

/** Counts every case, with `stored` delivered events in the database, as many of each case's own application. */
export async function measureAll(stored = 0): Promise<Named[]> {
  const world = await createWorld()
  const prepared: { one: Case; run: (doors: Doors) => Promise<void> }[] = []
  const examples: string[] = []
  for (const one of CASES) {
    await count(world, async (doors) => {
      const { run, example } = await one.prepare(world, doors)
      prepared.push({ one, run })
      if (example) examples.push(example)
    })
  }
  const copies = await copyEvents(world, examples, stored)

  const counted: { one: Case; at: number; counts: Awaited<ReturnType<typeof count>> }[] = []
  for (const { one, run } of prepared) {
    await count(world, hourBegins(world))
    const at = world.clock.now()
    counted.push({ one, at, counts: await count(world, run) })
  }

  await copies.remove()
  const measured: Named[] = []
  for (const { one, at, counts } of counted) {
    const deleted = await rowsOfRetention(world, at)
    measured.push({ name: one.name, ...figuresOf(counts, deleted, one.events) })
  }
  return measured
}

/** Moves on to the next hour, in which the sweep counts all that was attempted before, in as many rounds as that takes. */
function hourBegins(world: World): (doors: Doors) => Promise<void> {
  return async (doors) => {
    world.clock.advance(HOUR_MS - (world.clock.now() % HOUR_MS) + MINUTES_PAST_THE_HOUR * MINUTE_MS)
    do await doors.cron()
    while (await isCounting(world))
  }
}

/** What the sweep writes to delete the events made at `at` (epoch ms), beyond what it always writes. */
async function rowsOfRetention(world: World, at: number): Promise<number> {
  const cron = (doors: Doors) => doors.cron()
  // First what is older, then the case's own, then nothing.
  world.clock.advance(at + RETENTION_MS - MINUTE_MS - world.clock.now())
  await count(world, cron)
  world.clock.advance(2 * MINUTE_MS)
  const deleting = await count(world, cron)
  const idle = await count(world, cron)
  return deleting.rowsWritten - idle.rowsWritten
}

/**
 * `count` messages at once to an application with so many endpoints that take everything; under a key each, as the SDKs
 * send them, where they are `keyed`.
 */
function messages(options: { endpoints: number; count?: number; keyed?: boolean }): Case["prepare"] {
  return async (world, doors) => {
    const { id } = await doors.post("/api/v1/app", { name: "cost" })
    for (let n = 0; n < options.endpoints; n++) {
      await doors.post(`/api/v1/app/${id}/endpoint`, { url: `https://${n}.example.com/${id}` })
    }
    await publish(doors, id)
    const example = await newestEvent(world)
    await doors.queues()
    return {
      example,
      async run(doors) {
        for (let n = 0; n < (options.count ?? 1); n++)
          await publish(doors, id, options.keyed ? `key-${n}` : undefined)
        await doors.queues()
      },
    }
  }
}

/** The first retry follows in seconds, the second one is found by the sweep after five minutes. */
const failingMessage: Case["prepare"] = async (world, doors) => {
  const { id } = await doors.post("/api/v1/app", { name: "cost" })
  const url = `https://flaky.example.com/${id}`
  await doors.post(`/api/v1/app/${id}/endpoint`, { url })
  await publish(doors, id)
  const example = await newestEvent(world)
  await doors.queues()
  return {
    example,
    async run(doors) {
      world.receivers.at(url, 500, 500, 200)
      await publish(doors, id)
      await doors.queues()
      world.clock.advance(6_000)
      await doors.queues()
      world.clock.advance(5.6 * MINUTE_MS)
      await doors.cron()
      await doors.queues()
    },
  }
}

const user: Case["prepare"] = async (world, doors) => {
  await doors.post("/webhook", { event: "user_registered", url: "https://users.example.com/hook" })
  await doors.post("/users", { username: "cost-first" })
  const example = await newestEvent(world)
  await doors.queues()
  return {
    example,
    async run(doors) {
      await doors.post("/users", { username: "cost-second" })
      await doors.queues()
    },
  }
}

const idle: Case["prepare"] = async (_world, doors) => {
  await doors.cron()
  return { run: (doors) => doors.cron() }
}

const CASES: Case[] = [
  { name: "message-0", events: 1, prepare: messages({ endpoints: 0 }) },
  { name: "message-1", events: 1, prepare: messages({ endpoints: 1 }) },
  { name: "message-1-keyed", events: 1, prepare: messages({ endpoints: 1, keyed: true }) },
  { name: "message-4", events: 1, prepare: messages({ endpoints: 4 }) },
  { name: "message-1-batch25", events: 25, prepare: messages({ endpoints: 1, count: 25 }) },
  { name: "message-1-two-failures", events: 1, prepare: failingMessage },
  { name: "user-1", events: 1, prepare: user },
  { name: "idle-minute", events: 1, prepare: idle },
]

async function publish(doors: Doors, application: string, key?: string): Promise<void> {
  const path = `/api/v1/app/${application}/msg`
  await doors.post(path, { eventType: "cost.measured", payload: { text: "x".repeat(200) } }, key)
}
