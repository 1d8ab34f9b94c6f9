import { expect, it } from "vitest"

import { runCron } from "../../src/cron.ts"
import { startPing } from "../../src/engine/pings/ping.ts"
import { STATEMENTS_PER_INVOCATION } from "../../src/engine/pipeline/budget.ts"
import { consume } from "../../src/queue.ts"
import { makeDue, makeEndpoints, registerUser } from "../support/make.ts"
import { batchOf, createWorld, type Queued, type World } from "../support/world.ts"

// The Free plan allows one invocation 50 subrequests, and 50 queries to D1, of which each statement may be one.

const SUBREQUESTS_PER_INVOCATION = 50
const BATCH = 25
const DAY_MS = 24 * 3_600_000
const LEASE_MS = 61_000

/** A world that counts each invocation, with what goes on behind it. */
async function countingWorld() {
  const world = await createWorld()
  const most = { statements: 0, subrequests: 0 }
  async function invoke<T>(work: () => Promise<T>): Promise<T> {
    const statements = world.db.asked()
    const subrequests = world.receivers.received.length
    const result = await work()
    await world.settled()
    most.statements = Math.max(most.statements, world.db.asked() - statements)
    most.subrequests = Math.max(most.subrequests, world.receivers.received.length - subrequests)
    return result
  }
  return {
    world,
    most,
    run: (entries: readonly Queued[], attempts = 1) =>
      invoke(() => consume(batchOf(entries, attempts), world.deps)),
    cron: () => invoke(() => runCron(world.deps)),
    /** Works the queues until they are empty, in batches as large as they come. */
    async runAll() {
      for (;;) {
        const first = world.queued[0]
        if (!first) return
        world.clock.advance(Math.max(0, first.at - world.clock.now()))
        const size = first.queue === "events" ? BATCH : 1
        const entries = world.queued.filter(({ queue }) => queue === first.queue).slice(0, size)
        for (const entry of entries) world.queued.splice(world.queued.indexOf(entry), 1)
        await invoke(() => consume(batchOf(entries), world.deps))
      }
    },
  }
}

function expectWithinBudget(most: { statements: number; subrequests: number }): void {
  expect(most.statements).toBeLessThanOrEqual(STATEMENTS_PER_INVOCATION)
  expect(most.subrequests).toBeLessThanOrEqual(SUBREQUESTS_PER_INVOCATION)
}

const count = (world: World, from: string) =>
  world.env.DB.prepare(`SELECT count(*) AS n FROM ${from}`).first<number>("n")

async function publish(world: World, events: number): Promise<void> {
  for (let n = 0; n < events; n++) await registerUser(world, `user${n}`)
}

it("holds for a full batch of events, whatever the receivers answer", async () => {
  const { world, most, run } = await countingWorld()
  await makeEndpoints(world, 12)
  for (const [n, answer] of [500, 410, 429, new Error("no route")].entries())
    world.receivers.at(`http://r${n}.example/`, answer)
  await publish(world, BATCH)
  await run(world.queued.splice(0))
  expectWithinBudget(most)
  expect(await count(world, "events WHERE dispatched_at IS NULL")).toBe(0)
})

it("holds for a full batch of large events, and each is delivered to everybody in the end", async () => {
  const { world, most, runAll } = await countingWorld()
  await makeEndpoints(world, 30)
  await publish(world, BATCH)
  await runAll()
  expectWithinBudget(most)
  expect(await count(world, "deliveries WHERE status = 'delivered'")).toBe(30 * BATCH)
})

it("holds for a batch of suspects, which are handled one by one", async () => {
  const { world, most, run, runAll } = await countingWorld()
  await makeEndpoints(world, 2)
  await publish(world, BATCH)
  await world.env.DB.prepare("UPDATE events SET claims = 5, leased_until = 1").run()
  await run(world.queued.splice(0), 2)
  expectWithinBudget(most)
  for (let minute = 0; minute < 10; minute++) {
    world.clock.advance(LEASE_MS)
    await world.cron()
    await runAll()
  }
  expectWithinBudget(most)
  expect(await count(world, "deliveries WHERE status = 'delivered'")).toBe(2 * BATCH)
})

it.each([0, 9])(
  "holds for a full pass of the retry lane, of endpoints claimed %i times before",
  async (claims) => {
    const { world, most, run, runAll } = await countingWorld()
    const endpoints = await makeEndpoints(world, 36)
    await makeDue(world, 3, endpoints)
    const { DB } = world.env
    await DB.prepare("UPDATE endpoints SET claims = ?").bind(claims).run()
    await DB.prepare("UPDATE endpoints SET removed_at = 1 WHERE id IN (SELECT min(id) FROM endpoints)").run()
    await DB.prepare(
      "UPDATE endpoints SET disabled_at = 1, disabled_reason = 'gone' WHERE id IN (SELECT max(id) FROM endpoints)",
    ).run()
    await run([{ queue: "retries", job: { kind: "drain", shard: 0 }, at: 0 }])
    expectWithinBudget(most)
    for (let minute = 0; minute < 25; minute++) {
      world.clock.advance(1000)
      await world.cron()
      await runAll()
    }
    expectWithinBudget(most)
    expect(await count(world, "deliveries WHERE status = 'pending'")).toBe(0)
    expect(await count(world, "deliveries WHERE status = 'delivered'")).toBe(34 * 3)
  },
)

it("holds for resends that come in one batch, whatever the receivers answer", async () => {
  const { world, most, run, runAll } = await countingWorld()
  const endpoints = await makeEndpoints(world, 12)
  await makeDue(world, 1, endpoints)
  const { DB } = world.env
  // Each of them has failed so often that its delivery is told of, and each farewell is the second one.
  await DB.batch([
    DB.prepare("UPDATE deliveries SET attempts = 9, resend_requested_at = 1"),
    DB.prepare("UPDATE endpoints SET failing_since = 1, gone_at = 1, proven_at = 1, due_at = NULL"),
  ])
  for (const [n, answer] of [500, 410, 410, 429, new Error("no route")].entries())
    world.receivers.at(`http://r${n}.example/`, answer)
  await run(
    endpoints.map(() => ({
      queue: "tasks",
      job: { kind: "resend", applicationId: "app_users", shard: 0 },
      at: 0,
    })),
  )
  await runAll()
  expectWithinBudget(most)
  expect(await count(world, "deliveries WHERE resend_requested_at IS NOT NULL")).toBe(0)
  expect(world.receivers.received.length).toBeGreaterThanOrEqual(12)
  expect(await count(world, "endpoints WHERE disabled_reason = 'gone'")).toBe(2)
})

/** Something for each part of the sweep to do. */
async function worldInDisorder() {
  const counting = await countingWorld()
  const { world } = counting
  const { DB } = world.env
  const endpoints = await makeEndpoints(world, 40)
  await makeDue(world, 1500, [])
  world.clock.advance(8 * DAY_MS)
  await makeDue(world, 2, endpoints)
  world.queueRefuses = true
  await publish(world, 60)
  await startPing(world.deps, ["app_users"], { payload: () => "{}" })
  await DB.prepare("UPDATE events SET created_at = created_at - 120000 WHERE ping_id IS NOT NULL").run()
  await startPing(world.deps, ["app_users"], { payload: () => "{}" })
  await DB.batch([
    DB.prepare(
      "UPDATE events SET claims = 8, leased_until = 1 WHERE seq IN (SELECT max(seq) - 5 FROM events)",
    ),
    DB.prepare(
      "UPDATE deliveries SET resend_requested_at = 1 WHERE event_id IN (SELECT id FROM events WHERE ping_id IS NULL)",
    ),
    DB.prepare("UPDATE events SET payload_expires_at = 1 WHERE seq <= 10"),
    DB.prepare("UPDATE endpoints SET removed_at = 1 WHERE id = 'ep_00000000'"),
    DB.prepare(
      `INSERT INTO tasks (id, application_id, kind, input, status, created_at, updated_at)
       SELECT 'qtask_' || value, 'app_users', 'recover', '{"endpointId":"ep_00000001","since":0,"until":1}', 'running', 1, 1
       FROM json_each('[1,2,3,4,5,6,7,8]')`,
    ),
    DB.prepare("INSERT INTO revoked_tokens (id, expires_at) VALUES ('t', 1)"),
    DB.prepare("INSERT INTO idempotency_keys VALUES ('s', 'k', 'h', 200, '0:', 1)"),
    DB.prepare(
      `INSERT INTO uploads (id, endpoint_id, state, file_name, content_type, size, sha256, created_at, updated_at)
       SELECT 'upl_' || value, 'ep_00000001', CASE WHEN value < 5 THEN 'received' ELSE 'completed' END, 'x', 'x/x', 1, 'x', 1, 1
       FROM json_each('[1,2,3,4,5,6,7,8]')`,
    ),
  ])
  return counting
}

it("holds for a sweep with everything to do", async () => {
  const { world, most, cron } = await worldInDisorder()
  world.queueRefuses = false
  await cron()
  expectWithinBudget(most)
})

it("holds for a sweep without a queue, minute after minute, and all gets done", async () => {
  const { world, most, cron } = await worldInDisorder()
  for (let minute = 0; minute < 180 * world.deps.shards.length; minute++) {
    await cron()
    world.clock.advance(60_000)
  }
  expectWithinBudget(most)
  expect(await count(world, "events WHERE dispatched_at IS NULL")).toBe(0)
  expect(await count(world, "deliveries WHERE status = 'pending' AND next_attempt_at IS NOT NULL")).toBe(0)
})
