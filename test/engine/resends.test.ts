import type { Svix } from "svix"
import { describe, expect, it } from "vitest"

import { consume } from "../../src/queue.ts"
import { svixFor } from "../api/svix.ts"
import { startConsumers } from "../support/consumers.ts"
import { registerHook } from "../support/make.ts"
import { filePart, registerWebhook, statusOf, uploadFile } from "../support/uploads.ts"
import { batchOf, createWorld, type World } from "../support/world.ts"

// Attempts by hand hold nobody up: their batches wait for no receiver, and an application has a few under way at once.

const TIMEOUT_MS = 15_000
const LEASE_MS = 60_000
const MINUTE_MS = 60_000
const HOUR_MS = 3_600_000
const AT_ONCE = 6
const PER_ENDPOINT = 3

/** A receiver that answers its requests when it is told to, in the order in which they came. */
function answersWhenTold(world: World, url: string): ((status: number) => void)[] {
  const waiting: ((status: number) => void)[] = []
  world.receivers.at(url, () => new Promise<number>((resolve) => waiting.push(resolve)))
  return waiting
}

/** An application with endpoints of its own, and messages that none of them was ever owed. */
async function makeApplication(world: World, uid: string, { endpoints = 1, messages = 1 } = {}) {
  const svix: Svix = svixFor(world)
  await svix.application.create({ name: uid, uid })
  const url = (n: number) => `http://${uid}-${n}.example/`
  for (let n = 0; n < endpoints; n++)
    await svix.endpoint.create(uid, { uid: `ep-${n}`, url: url(n), channels: ["nobody"] })
  for (let n = 0; n < messages; n++)
    await svix.message.create(uid, { eventType: "t", eventId: `m-${n}`, payload: {} })
  await world.runDue()
  return {
    svix,
    url,
    received: (n = 0) => world.receivers.to(url(n)).length,
    resend: (endpoint = 0, message = 0) => svix.messageAttempt.resend(uid, `m-${message}`, `ep-${endpoint}`),
    attempts: async (message = 0) =>
      (await svix.messageAttempt.listByMsg(uid, `m-${message}`)).data.map(
        ({ responseStatusCode, triggerType }) => [triggerType, responseStatusCode],
      ),
    status: async (message = 0) =>
      (await svix.messageAttempt.listAttemptedDestinations(uid, `m-${message}`)).data.map(
        ({ statusText }) => statusText,
      ),
  }
}

/** Works what is queued, each job a batch of its own, without waiting for what goes on behind it; answers how many. */
async function work(world: World): Promise<number> {
  let worked = 0
  for (let entry = world.queued.shift(); entry; entry = world.queued.shift()) {
    await consume(batchOf([entry]), world.deps)
    worked++
  }
  return worked
}

/** What has ended is recorded, and whoever was waiting for it is at work. */
async function goOn(world: World): Promise<void> {
  await world.quiet()
  await work(world)
}

const leases = async (world: World) =>
  (await world.customersDB
    .prepare("SELECT count(*) AS n FROM deliveries WHERE resend_leased_until IS NOT NULL")
    .first<number>("n")) ?? 0

describe("a resend to a receiver that hangs", () => {
  async function hanging() {
    const world = await createWorld()
    const acme = await makeApplication(world, "acme")
    const answers = answersWhenTold(world, acme.url(0))
    await acme.resend()
    await work(world)
    await expect.poll(() => acme.received()).toBe(1)
    return { world, acme, answers }
  }

  it("does not hold its batch: it is recorded behind it, when it times out", async () => {
    const { world, acme } = await hanging()
    expect(await acme.attempts()).toEqual([])
    world.clock.advance(TIMEOUT_MS)
    await world.settled()
    expect(await acme.attempts()).toEqual([[1, 0]])
    expect(await acme.status()).toEqual(["fail"])
    expect(await leases(world)).toBe(0)
  })

  it("is delivered by an answer that comes in time", async () => {
    const { world, acme, answers } = await hanging()
    world.clock.advance(TIMEOUT_MS - 1)
    answers[0]?.(200)
    await world.settled()
    expect(await acme.attempts()).toEqual([[1, 200]])
    expect(await acme.status()).toEqual(["success"])
  })

  it("is made by nobody else while it is open, however often it is asked for", async () => {
    const { world, acme } = await hanging()
    await acme.resend()
    world.queued.push({ queue: "tasks", job: { ...(await jobOf(world)) }, at: 0 })
    await work(world)
    world.clock.advance(TIMEOUT_MS - 1_000)
    await world.sweep()
    await work(world)
    expect(acme.received()).toBe(1)
  })

  it("holds its batch where a timeout is longer than an invocation may go on behind it", async () => {
    const world = await createWorld({ ATTEMPT_TIMEOUT_MS: "60000" })
    const acme = await makeApplication(world, "acme")
    world.receivers.at(acme.url(0), "hang")
    await acme.resend()
    let isOver = false
    const working = work(world).then(() => (isOver = true))
    await expect.poll(() => acme.received()).toBe(1)
    await world.quiet()
    expect(isOver).toBe(false)
    world.clock.advance(60_000)
    await working
  })
})

/** The job that one more resend would send. */
async function jobOf(world: World) {
  const shard = world.deps.shards.length - 1
  const id = await world.customersDB
    .prepare("SELECT id FROM applications WHERE uid = 'acme'")
    .first<string>("id")
  return { kind: "resend", applicationId: id, shard }
}

describe("a process that dies with a resend open", () => {
  /** Its timer does not fire, and its answers come when they are told to. */
  async function dead() {
    const world = await createWorld()
    const acme = await makeApplication(world, "acme")
    const answers = answersWhenTold(world, acme.url(0))
    await acme.resend()
    const after = (ms: number, callback: () => void) =>
      ms < TIMEOUT_MS ? world.clock.after(ms, callback) : () => {}
    for (const entry of world.queued.splice(0))
      await consume(batchOf([entry]), { ...world.deps, clock: { ...world.clock, after } })
    await expect.poll(() => acme.received()).toBe(1)
    return { world, acme, answers }
  }

  /** The sweep after the lease, and the job that it sends. */
  async function takeOver(world: World) {
    world.clock.advance(LEASE_MS)
    await world.sweep()
    await work(world)
  }

  it("costs the time of its lease: then it is made again", async () => {
    const { world, acme } = await dead()
    await world.sweep()
    expect(await work(world)).toBe(0)
    world.receivers.at(acme.url(0), 200)
    await takeOver(world)
    await expect.poll(() => acme.status()).toEqual(["success"])
    expect(acme.received()).toBe(2)
  })

  it("only seemed dead: what it brings then is kept as an attempt, and changes nothing else", async () => {
    const { world, acme, answers } = await dead()
    await takeOver(world)
    await expect.poll(() => answers.length).toBe(2)
    answers[0]?.(200)
    await expect.poll(() => acme.attempts()).toEqual([[1, 200]])
    expect(await acme.status()).toEqual(["pending"])
    expect(await leases(world)).toBe(1)
    const { health } = await endpointOf(world)
    expect(health).toBe(null)
    answers[1]?.(500)
    await expect.poll(() => acme.status()).toEqual(["fail"])
    expect(await leases(world)).toBe(0)
  })

  it("before its request: it is made once, when the lease is over", async () => {
    const world = await createWorld()
    const acme = await makeApplication(world, "acme")
    await acme.resend()
    const dead = {
      fetch: () => new Promise<never>(() => {}),
      clock: { ...world.clock, after: () => () => {} },
    }
    for (const entry of world.queued.splice(0)) await consume(batchOf([entry]), { ...world.deps, ...dead })
    expect(await leases(world)).toBe(1)
    expect(acme.received()).toBe(0)
    await takeOver(world)
    await expect.poll(() => acme.status()).toEqual(["success"])
    expect(acme.received()).toBe(1)
    expect(await acme.attempts()).toEqual([[1, 200]])
  })

  it("behind its request, ahead of its record: made again with the same id, and recorded once", async () => {
    const world = await createWorld()
    const acme = await makeApplication(world, "acme")
    await acme.resend()
    await world.runUntilDeath(() => true)
    expect(await acme.attempts()).toEqual([])
    await takeOver(world)
    await expect.poll(() => acme.status()).toEqual(["success"])
    const [first, second, ...more] = world.receivers.to(acme.url(0))
    expect(second?.headers["webhook-id"]).toBe(first?.headers["webhook-id"])
    expect(more).toEqual([])
    expect(await acme.attempts()).toEqual([[1, 200]])
  })

  async function endpointOf(world: World) {
    const row = await world.customersDB
      .prepare("SELECT proven_at AS health FROM endpoints")
      .first<{ health: number | null }>()
    if (!row) throw new Error("there is no endpoint")
    return row
  }
})

describe("a resend is recorded once", () => {
  it("where its job comes twice at once, and once more", async () => {
    const world = await createWorld()
    const acme = await makeApplication(world, "acme")
    await acme.resend()
    const [entry] = world.queued.splice(0)
    if (!entry) throw new Error("no job was sent")
    await Promise.all([world.run([entry]), world.run([entry]), world.run([entry, entry])])
    expect(acme.received()).toBe(1)
    expect(await acme.attempts()).toEqual([[1, 200]])
    expect(await leases(world)).toBe(0)
  })

  it("where the record has to be repeated, because D1 fails or its answers get lost", async () => {
    for (const moment of ["before", "after"] as const) {
      const world = await createWorld()
      const acme = await makeApplication(world, "acme")
      let faults = 2
      world.probe[moment] = (statements: string[]) => {
        if (statements.some((text) => text.includes("INTO attempts")) && faults-- > 0)
          throw new Error("D1_ERROR: Network connection lost.")
      }
      await acme.resend()
      await world.runDue()
      expect(faults).toBeLessThan(0)
      expect(acme.received()).toBe(1)
      expect(await acme.attempts()).toEqual([[1, 200]])
      expect(await acme.status()).toEqual(["success"])
    }
  })
})

describe("many resends of one application", () => {
  it("are made a few at once, each once, and whoever ends one sees to the next", async () => {
    const world = await createWorld()
    const acme = await makeApplication(world, "acme", { endpoints: 14 })
    const all = () => Array.from({ length: 14 }, (_, n) => acme.received(n)).reduce((a, b) => a + b)
    for (let n = 0; n < 14; n++) world.receivers.at(acme.url(n), "hang")
    for (let n = 0; n < 14; n++) {
      world.clock.advance(1)
      await acme.resend(n)
    }
    expect(world.queued).toHaveLength(1)
    await work(world)
    for (const most of [AT_ONCE, 2 * AT_ONCE, 14]) {
      await expect.poll(all).toBe(most)
      expect(await work(world)).toBe(0)
      world.clock.advance(TIMEOUT_MS)
      await goOn(world)
    }
    expect(Array.from({ length: 14 }, (_, n) => acme.received(n))).toEqual(Array(14).fill(1))
    expect(await leases(world)).toBe(0)
  })

  it("have one job in the queue, however many wait and end: who waits behind it waits for one", async () => {
    const world = await createWorld()
    const acme = await makeApplication(world, "acme", { endpoints: 3, messages: 10 })
    for (let n = 0; n < 10; n++)
      for (let endpoint = 0; endpoint < 3; endpoint++) await acme.resend(endpoint, n)
    let worked = 0
    for (let entry = world.queued.shift(); entry; entry = world.queued.shift()) {
      expect(world.queued).toEqual([])
      await world.run([entry])
      worked++
    }
    expect(world.receivers.received).toHaveLength(30)
    expect(worked).toBe(30)
    await acme.resend()
    expect(world.queued).toHaveLength(1)
  })

  it("hold up no other application's", async () => {
    const world = await createWorld()
    const acme = await makeApplication(world, "acme", { endpoints: 8 })
    const other = await makeApplication(world, "other")
    for (let n = 0; n < 8; n++) world.receivers.at(acme.url(n), "hang")
    for (let n = 0; n < 8; n++) await acme.resend(n)
    await other.resend()
    await work(world)
    await expect.poll(() => other.status()).toEqual(["success"])
  })

  it("to one endpoint hold up none to another", async () => {
    const world = await createWorld()
    const acme = await makeApplication(world, "acme", { endpoints: 2, messages: 12 })
    world.receivers.at(acme.url(0), "hang")
    for (let n = 0; n < 12; n++) {
      world.clock.advance(1)
      await acme.resend(0, n)
    }
    await work(world)
    await expect.poll(() => acme.received()).toBe(PER_ENDPOINT)
    await acme.resend(1)
    await work(world)
    await expect.poll(() => acme.received(1)).toBe(1)
    expect(acme.received(0)).toBe(PER_ENDPOINT)
  })
})

describe.each([0, 8, 30])("with %i resends to endpoints that hang", (resends) => {
  /** Everybody's doors, and the resends under way. */
  async function busy() {
    const world = await createWorld()
    const acme = await makeApplication(world, "acme", { endpoints: resends })
    const other = await makeApplication(world, "other")
    for (let n = 0; n < resends; n++) world.receivers.at(acme.url(n), "hang")
    for (let n = 0; n < resends; n++) await acme.resend(n)
    return { world, acme, other }
  }

  /** Lets the consumer work while somebody waits, who learns how long it took (ms). */
  async function waitedFor(world: World, ask: () => Promise<unknown>): Promise<number> {
    world.clock.whileAsleep = async (ms) => {
      world.clock.advance(ms)
      await work(world)
      await world.quiet()
    }
    const since = world.clock.now()
    await ask()
    return world.clock.now() - since
  }

  it("a neighbour's ping is answered in the time that it takes", async () => {
    const { world } = await busy()
    await registerHook(world, "http://a.example/")
    await world.fetch("/register", { json: { event: "invoice.paid", url: "http://b.example/" } })
    let answer: unknown
    const took = await waitedFor(world, async () => {
      answer = await (await world.fetch("/ping", { method: "POST" })).json()
    })
    expect(answer).toMatchObject({ successful_webhooks_count: 2, failed_webhooks_count: 0 })
    expect(took).toBeLessThan(1_000)
    // B's door answers at once; its receivers hear of it before any time has passed.
    await world.fetch("/ping", { method: "POST", headers: { accept: "text/plain" } })
    await work(world)
    await expect.poll(() => world.receivers.to("http://b.example/").length).toBe(2)
  })

  it("a neighbour's upload is processed, and its resend made, before any time has passed", async () => {
    const { world, other } = await busy()
    const { id } = await registerWebhook(world)
    const uploadId = await uploadFile(world, id, filePart("whole"))
    await other.resend()
    const since = world.clock.now()
    await work(world)
    await expect.poll(() => other.status()).toEqual(["success"])
    expect(await statusOf(world, uploadId)).toMatchObject({ state: "completed" })
    expect(world.clock.now()).toBe(since)
  })
})

it("a ping is made within 2 s behind resends of ten applications and uploads that wait", async () => {
  const world = await createWorld()
  const tenants = []
  for (let n = 0; n < 10; n++) tenants.push(await makeApplication(world, `acme${n}`, { endpoints: 4 }))
  for (const tenant of tenants) for (let n = 0; n < 4; n++) await tenant.resend(n)
  const { id } = await registerWebhook(world)
  for (let n = 0; n < 20; n++) await uploadFile(world, id, filePart("whole"))
  await registerHook(world, "http://a.example/")
  await world.fetch("/register", { json: { event: "invoice.paid", url: "http://b.example/" } })
  const since = world.clock.now()
  const { pass } = startConsumers(world)
  world.clock.whileAsleep = pass
  await world.fetch("/ping", { method: "POST" })
  for (const url of ["http://a.example/", "http://b.example/"]) {
    const [made] = world.receivers.to(url)
    expect((made?.at ?? Number.POSITIVE_INFINITY) - since).toBeLessThanOrEqual(2_000)
  }
  await pass(10_000)
  const resent = world.receivers.received.filter(({ url }) => url.startsWith("http://acme"))
  expect(resent).toHaveLength(40)
})

describe("resends whose jobs are lost", () => {
  it("are found, by application, and none is given up for having waited long", async () => {
    const world = await createWorld()
    const acme = await makeApplication(world, "acme", { endpoints: 8 })
    const other = await makeApplication(world, "other")
    for (let n = 0; n < 8; n++) await acme.resend(n)
    await other.resend()
    world.queued.length = 0
    world.clock.advance(2 * HOUR_MS)
    await world.sweep()
    expect(world.queued.filter(({ job }) => job.kind === "resend")).toHaveLength(2)
    await world.runDue()
    expect(await other.status()).toEqual(["success"])
    expect(await acme.status()).toEqual(Array(8).fill("success"))
  })

  it("are made without a queue too, beside retries and new events, one a minute", async () => {
    const world = await createWorld()
    const acme = await makeApplication(world, "acme", { endpoints: 3 })
    world.queueRefuses = true
    for (let n = 0; n < 3; n++) await acme.resend(n)
    for (let minute = 0; minute < 3 * world.deps.shards.length; minute++) {
      world.clock.advance(MINUTE_MS)
      await world.sweep()
      await world.settled()
    }
    expect(await acme.status()).toEqual(Array(3).fill("success"))
  })
})
