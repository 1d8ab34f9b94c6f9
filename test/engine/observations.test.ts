import { describe, expect, it } from "vitest"

import { jsonLine, logSink, shortLine } from "../../src/platform/log.ts"
import type { AttemptObserved, Observation } from "../../src/platform/observations.ts"
import { makeDue, makeEndpoints, registerHook, registerUser } from "../support/make.ts"
import { createWorld, type World } from "../support/world.ts"

const HOOK = "http://receiver.example/hook"
const OTHER = "http://other.example/hook"
const AT = Date.UTC(2026, 10, 25, 18, 2, 11)

/** The lines written since the last call. */
function linesOf(world: World) {
  return world.logged.splice(0)
}

function attempts(count: number, made: Partial<AttemptObserved> = {}): AttemptObserved[] {
  return Array.from({ length: count }, (_, n) => ({
    attemptId: `a${n}`,
    eventId: "e",
    endpointId: `ep${n}`,
    applicationId: "app",
    status: 200,
    error: null,
    outcome: "delivered",
    durationMs: 3,
    ...made,
  }))
}

function dispatched(made: AttemptObserved[]): Observation {
  return {
    unit: "dispatch",
    eventIds: ["e"],
    attempts: made,
    putOff: 0,
    open: 0,
    claimed: false,
    durationMs: 9,
  }
}

describe("the log", () => {
  it("has one line for a request, and one for the batch that dispatches its event, with every attempt", async () => {
    const world = await createWorld()
    await registerHook(world, HOOK)
    await registerHook(world, OTHER)
    world.receivers.at(OTHER, 500)
    linesOf(world)
    const eventId = await registerUser(world, "ada")
    expect(linesOf(world)).toMatchObject([{ unit: "request", method: "POST", path: "/users", status: 200 }])
    await world.runDue()
    const [line, ...others] = linesOf(world)
    expect(others).toEqual([])
    expect(line).toMatchObject({ unit: "dispatch", eventIds: [eventId], putOff: 0, claimed: false })
    const made = line?.attempts as AttemptObserved[]
    expect(made.map(({ eventId, status, outcome }) => ({ eventId, status, outcome }))).toEqual(
      expect.arrayContaining([
        { eventId, status: 200, outcome: "delivered" },
        { eventId, status: 500, outcome: "retry" },
      ]),
    )
    for (const one of made) expect(one).toMatchObject({ attemptId: expect.stringMatching(/^att_/) })
  })

  it("has one line for a whole batch of events", async () => {
    const world = await createWorld()
    await registerHook(world, HOOK)
    for (let n = 0; n < 25; n++) await registerUser(world, `user${n}`)
    linesOf(world)
    await world.runDue(true)
    const lines = linesOf(world)
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatchObject({ unit: "dispatch", attempts: { length: 25 } })
    expect(lines[0]?.eventIds).toHaveLength(25)
  })

  it("has one line for a drain, with its attempts and those that were handled alone", async () => {
    const world = await createWorld()
    const endpoints = await makeEndpoints(world, 3)
    await makeDue(world, 1, endpoints)
    await world.env.DB.prepare("UPDATE endpoints SET claims = 5 WHERE id = ?").bind(endpoints[0]?.id).run()
    world.clock.advance(1)
    await world.run([{ queue: "retries", job: { kind: "drain", shard: 0 }, at: world.clock.now() }])
    expect(linesOf(world)).toMatchObject([{ unit: "drain", suspects: 1, attempts: { length: 3 } }])
  })

  it("has one line for a ping's job", async () => {
    const world = await createWorld()
    await registerHook(world, HOOK)
    world.clock.whileAsleep = async (ms) => {
      world.clock.advance(ms)
      await world.runDue()
    }
    linesOf(world)
    await world.fetch("/ping", { method: "POST" })
    expect(linesOf(world)).toMatchObject([
      { unit: "ping", applicationId: "app_users", attempts: [{ status: 200 }] },
      { unit: "request", path: "/ping" },
    ])
  })

  it("has one line for a resend, and says of one that cannot be why", async () => {
    const world = await createWorld()
    const app = await post<{ id: string }>(world, "/api/v1/app", { name: "a" })
    const endpoint = await post<{ id: string }>(world, `/api/v1/app/${app.id}/endpoint`, { url: HOOK })
    const message = { eventType: "t", payload: {} }
    const { id: eventId } = await post<{ id: string }>(world, `/api/v1/app/${app.id}/msg`, message)
    await world.runDue()
    linesOf(world)
    const about = { unit: "resend", applicationId: app.id, eventId, endpointId: endpoint.id }
    const resend = `/api/v1/app/${app.id}/msg/${eventId}/endpoint/${endpoint.id}/resend`
    await world.fetch(resend, { method: "POST" })
    await world.runDue()
    expect(linesOf(world).slice(1)).toMatchObject([{ ...about, ended: null, attempts: [{ status: 200 }] }])
    await world.fetch(resend, { method: "POST" })
    await world.fetch(`/api/v1/app/${app.id}/endpoint/${endpoint.id}`, { method: "DELETE" })
    linesOf(world)
    await world.runDue()
    expect(linesOf(world)).toMatchObject([{ ...about, ended: "removed", attempts: [] }])
  })

  it("has one line for each step of a fan-out", async () => {
    const world = await createWorld()
    await makeEndpoints(world, 2500)
    const eventId = await registerUser(world, "ada")
    linesOf(world)
    await world.run(world.queued.splice(0))
    await world.run(world.queued.splice(0).filter(({ queue }) => queue === "events"))
    const step = { unit: "fan-out", eventIds: [eventId], steps: 1 }
    expect(linesOf(world)).toMatchObject([
      { ...step, deliveries: 2000, unfinished: 1 },
      { ...step, deliveries: 500, unfinished: 0 },
    ])
  })

  it("has one line for a sweep, of what it found and of what it has deleted", async () => {
    const world = await createWorld()
    const ofFirst = ({ shard }: Record<string, unknown>) => (shard ?? 0) === 0
    await registerUser(world, "ada")
    await world.cron()
    expect(linesOf(world).slice(1).filter(ofFirst)).toMatchObject([{ unit: "sweep", done: {}, refused: [] }])
    world.clock.advance(8 * 24 * 3_600_000)
    await world.cron()
    expect(linesOf(world).filter(ofFirst)).toMatchObject([
      { unit: "sweep", found: { oldest: 1 }, done: { deletedEvents: 1 }, refused: [] },
    ])
  })

  it("has one line for the jobs of a batch that failed", async () => {
    const world = await createWorld()
    await registerHook(world, HOOK)
    for (const name of ["ada", "bob"]) await registerUser(world, name)
    linesOf(world)
    world.probe.before = () => {
      throw new Error("D1_ERROR: away")
    }
    await world.run(world.queued.splice(0))
    const job = { kind: "dispatch", applicationId: "app_users", jobAttempts: 1 }
    expect(linesOf(world)).toMatchObject([{ unit: "job", jobs: [job, job], error: "Error: D1_ERROR: away" }])
  })

  it("shows 25 attempts in a line, the failed ones first, and says how many it leaves out", () => {
    const made = [
      ...attempts(39),
      ...attempts(1, { attemptId: "failed", status: null, error: "timeout", outcome: "retry" }),
    ]
    const line = JSON.parse(jsonLine(dispatched(made), AT))
    expect(line.attempts).toHaveLength(25)
    expect(line.attempts[0]).toMatchObject({ attemptId: "failed", error: "timeout" })
    expect(line.attemptsLeftOut).toBe(15)
    expect(JSON.parse(jsonLine(dispatched(attempts(25)), AT))).not.toHaveProperty("attemptsLeftOut")
  })

  it("is JSON with its time when deployed, and short in open mode", () => {
    const written: unknown[] = []
    const log = console.log
    console.log = (line) => written.push(line)
    try {
      for (const authMode of ["token", "open"] as const)
        logSink({ authMode }, { now: () => AT })(dispatched(attempts(1)))
    } finally {
      console.log = log
    }
    expect(JSON.parse(String(written[0]))).toEqual({
      at: "2026-11-25T18:02:11.000Z",
      ...dispatched(attempts(1)),
    })
    expect(written[1]).toBe("18:02:11 dispatch 200 9ms")
  })
})

describe("a short line", () => {
  const request = {
    unit: "request",
    requestId: "r",
    address: null,
    method: "POST",
    path: "/users",
    status: 200,
    bytes: null,
    referer: null,
    agent: null,
    durationMs: 4,
  } as const
  const timedOut = attempts(1, { status: null, error: "timeout", outcome: "retry" })

  it.each<[string, Observation]>([
    ["POST /users 200 4ms", request],
    ["dispatch 200 ×3 timeout 9ms", dispatched([...attempts(3), ...timedOut])],
    [
      "sweep due 3 deletedEvents 2 8ms",
      { unit: "sweep", shard: 0, found: { due: 3 }, done: { deletedEvents: 2 }, refused: [], durationMs: 8 },
    ],
    [
      "task recover finished 7 2ms",
      {
        unit: "task",
        taskId: "t",
        kind: "recover",
        steps: 1,
        processed: 7,
        status: "finished",
        durationMs: 2,
      },
    ],
  ])("reads %s", (text, observation) => expect(shortLine(observation, AT)).toBe(`18:02:11 ${text}`))

  it.each<Observation>([
    { ...request, status: 500, error: "Error: away", stack: "at somewhere" },
    { unit: "fault", during: "sweep", error: "Error: away" },
    { unit: "job", jobs: [{ kind: "drain", shard: 0, jobAttempts: 1 }], error: "Error: away" },
  ])("is the whole of what is known when something went wrong: $unit", (observation) =>
    expect(shortLine(observation, AT)).toBe(jsonLine(observation, AT)),
  )
})

async function post<T>(world: World, path: string, json: unknown): Promise<T> {
  return (await world.fetch(path, { json })).json<T>()
}
