import { beforeEach, describe, expect, it } from "vitest"

import { runCron } from "../../src/cron.ts"
import type { Batch, Db } from "../../src/db/client.ts"
import { layOut } from "../../src/db/directory.ts"
import { consume } from "../../src/queue.ts"
import {
  concat,
  emptyBucket,
  filePart,
  HOOK,
  MIB,
  multipart,
  noise,
  registerWebhook,
  send,
  statusOf,
  storedKeys,
  uploadFile,
  uploadRows,
  type Watched,
  watchFiles,
} from "../support/uploads.ts"
import { batchOf, createWorld, type World } from "../support/world.ts"

const HOUR_MS = 3600 * 1000
const DAY_MS = 24 * HOUR_MS
/** Longer than the lease on a small file. */
const LEASE_MS = 62_000
const LARGE = noise(12 * MIB)
const CUT_SHORT = { message: "The file did not arrive whole; send it again", data: {}, error: true }
const never = () => new Promise<never>(() => {})

let world: World
let webhookId: string
let watched: Watched

beforeEach(async () => {
  world = await createWorld()
  webhookId = (await registerWebhook(world)).id
  await emptyBucket(world)
  watched = watchFiles(world)
})

const upload = () => uploadFile(world, webhookId, filePart("hello"))
const events = async () =>
  (await world.env.DB.prepare("SELECT id FROM events WHERE application_id = 'app_uploads'").all()).results
const nothing = async () => expect([await uploadRows(world), await storedKeys(world)]).toEqual([[], []])

/** Runs what the queue holds in a process that dies at its first call of this kind, and takes its jobs along. */
async function dieAt(call: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    watched.before = (made) => {
      if (made !== call) return
      resolve()
      return never()
    }
    world.runDue().then(() => reject(new Error(`survived ${call}`)), reject)
  })
  watched.before = null
}

describe("a file that does not arrive", () => {
  it("leaves nothing when the bucket fails half-way, and R2's upload is aborted", async () => {
    watched.before = (call) => {
      if (call === "part 2") throw new Error("R2 is away")
    }
    const response = await send(world, webhookId, multipart([filePart(LARGE)]))
    expect([response.status, await response.json()]).toMatchObject([500, { data: {}, error: true }])
    expect(watched.calls).toEqual(["create", "part 1", "part 2", "abort", "delete"])
    await nothing()
  })

  it.each(["create", "put"])("leaves nothing when the bucket refuses `%s`", async (refused) => {
    watched.before = (call) => {
      if (call === refused) throw new Error("R2 is away")
    }
    const file = refused === "put" ? noise(10) : LARGE
    expect((await send(world, webhookId, multipart([filePart(file)]))).status).toBe(500)
    await nothing()
  })

  it("leaves nothing when its client goes away half-way", async () => {
    const body = multipart([filePart(LARGE)])
    let sent = 0
    const broken = new ReadableStream({
      pull(controller) {
        if (sent > 8 * MIB) controller.error(new Error("Network connection lost."))
        else controller.enqueue(body.slice(sent, sent + MIB))
        sent += MIB
      },
    })
    const response = await send(world, webhookId, broken)
    expect([response.status, await response.json()]).toEqual([400, CUT_SHORT])
    expect(watched.calls).toEqual(["create", "part 1", "abort", "delete"])
    await nothing()
  })

  it("leaves nothing when it turns out too large after some parts", async () => {
    world = await createWorld({ MAX_UPLOAD_BYTES: String(11 * MIB) })
    webhookId = (await registerWebhook(world)).id
    watched = watchFiles(world)
    expect((await send(world, webhookId, multipart([filePart(LARGE)]))).status).toBe(413)
    expect(watched.calls.slice(-2)).toEqual(["abort", "delete"])
    await nothing()
  })

  it("leaves nothing when a later part of the body is malformed", async () => {
    const body = concat([multipart([filePart(LARGE)]).slice(0, -4), `\r\nX: ${"y".repeat(20_000)}`])
    const response = await send(world, webhookId, body)
    expect([response.status, await response.json()]).toEqual([400, CUT_SHORT])
    await nothing()
  })

  it("is refused when its row cannot be written: no byte is stored without one", async () => {
    world.probe.before = (statements) => {
      if (statements.some((text) => text.includes("INTO uploads"))) throw new Error("D1 is away")
    }
    expect((await send(world, webhookId, multipart([filePart("x")]))).status).toBe(500)
    expect(watched.calls).toEqual([])
  })

  it("keeps its row when what was stored cannot be taken back now; a sweep does", async () => {
    let away = true
    watched.before = (call) => {
      if (away && (call === "part 2" || call === "abort")) throw new Error("R2 is away")
    }
    await send(world, webhookId, multipart([filePart(LARGE)]))
    expect(await uploadRows(world)).toMatchObject([{ state: "receiving", multipart_id: expect.any(String) }])
    away = false
    await runCron(world.deps)
    expect(await uploadRows(world)).toMatchObject([{ state: "receiving" }])
    world.clock.advance(HOUR_MS + 1)
    await runCron(world.deps)
    expect(watched.calls.slice(-2)).toEqual(["abort", "delete"])
    expect(await uploadRows(world)).toMatchObject([
      { state: "failed", failure: "The file did not arrive whole" },
    ])
  })
})

describe("a process that dies while it receives", () => {
  /** Sends a file in a process that dies for good at this call; its row and bytes stay as they are. */
  async function dieReceiving(call: string): Promise<void> {
    await new Promise<void>((resolve) => {
      watched.before = (made) => {
        if (made !== call) return
        resolve()
        return never()
      }
      void send(world, webhookId, multipart([filePart(LARGE)]))
    })
    watched.before = null
  }

  it.each(["create", "part 1", "part 2", "complete"])(
    "at `%s` leaves a row that the sweep ends an hour later",
    async (call) => {
      await dieReceiving(call)
      const [row] = await uploadRows(world)
      expect(row).toMatchObject({ state: "receiving" })
      expect((await world.fetch(`/uploads/${row?.id}`)).status).toBe(404)
      expect((await world.fetch(`/uploads/${row?.id}/content`)).status).toBe(404)
      world.clock.advance(HOUR_MS + 1)
      await runCron(world.deps)
      expect(await statusOf(world, String(row?.id))).toMatchObject({
        state: "failed",
        failure: "The file did not arrive whole",
      })
      expect(watched.calls.at(-1)).toBe("delete")
      expect(watched.calls.includes("abort")).toBe(call !== "create")
      expect(await storedKeys(world)).toEqual([])
    },
  )

  it("with the object stored and the row not updated leaves nothing but a failed row", async () => {
    world.probe.before = (statements) => {
      if (statements.some((text) => text.includes("state = 'received'"))) throw new Error("D1 is away")
    }
    expect((await send(world, webhookId, multipart([filePart("x")]))).status).toBe(500)
    world.probe.before = null
    expect(await storedKeys(world)).toHaveLength(1)
    world.clock.advance(HOUR_MS + 1)
    await runCron(world.deps)
    expect(await storedKeys(world)).toEqual([])
    expect(await uploadRows(world)).toMatchObject([{ state: "failed" }])
    expect(world.receivers.received).toEqual([])
  })

  it("does not fail when D1's answer is lost: the row is recognised", async () => {
    let faults = 2
    world.probe.after = (statements) => {
      if (statements.some((text) => text.includes("uploads")) && faults-- > 0)
        throw new Error("D1_ERROR: Network connection lost.")
    }
    const uploadId = await upload()
    expect(await statusOf(world, uploadId)).toMatchObject({ state: "received" })
  })

  it("is told so when the sweep has given its upload up meanwhile", async () => {
    watched.before = async (call) => {
      if (call !== "complete") return
      world.clock.advance(HOUR_MS + 1)
      watched.before = null
      await world.env.DB.prepare("UPDATE uploads SET state = 'failed'").run()
    }
    const response = await send(world, webhookId, multipart([filePart(LARGE)]))
    expect(response.status).toBe(408)
    expect(await storedKeys(world)).toEqual([])
  })
})

describe("the job", () => {
  it("may be refused by the queue: the answer is 200, and a sweep sends it", async () => {
    world.queueRefuses = true
    const uploadId = await upload()
    world.queueRefuses = false
    await runCron(world.deps)
    await world.runDue()
    expect(await statusOf(world, uploadId)).toMatchObject({ state: "completed" })
    expect(world.receivers.to(HOOK)).toHaveLength(1)
  })

  it("is one in the queue, however many uploads wait: who waits behind it waits for one", async () => {
    const ids: string[] = []
    for (let n = 0; n < 5; n++) ids.push(await upload())
    const processing = () => world.queued.filter(({ job }) => job.kind === "process-upload")
    for (const id of ids) {
      const [job, ...more] = processing()
      expect([job?.job, ...more]).toMatchObject([{ uploadId: id }])
      if (job) await world.run(world.queued.splice(world.queued.indexOf(job), 1))
    }
    expect(processing()).toEqual([])
    expect(await Promise.all(ids.map(async (id) => (await statusOf(world, id)).state))).toEqual(
      Array(5).fill("completed"),
    )
  })

  it("that is lost has one sent by the sweep, which brings the others", async () => {
    const ids = [await upload(), await upload(), await upload()]
    world.queued.length = 0
    await runCron(world.deps)
    expect(world.queued.filter(({ job }) => job.kind === "process-upload")).toHaveLength(1)
    await world.runDue()
    expect(await Promise.all(ids.map(async (id) => (await statusOf(world, id)).state))).toEqual(
      Array(3).fill("completed"),
    )
  })

  it("may be refused for ever: sweeps process, a few files each", async () => {
    world.queueRefuses = true
    const ids = [await upload(), await upload(), await upload(), await upload(), await upload()]
    await runCron(world.deps)
    const states = async () => Promise.all(ids.map(async (id) => (await statusOf(world, id)).state))
    expect(await states()).toEqual(["completed", "completed", "completed", "received", "received"])
    for (let minute = 0; minute < 2; minute++) await runCron(world.deps)
    expect(new Set(await states())).toEqual(new Set(["completed"]))
  })

  it("may be lost: the row alone is enough", async () => {
    const uploadId = await upload()
    world.queued.length = 0
    await runCron(world.deps)
    await world.runDue()
    expect(await statusOf(world, uploadId)).toMatchObject({ state: "completed" })
  })

  it("may come twice, one after the other: one event", async () => {
    await upload()
    world.queued.push(...world.queued.map((entry) => ({ ...entry })))
    await world.runDue()
    expect(await events()).toHaveLength(1)
    expect(world.receivers.to(HOOK)).toHaveLength(1)
  })

  it("may come twelve times at once: the file is read once, one event, one notification", async () => {
    await upload()
    const [job] = world.queued.splice(0)
    if (!job) throw new Error("no job was sent")
    await Promise.all(Array.from({ length: 12 }, () => consume(batchOf([job]), world.deps)))
    await world.runDue()
    expect(watched.calls).toEqual(["put", "get"])
    expect(await events()).toHaveLength(1)
    expect(world.receivers.to(HOOK)).toHaveLength(1)
  })

  it("may come for an upload that does not exist", async () => {
    const job = { kind: "process-upload", shard: 0, uploadId: "upl_1" }
    await world.run([{ queue: "tasks", job, at: 0 }])
    expect(watched.calls).toEqual([])
  })

  it("may come when D1 is away: it is retried", async () => {
    await upload()
    const batch = batchOf(world.queued.splice(0))
    world.probe.before = () => {
      throw new Error("D1 is away")
    }
    await consume(batch, world.deps)
    expect(batch.settled).toEqual(["retry"])
  })
})

describe("a process that dies while it processes", () => {
  it("reading the file back: the next one does it all, once the lease ran out", async () => {
    const uploadId = await upload()
    await dieAt("get")
    expect(await statusOf(world, uploadId)).toMatchObject({ state: "processing" })
    await runCron(world.deps)
    await world.runDue()
    expect(await statusOf(world, uploadId)).toMatchObject({ state: "processing" })
    world.clock.advance(LEASE_MS)
    await runCron(world.deps)
    await world.runDue()
    expect(await statusOf(world, uploadId)).toMatchObject({ state: "completed" })
    expect(await events()).toHaveLength(1)
  })

  it("before publishing: the next one publishes", async () => {
    const uploadId = await upload()
    await diePublishing("before")
    world.clock.advance(LEASE_MS)
    await runCron(world.deps)
    await world.runDue()
    expect(await statusOf(world, uploadId)).toMatchObject({ state: "completed" })
    expect(world.receivers.to(HOOK)).toHaveLength(1)
  })

  it("after publishing: it is completed, and the event is delivered once", async () => {
    const uploadId = await upload()
    await diePublishing("after")
    expect(await statusOf(world, uploadId)).toMatchObject({ state: "completed" })
    world.clock.advance(LEASE_MS)
    await runCron(world.deps)
    await world.runDue()
    expect(await events()).toHaveLength(1)
    expect(world.receivers.to(HOOK)).toHaveLength(1)
  })

  it("so slowly that another took over: the late one publishes nothing", async () => {
    const uploadId = await upload()
    let goOn = () => {}
    watched.before = (call) => {
      if (call !== "get") return
      watched.before = null
      return new Promise<void>((resolve) => (goOn = resolve))
    }
    const slow = consume(batchOf(world.queued.splice(0)), world.deps)
    await expect.poll(() => watched.calls.includes("get")).toBe(true)
    world.clock.advance(LEASE_MS)
    await runCron(world.deps)
    await world.runDue()
    goOn()
    await slow
    await world.runDue()
    expect(await events()).toHaveLength(1)
    expect(await statusOf(world, uploadId)).toMatchObject({ state: "completed" })
  })

  it("eight times: the upload ends as failed, and is left alone", async () => {
    const uploadId = await upload()
    for (let death = 0; death < 8; death++) {
      await dieAt("get")
      world.clock.advance(LEASE_MS)
      await runCron(world.deps)
    }
    expect(await statusOf(world, uploadId)).toMatchObject({
      state: "failed",
      failure: "Processing ended 8 times without a result",
    })
    const calls = watched.calls.length
    await runCron(world.deps)
    await world.runDue()
    expect(watched.calls).toHaveLength(calls)
    expect(await events()).toEqual([])
  })

  /** Runs the queue in a process that dies before, or after, the batch that publishes. */
  async function diePublishing(when: "before" | "after"): Promise<void> {
    await new Promise<void>((resolve) => {
      const { batch } = world.db
      async function dyingBatch(statements: Batch) {
        if (!("event" in statements)) return batch(statements)
        if (when === "after") await batch(statements)
        resolve()
        return never()
      }
      const mortal: Db = { ...world.db, batch: dyingBatch as Db["batch"] }
      void world.runDue(false, { ...world.deps, ...layOut([mortal]) })
    })
  }
})

describe("a fault while processing", () => {
  it("is tried again later each time, for more than half an hour, before it counts as failed", async () => {
    const uploadId = await upload()
    watched.before = (call) => {
      if (call === "get") throw new Error("R2 is away")
    }
    await world.runDue()
    let minutes = 0
    for (; (await statusOf(world, uploadId)).state === "processing" && minutes < 300; minutes++) {
      world.clock.advance(60_000)
      await runCron(world.deps)
      await world.runDue()
    }
    expect(await statusOf(world, uploadId)).toMatchObject({ state: "failed" })
    expect(watched.calls.filter((call) => call === "get")).toHaveLength(8)
    expect(minutes).toBeGreaterThan(30)
  })

  it("that passes costs nothing but time", async () => {
    const uploadId = await upload()
    watched.before = (call) => {
      if (call !== "get") return
      watched.before = null
      throw new Error("R2 is away")
    }
    await world.runDue()
    expect(await statusOf(world, uploadId)).toMatchObject({ state: "processing" })
    world.clock.advance(60_000)
    await runCron(world.deps)
    await world.runDue()
    expect(await statusOf(world, uploadId)).toMatchObject({ state: "completed" })
  })
})

describe("a stored file that is not the one that arrived", () => {
  it.each([
    ["is gone", null, "The stored file is gone"],
    ["is of another size", "hello!", "The stored file has 6 bytes instead of 5"],
    ["has other bytes", "hellO", "The stored file is not the one that arrived"],
  ])("fails when it %s, and nobody is told", async (_, stored, failure) => {
    const uploadId = await upload()
    if (stored === null) await world.env.FILES.delete(uploadId)
    else await world.env.FILES.put(uploadId, stored)
    await world.runDue()
    expect(await statusOf(world, uploadId)).toMatchObject({ state: "failed", failure, event_id: null })
    expect((await world.fetch(`/uploads/${uploadId}/content`)).status).toBe(404)
    expect(world.receivers.received).toEqual([])
  })
})

describe("retention", () => {
  it("takes the file and then its row, once it is past, and not before", async () => {
    const uploadId = await upload()
    await world.runDue()
    world.clock.advance(7 * DAY_MS - 1000)
    await runCron(world.deps)
    expect(await statusOf(world, uploadId)).toMatchObject({ state: "completed" })
    world.clock.advance(2000)
    await runCron(world.deps)
    await nothing()
    expect((await world.fetch(`/uploads/${uploadId}`)).status).toBe(404)
  })

  it("takes failed uploads too, and leaves those that still wait", async () => {
    const failed = await upload()
    await world.env.FILES.delete(failed)
    await world.runDue()
    const waiting = await upload()
    world.queued.length = 0
    world.clock.advance(8 * DAY_MS)
    await runCron(world.deps)
    expect((await uploadRows(world)).map(({ id }) => id)).toEqual([waiting])
  })

  it("is bounded per run", async () => {
    await world.env.DB.prepare(
      `INSERT INTO uploads (id, endpoint_id, state, file_name, content_type, created_at, updated_at)
       WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250)
       SELECT format('upl_%032d', i), 'ep_1', 'completed', 'x', 'x/x', 1, 1 FROM n`,
    ).run()
    await runCron(world.deps)
    expect(await uploadRows(world)).toHaveLength(150)
    expect(watched.calls).toEqual(["delete"])
  })

  it("keeps the row when the object cannot be deleted", async () => {
    const uploadId = await upload()
    await world.runDue()
    world.clock.advance(8 * DAY_MS)
    watched.before = (call) => {
      if (call === "delete") throw new Error("R2 is away")
    }
    await expect(runCron(world.deps)).rejects.toThrow("R2 is away")
    expect(await statusOf(world, uploadId)).toMatchObject({ state: "completed" })
    watched.before = null
    await runCron(world.deps)
    await nothing()
  })
})

describe("the cron", () => {
  /** Without those by which other shards are swept. */
  const uploadJobs = () => world.queued.filter(({ job }) => job.kind !== "sweep")

  it("sweeps the uploads although the engine's sweep fails, and says so", async () => {
    const uploadId = await upload()
    world.queued.length = 0
    world.probe.before = (statements) => {
      if (statements.some((text) => text.includes("FROM endpoints"))) throw new Error("D1 is unwell")
    }
    await expect(runCron(world.deps)).rejects.toThrow("D1 is unwell")
    world.probe.before = null
    expect(uploadJobs()).toMatchObject([{ job: { kind: "process-upload", uploadId } }])
  })

  it("does nothing about uploads on an account without R2", async () => {
    await upload()
    world.queued.length = 0
    world.deps.files = null
    await runCron(world.deps)
    expect(uploadJobs()).toEqual([])
  })

  it.each(["state = 'receiving' AND id < 'upl_1'", "state = 'received'"])(
    "finds unfinished uploads by the index made for them: %s",
    async (condition) => {
      const plan = await world.env.DB.prepare(
        `EXPLAIN QUERY PLAN SELECT id FROM uploads WHERE state in ('receiving', 'received', 'processing')
       AND ${condition} ORDER BY id LIMIT 50`,
      ).all<{ detail: string }>()
      expect(plan.results.map(({ detail }) => detail).join()).toContain("uploads_unfinished")
    },
  )
})
