import { beforeEach, describe, expect, it } from "vitest"

import { idAt } from "../../src/db/ids.ts"
import { STATEMENTS_PER_INVOCATION } from "../../src/engine/pipeline/budget.ts"
import { MAX_CLAIMS } from "../../src/engine/pipeline/claim.ts"
import { RECOVER_STEP, recoveredShare } from "../../src/engine/tasks/recover.ts"
import { cancelTask, getTask } from "../../src/engine/tasks/task.ts"
import { consume } from "../../src/queue.ts"
import { callApi, svixFor } from "../api/svix.ts"
import { batchOf, createWorld, type World } from "../support/world.ts"

const HOOK = "http://receiver.example/hook"
const DAY_MS = 24 * 3600_000
const MINUTE_MS = 60_000
const SCOPE = { applicationId: null, kinds: ["recover"] }

let world: World
let app: string
let endpoint: string

beforeEach(async () => {
  world = await createWorld()
  const svix = svixFor(world)
  app = (await svix.application.create({ name: "Acme", uid: "acme" })).id
  endpoint = (await svix.endpoint.create("acme", { url: HOOK, uid: "ep" })).id
  await world.runAll()
})

/** Deliveries of an endpoint that have failed, straight into D1. */
async function makeFailed(count: number, to = endpoint): Promise<void> {
  world.clock.advance(1)
  const now = world.clock.now()
  const prefix = `evt_${now.toString(16).padStart(12, "0")}`
  const { customersDB: DB } = world
  await DB.batch([
    DB.prepare(
      `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ?1)
       INSERT INTO events (id, application_id, event_type_id, event_type, created_at, dispatched_at, payload)
       SELECT ?2 || printf('%06d', i), ?3, 'ety_t', 't', ?4, ?4, '{}' FROM c`,
    ).bind(count, prefix, app, now),
    DB.prepare(
      `INSERT INTO deliveries (event_id, endpoint_id, application_id, status, reason, attempts, created_at, ended_at, attempt_id)
       SELECT id, ?1, application_id, 'failed', 'exhausted', 2, ?2, ?2, 'att' || substr(id, 4) FROM events WHERE id LIKE ?3 || '%'`,
    ).bind(to, now, prefix),
  ])
}

/** Starts a recovery of steps, `RECOVER_STEP` deliveries each; answers its id. */
async function startRecovery(steps: number): Promise<string> {
  await makeFailed(steps * RECOVER_STEP - 1)
  return recover("acme", "ep")
}

async function recover(uid: string, endpoint: string): Promise<string> {
  const since = new Date(world.clock.now() - DAY_MS)
  return (await svixFor(world).endpoint.recover(uid, endpoint, { since })).id
}

/** Runs the jobs of tasks that are queued, each once. */
async function workTasks(): Promise<void> {
  for (const entry of world.queued.filter(({ queue }) => queue === "tasks")) {
    world.queued.splice(world.queued.indexOf(entry), 1)
    await world.run([entry])
  }
}

const jobs = () => world.queued.filter(({ job }) => job.kind === "task")
const rowOf = (id: string) =>
  world.customersDB.prepare("SELECT status, processed, claims FROM tasks WHERE id = ?").bind(id).first()
const statuses = (...ids: string[]) => Promise.all(ids.map(async (id) => (await rowOf(id))?.status))
const pending = () =>
  world.customersDB.prepare("SELECT count(*) AS n FROM deliveries WHERE status = 'pending'").first("n")
const isStep = (statements: string[]) => statements.some((text) => text.includes("UPDATE tasks AS t"))

describe("the share of a recovery that is done", () => {
  const input = { endpointId: "ep_1", since: 0, until: 5_000, from: 1_000 }
  it.each([
    ["nothing before the first step", { status: "running", cursor: null }, 0],
    ["of the time from the first delivery on", { status: "running", cursor: idAt("attempt", 2_000) }, 0.25],
    ["no more than all", { status: "running", cursor: idAt("attempt", 60_000) }, 1],
    ["what it was when it was canceled", { status: "canceled", cursor: idAt("attempt", 4_000) }, 0.75],
    ["all when it has finished", { status: "finished", cursor: null }, 1],
  ] as const)("is %s", (_, { status, cursor }, share) => {
    expect(recoveredShare({ input, status, cursor })).toBe(share)
  })

  it("is none of a time without length", () => {
    const cursor = idAt("attempt", 7)
    expect(recoveredShare({ input: { ...input, until: 7, from: 7 }, status: "running", cursor })).toBe(0)
  })
})

describe("a task", () => {
  it("is worked for a turn, and handed on to another job", async () => {
    const id = await startRecovery(3)
    // Each step takes longer than a turn.
    world.probe.before = (statements) => {
      if (isStep(statements)) world.clock.advance(1_500)
    }
    for (const steps of [1, 2]) {
      await workTasks()
      expect(await rowOf(id)).toEqual({ status: "running", processed: steps * RECOVER_STEP, claims: 0 })
      expect(jobs()).toHaveLength(1)
    }
    await workTasks()
    expect(await rowOf(id)).toEqual({ status: "finished", processed: 3 * RECOVER_STEP - 1, claims: 0 })
    expect(jobs()).toEqual([])
  })

  it("keeps to the statements of an invocation, however long it is", async () => {
    const id = await startRecovery(12)
    const asked = () => world.deps.shards.reduce((sum, db) => sum + db.asked(), 0)
    const before = asked()
    await workTasks()
    expect(asked() - before).toBeLessThanOrEqual(STATEMENTS_PER_INVOCATION)
    expect(await rowOf(id)).toMatchObject({ status: "running" })
    for (let n = 0; n < 3; n++) await workTasks()
    expect(await rowOf(id)).toEqual({ status: "finished", processed: 12 * RECOVER_STEP - 1, claims: 0 })
  })

  it("is found by the sweep when whoever claimed it died before the first step", async () => {
    const id = await startRecovery(1)
    const [job] = world.queued.splice(0)
    if (!job) throw new Error("no job was sent")
    world.probe.before = (statements) => {
      if (isStep(statements)) throw new Error("the process is dead")
    }
    await consume(batchOf([job]), world.deps)
    world.probe.before = null
    expect(await rowOf(id)).toEqual({ status: "running", processed: 0, claims: 1 })
    await world.cron()
    expect(world.queued).toEqual([])
    world.clock.advance(MINUTE_MS)
    await world.cron()
    await workTasks()
    expect(await rowOf(id)).toEqual({ status: "finished", processed: RECOVER_STEP - 1, claims: 0 })
  })

  it("is worked by one of two jobs, and each step once, also when the lease is lost in the midst of it", async () => {
    const id = await startRecovery(3)
    const jobs = world.queued.splice(0)
    let steps = 0
    // The second job comes while the first is about to take its second step, a lease later.
    world.probe.before = async (statements) => {
      if (!isStep(statements) || ++steps !== 2) return
      await world.customersDB.prepare("UPDATE tasks SET leased_until = 1").run()
      await consume(batchOf(jobs), world.deps)
    }
    await consume(batchOf(jobs), world.deps)
    expect(await rowOf(id)).toEqual({ status: "finished", processed: 3 * RECOVER_STEP - 1, claims: 0 })
    expect(steps).toBe(4)
  })

  it("ends as failed, and is told of, when it was claimed too often without a step", async () => {
    const id = await startRecovery(1)
    world.probe.before = (statements) => {
      if (isStep(statements)) throw new Error("poison")
    }
    for (let n = 0; n < MAX_CLAIMS + 1; n++) {
      await workTasks()
      world.clock.advance(2 * MINUTE_MS)
      await world.cron()
    }
    expect(await rowOf(id)).toEqual({ status: "failed", processed: 0, claims: MAX_CLAIMS })
    expect(world.observed).toContainEqual(
      expect.objectContaining({ unit: "task", taskId: id, kind: "recover", status: "failed" }),
    )
    const { status, data } = await (await callApi(world, `/api/v1/background-task/${id}`)).json<{
      status: string
      data: unknown
    }>()
    expect({ status, data }).toEqual({
      status: "failed",
      data: { processed: 0, share: 0, reason: "internal" },
    })
    expect(await pending()).toBe(0)
  })

  it("of a kind that nobody knows fails in the same way", async () => {
    const id = await startRecovery(1)
    await world.customersDB.prepare("UPDATE tasks SET kind = 'of-tomorrow'").run()
    for (let n = 0; n < MAX_CLAIMS + 1; n++) {
      await workTasks()
      world.clock.advance(2 * MINUTE_MS)
      await world.cron()
    }
    expect(await rowOf(id)).toMatchObject({ status: "failed" })
  })

  it("takes turns with the others of its application, a step each: a short one ends while a long one goes on", async () => {
    const few = await svixFor(world).endpoint.create("acme", { url: HOOK, uid: "few" })
    const long = await startRecovery(5)
    await makeFailed(10, few.id)
    const short = await recover("acme", "few")
    world.clock.advance(MINUTE_MS)
    await workTasks()
    expect(await rowOf(long)).toEqual({ status: "running", processed: RECOVER_STEP, claims: 0 })
    // The other one has not waited for want of a job.
    await world.sweep()
    expect(jobs()).toHaveLength(1)
    await workTasks()
    expect(await rowOf(short)).toEqual({ status: "finished", processed: 10, claims: 0 })
    expect(await statuses(long)).toEqual(["running"])
    await workTasks()
    expect(await rowOf(long)).toEqual({ status: "finished", processed: 5 * RECOVER_STEP - 1, claims: 0 })
    expect(jobs()).toEqual([])
  })

  it("shares a job with the others of its application, and waits for none of another's", async () => {
    await makeFailed(3 * RECOVER_STEP)
    const mine = [await recover("acme", "ep"), await recover("acme", "ep"), await recover("acme", "ep")]
    await svixFor(world).application.create({ name: "Globex", uid: "globex" })
    await svixFor(world).endpoint.create("globex", { url: HOOK, uid: "ep" })
    const theirs = await recover("globex", "ep")
    await workTasks()
    expect(await statuses(...mine, theirs)).toEqual(["running", "running", "running", "finished"])
    while (jobs().length > 0) {
      // Who waits behind it in the queue waits for one turn.
      expect(jobs()).toHaveLength(1)
      await workTasks()
    }
    expect(await statuses(...mine)).toEqual(["finished", "finished", "finished"])
  })

  it("goes on when the one whose turn it is is canceled", async () => {
    const first = await startRecovery(1)
    const second = await recover("acme", "ep")
    await cancelTask(world.deps, SCOPE, first)
    for (const turn of [1, 2]) {
      expect(jobs(), `turn ${turn}`).toHaveLength(1)
      await workTasks()
    }
    expect(await statuses(first, second)).toEqual(["canceled", "finished"])
    expect(jobs()).toEqual([])
  })

  it("goes on without one that comes to nothing", async () => {
    const poison = await startRecovery(1)
    await world.customersDB.prepare("UPDATE tasks SET kind = 'of-tomorrow'").run()
    const others = [await recover("acme", "ep"), await recover("acme", "ep")]
    await workTasks()
    expect(await rowOf(poison)).toMatchObject({ status: "running", claims: 1 })
    world.clock.advance(2 * MINUTE_MS)
    await world.cron()
    for (let turn = 0; turn < 2; turn++) await workTasks()
    expect(await statuses(poison, ...others)).toEqual(["running", "finished", "finished"])
  })

  it("is found by application when jobs are lost, however many one application has", async () => {
    const svix = svixFor(world)
    for (let n = 0; n < 30; n++) await recover("acme", "ep")
    await svix.application.create({ name: "Globex", uid: "globex" })
    await svix.endpoint.create("globex", { url: HOOK, uid: "ep" })
    const theirs = await recover("globex", "ep")
    world.queued.length = 0
    await world.cron()
    expect(jobs()).toHaveLength(2)
    await workTasks()
    expect(await statuses(theirs)).toEqual(["finished"])
  })

  it("that is canceled takes no further step", async () => {
    const id = await startRecovery(3)
    let steps = 0
    world.probe.before = async (statements) => {
      if (isStep(statements) && ++steps === 2) await cancelTask(world.deps, SCOPE, id)
    }
    await workTasks()
    expect(await getTask(world.deps, SCOPE, id)).toMatchObject({
      status: "canceled",
      processed: RECOVER_STEP,
    })
    expect(await pending()).toBe(RECOVER_STEP)
    expect(steps).toBe(2)
    world.probe.before = null
    await world.sweep()
    expect(jobs()).toEqual([])
    // What was made due is sent.
    expect(world.queued.map(({ job }) => job.kind)).toContain("drain")
  })
})
