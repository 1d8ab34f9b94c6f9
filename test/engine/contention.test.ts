import { describe, expect, it } from "vitest"

import { createApp } from "../../src/app.ts"
import { openDatabase } from "../../src/db/client.ts"
import { registerUrl } from "../../src/engine/endpoints/register.ts"
import { getPingResults, type Ping, startPing } from "../../src/engine/pings/ping.ts"
import { Budget } from "../../src/engine/pipeline/budget.ts"
import { drain } from "../../src/engine/pipeline/drain.ts"
import { consume } from "../../src/queue.ts"
import { makeDue, makeEndpoints, registerHook, registerUser } from "../support/make.ts"
import { batchOf, createWorld, ORIGIN, type World } from "../support/world.ts"

// What happens when several things happen at once, or in large numbers.

const HOOK = "http://receiver.example/hook"
const OTHER = "http://other.example/hook"
const MINUTE_MS = 60_000

const first = (world: World, query: string) => world.env.DB.prepare(query).first<Record<string, unknown>>()

/** A receiver that answers when it is told to. */
function answersWhenTold(world: World, url: string, ...later: number[]): (status: number) => void {
  let answer = (_status: number) => {}
  world.receivers.at(url, () => new Promise<number>((resolve) => (answer = resolve)), ...later)
  return (status) => answer(status)
}

/** Moves time on by `ms` whenever `count` more requests have arrived: the receivers let each of them time out. */
async function timeOut(world: World, counts: readonly number[], ms: number): Promise<void> {
  for (const count of counts) {
    await expect.poll(() => world.receivers.received.length).toBeGreaterThanOrEqual(count)
    await world.quiet()
    world.clock.advance(ms)
  }
}

async function startAPing(world: World): Promise<Ping> {
  const ping = await startPing(world.deps, ["app_users"], { payload: () => "{}" })
  if (!ping) throw new Error("nobody was pinged")
  return ping
}

describe("a backlog of 2,500 due deliveries", () => {
  it("of a disabled endpoint is not attempted", async () => {
    const world = await createWorld()
    const [endpoint] = await makeEndpoints(world, 1)
    await makeDue(world, 2500, [endpoint])
    await world.env.DB.prepare("UPDATE endpoints SET disabled_at = 1, disabled_reason = 'failing'").run()
    await drain(world.deps, world.db, new Budget(40))
    expect(world.receivers.received).toEqual([])
  })

  it("of a removed endpoint is not attempted, and ends although it is due much later", async () => {
    const world = await createWorld()
    const [endpoint] = await makeEndpoints(world, 1, () => HOOK)
    await makeDue(world, 2500, [endpoint])
    await world.env.DB.prepare("UPDATE deliveries SET next_attempt_at = next_attempt_at + 80000000").run()
    await world.fetch("/webhook", { method: "DELETE", json: { event: "user_registered", url: HOOK } })
    await world.runAllWithSweeps(5 * MINUTE_MS)
    expect(await first(world, "SELECT count(*) AS n FROM deliveries WHERE status = 'pending'")).toEqual({
      n: 0,
    })
    expect(world.receivers.received).toEqual([])
  })

  it("of a type that is no longer subscribed to is not attempted", async () => {
    const world = await createWorld()
    await registerHook(world, HOOK)
    await world.fetch("/webhook", { json: { event: "user_send_message", url: HOOK } })
    world.receivers.at(HOOK, 500)
    for (let n = 0; n < 13; n++) await registerUser(world, `user${n}`)
    await world.run(world.queued.splice(0))
    const before = world.receivers.to(HOOK).length
    await world.fetch("/webhook", { method: "DELETE", json: { event: "user_registered", url: HOOK } })
    await world.runAllWithSweeps(10 * MINUTE_MS)
    expect(world.receivers.to(HOOK)).toHaveLength(before)
  })
})

describe("two invocations on one endpoint", () => {
  it("do not forget a Retry-After through each other's results", async () => {
    const world = await createWorld()
    await registerHook(world, HOOK)
    await registerUser(world, "ada")
    await registerUser(world, "bob")
    const [one, two] = world.queued.splice(0)
    if (!one || !two) throw new Error("two jobs were expected")
    const wait = new Response("", { status: 429, headers: { "retry-after": "3600" } })
    let answer = (_status: number) => {}
    world.receivers.at(HOOK, () => new Promise<number>((resolve) => (answer = resolve)), wait)
    const slow = consume(batchOf([one]), world.deps)
    await expect.poll(() => world.receivers.received.length).toBe(1)
    await consume(batchOf([two]), world.deps)
    answer(500)
    await slow
    expect(await first(world, "SELECT paused_until AS p FROM endpoints")).toEqual({
      p: world.clock.now() + 3_600_000,
    })
  })

  it("let no result that came after its lease change the endpoint's health", async () => {
    const world = await createWorld()
    await registerHook(world, HOOK)
    await registerUser(world, "ada")
    const answer = answersWhenTold(world, HOOK, 200)
    const frozen = { ...world.clock, after: () => () => {} }
    const slow = consume(batchOf(world.queued.splice(0)), { ...world.deps, clock: frozen })
    await expect.poll(() => world.receivers.to(HOOK).length).toBe(1)
    world.clock.advance(61_000)
    await world.cron()
    await world.runDue()
    answer(410)
    await slow
    expect(await first(world, "SELECT failing_since, disabled_reason FROM endpoints")).toEqual({
      failing_since: null,
      disabled_reason: null,
    })
  })

  it("registering the same pair in one millisecond create it once", async () => {
    const world = await createWorld()
    const register = () =>
      registerUrl(world.deps, {
        applicationId: "app_users",
        eventType: "user_registered",
        url: HOOK,
        keepSpelling: false,
        ownOrigin: ORIGIN,
      })
    const both = await Promise.all([register(), register()])
    expect(both.map(({ outcome }) => outcome).sort()).toEqual(["created", "exists"])
  })
})

describe("an endpoint that hangs", () => {
  it("does not delay another in its drain", async () => {
    const world = await createWorld()
    const [a, b] = await makeEndpoints(world, 2, (n) => (n === 0 ? HOOK : OTHER))
    await makeDue(world, 6, [a])
    await makeDue(world, 1, [b])
    world.receivers.at(HOOK, "hang")
    const run = drain(world.deps, world.db, new Budget(40))
    await expect.poll(() => world.receivers.to(OTHER).length).toBe(1)
    await timeOut(world, [2], 15_000)
    await run
    expect(world.receivers.to(HOOK)).toHaveLength(1)
  })

  it("does not delay another in its dispatch, though nobody knew yet that it would", async () => {
    const world = await createWorld()
    await registerHook(world, HOOK)
    for (let n = 0; n < 6; n++) await registerUser(world, `user${n}`)
    world.clock.advance(1)
    await registerHook(world, OTHER)
    await registerUser(world, "last")
    world.receivers.at(HOOK, "hang")
    const run = world.run(world.queued.splice(0))
    await expect.poll(() => world.receivers.to(OTHER).length).toBe(1)
    await timeOut(world, [2], 15_000)
    await run
  })

  it("makes nobody a suspect whose attempt was not started for lack of time", async () => {
    const world = await createWorld()
    const endpoints = await makeEndpoints(world, 36)
    await makeDue(world, 1, endpoints)
    for (let n = 0; n < 36; n++) world.receivers.at(`http://r${n}.example/`, "hang")
    const run = drain(world.deps, world.db, new Budget(40))
    await timeOut(world, [6], 15_000)
    await run
    await world.settled()
    const left = await first(
      world,
      `SELECT count(*) AS n, max(d.claims) AS claims, max(e.claims) AS endpoint_claims
       FROM deliveries d JOIN endpoints e ON e.id = d.endpoint_id WHERE d.attempts = 0`,
    )
    expect(left).toEqual({ n: 30, claims: 0, endpoint_claims: 0 })
  })

  it("costs a ping only its own result: who was not started is pinged by another job", async () => {
    const world = await createWorld()
    await makeEndpoints(world, 30)
    for (let n = 0; n < 24; n++) world.receivers.at(`http://r${n}.example/`, "hang")
    const ping = await startAPing(world)
    const run = world.run(world.queued.splice(0))
    await timeOut(world, [6], 10_000)
    await run
    const rest = world.runDue()
    await timeOut(world, [12, 18, 24], 10_000)
    await rest
    const results = await getPingResults(world.deps, ping)
    expect(results.slice(24).map(({ state }) => state)).toEqual(Array(6).fill("delivered"))
  })

  it("does not hold up a large event behind it in the batch", async () => {
    const world = await createWorld()
    await makeEndpoints(world, 30)
    await world.env.DB.prepare(
      "INSERT INTO subscriptions (id, event_type_id, application_id, endpoint_id, created_at) SELECT 'x' || id, 'ety_user_send_message', application_id, id, 1 FROM endpoints ORDER BY id LIMIT 20",
    ).run()
    for (let n = 0; n < 20; n++) world.receivers.at(`http://r${n}.example/`, "hang")
    for (const username of ["ada", "bob"])
      await world.env.DB.prepare("INSERT INTO users VALUES (?, ?, 1)").bind(username, username).run()
    const message = { sender: "ada", recipient: "bob", subject: "", message: "" }
    await world.fetch("/users/messages", { json: message })
    await registerUser(world, "eve")
    const run = world.run(world.queued.splice(0))
    await timeOut(world, [6], 15_000)
    await run
    await world.run(world.queued.filter(({ queue }) => queue === "events"))
    const left = await first(world, "SELECT count(*) AS n FROM events WHERE dispatched_at IS NULL")
    expect(left).toEqual({ n: 0 })
  })
})

describe("without a queue", () => {
  it("a sweep stays within its bounds, however much there is", async () => {
    const world = await createWorld()
    const [endpoint] = await makeEndpoints(world, 1)
    await makeDue(world, 30_000, [endpoint])
    await world.env.DB.prepare("UPDATE endpoints SET disabled_at = 1, disabled_reason = 'manual'").run()
    world.queueRefuses = true
    const before = world.probe.batches
    await world.cron()
    expect(world.probe.batches - before).toBeLessThan(20)
  })

  it("new events do not starve the retries", async () => {
    const world = await createWorld()
    await registerHook(world, HOOK)
    world.receivers.at(HOOK, 500, 200)
    const eventId = await registerUser(world, "first")
    await world.runDue()
    world.queued.length = 0
    world.queueRefuses = true
    for (let minute = 0; minute < 3; minute++) {
      world.clock.advance(MINUTE_MS)
      for (let n = 0; n < 41; n++) await registerUser(world, `user${minute}x${n}`)
      await world.cron()
    }
    expect(await first(world, `SELECT status FROM deliveries WHERE event_id = '${eventId}'`)).toEqual({
      status: "delivered",
    })
  })

  it("a ping is worked by the sweep", async () => {
    const world = await createWorld()
    await makeEndpoints(world, 1)
    world.queueRefuses = true
    const ping = await startAPing(world)
    await world.cron()
    expect(await getPingResults(world.deps, ping)).toMatchObject([{ state: "delivered" }])
  })
})

describe("D1", () => {
  it("losing the answer of a claim costs no time: the repeated batch reads its own claim", async () => {
    const world = await createWorld()
    const endpoints = await makeEndpoints(world, 1)
    await makeDue(world, 1, endpoints)
    let faults = 1
    world.probe.after = (statements) => {
      if (statements.some((text) => text.includes("UPDATE endpoints SET lease_token = ?")) && faults-- > 0) {
        throw new Error("D1_ERROR: Network connection lost.")
      }
    }
    await drain(world.deps, world.db, new Budget(40))
    expect(await first(world, "SELECT status FROM deliveries")).toEqual({ status: "delivered" })
  })

  it("being away once the requests have gone out does not bring the job back", async () => {
    const world = await createWorld()
    await registerHook(world, HOOK)
    await registerUser(world, "ada")
    const batch = batchOf(world.queued.splice(0))
    world.probe.before = () => {
      if (world.receivers.received.length > 0) throw new Error("D1 is away")
    }
    await consume(batch, world.deps)
    world.probe.before = null
    expect(batch.settled).toEqual(["ack"])
  })

  it("refusing a retry's result does not make it be sent again and again", async () => {
    const world = await createWorld()
    await registerHook(world, HOOK)
    world.receivers.at(HOOK, 500, 200)
    const eventId = await registerUser(world, "ada")
    await world.runDue()
    await world.env.DB.prepare(
      `CREATE TRIGGER refuse BEFORE INSERT ON attempts WHEN new.event_id = '${eventId}' BEGIN SELECT RAISE(ABORT, 'bad row'); END`,
    ).run()
    world.clock.advance(6000)
    await world.runAll()
    await world.env.DB.prepare("DROP TRIGGER refuse").run()
    expect(world.receivers.to(HOOK)).toHaveLength(2)
  })

  it("being full is known to an invocation that has just begun", async () => {
    const world = await createWorld({ DATABASE_LIMIT_MB: "1" })
    await world.env.DB.prepare(
      "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 40) INSERT INTO messages SELECT 'm' || i, 'a', 'b', 's', hex(randomblob(20000)), 1 FROM c",
    ).run()
    const app = createApp(() => {
      const db = openDatabase(world.env.DB, world.clock, () => 0)
      return { ...world.deps, database: () => db, databases: [db] }
    })
    const headers = { "content-type": "application/json" }
    const post = (username: string) =>
      app.request(
        `${ORIGIN}/users`,
        { method: "POST", headers, body: JSON.stringify({ username }) },
        world.env,
      )
    await post("ada")
    expect((await post("bob")).status).toBe(507)
  })
})

describe("a ping", () => {
  it("does not go out once its endpoint is removed", async () => {
    const world = await createWorld()
    await registerHook(world, HOOK)
    await startAPing(world)
    await world.fetch("/webhook", { method: "DELETE", json: { event: "user_registered", url: HOOK } })
    await world.runDue()
    expect(world.receivers.received).toEqual([])
  })

  it("that was answered after it had expired says so", async () => {
    const world = await createWorld()
    await registerHook(world, HOOK)
    const ping = await startAPing(world)
    world.clock.advance(55_000)
    const answer = answersWhenTold(world, HOOK)
    const run = world.run(world.queued.splice(0))
    await expect.poll(() => world.receivers.received.length).toBe(1)
    world.clock.advance(6_000)
    await world.cron()
    answer(200)
    await run
    expect(await getPingResults(world.deps, ping)).toMatchObject([{ state: "failed", error: "Expired" }])
  })
})
