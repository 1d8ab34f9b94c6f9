import { beforeEach, describe, expect, it } from "vitest"
import {
  BOUNDARY,
  type Envelope,
  emptyBucket,
  expectRefusal,
  fieldPart,
  filePart,
  HOOK,
  multipart,
  noise,
  registerWebhook,
  send,
  statusOf,
  statusUrl,
  storedKeys,
  uploadFile,
  uploadRows,
} from "../support/uploads.ts"
import { createWorld, type World } from "../support/world.ts"

const UNKNOWN_ID = "019a8f0c-5d1b-7c3e-9a4f-2b6d8e0c1a3f"

let world: World

beforeEach(async () => {
  world = await createWorld()
  await emptyBucket(world)
})

describe("POST /upload_file/webhook_id/{webhook_id}", () => {
  it("answers at once, exactly, with where to look", async () => {
    const { id } = await registerWebhook(world)
    const response = await send(world, id, multipart([filePart("hello", 'filename="a.txt"', "text/plain")]))
    const text = await response.text()
    const uploadId = (JSON.parse(text) as Envelope<Record<string, string>>).data.upload_id ?? ""
    expect(response.status).toBe(200)
    expect(text).toBe(
      `{"message":"ok","data":{"upload_id":"${uploadId}","status_url":"${statusUrl(uploadId)}"},"error":false}`,
    )
    expect(world.receivers.received).toEqual([])
    expect(await statusOf(world, uploadId)).toMatchObject({ state: "received" })
  })

  it("takes curl's content type with two boundaries: the last one is the true one", async () => {
    const { id } = await registerWebhook(world)
    const type = `multipart/form-data; boundary=---011000010111000001101001; boundary=${BOUNDARY}`
    const content = "---011000010111000001101001\r\n-----011000010111000001101001--\r\n"
    const response = await send(world, id, multipart([filePart(content)]), type)
    const { upload_id } = (await response.json<Envelope<{ upload_id: string }>>()).data
    expect(await (await world.fetch(`/uploads/${upload_id}/content`)).text()).toBe(content)
  })

  it.each([
    ["a quoted boundary", 'multipart/form-data; boundary="b 1"', "b 1"],
    ["capitals", "Multipart/Form-Data; BOUNDARY=b1", "b1"],
    ["another parameter", "multipart/form-data; charset=utf-8; boundary=b1", "b1"],
  ])("takes %s", async (_, type, boundary) => {
    const { id } = await registerWebhook(world)
    expect((await send(world, id, multipart([filePart("x")], boundary), type)).status).toBe(200)
  })

  it("takes what the platform's own FormData sends", async () => {
    const { id } = await registerWebhook(world)
    const form = new FormData()
    form.set("note", "one")
    form.set("file", new File(["hello"], 'na"me.txt', { type: "text/x-own" }))
    const request = new Request("http://x/", { method: "POST", body: form })
    const response = await send(world, id, request.body, request.headers.get("content-type") ?? "")
    const { upload_id } = (await response.json<Envelope<{ upload_id: string }>>()).data
    expect(await statusOf(world, upload_id)).toMatchObject({
      file_name: 'na"me.txt',
      content_type: "text/x-own",
      size: 5,
    })
  })

  it("of several files takes the first, among other fields", async () => {
    const { id } = await registerWebhook(world)
    const parts = [
      fieldPart("file", "no file name, so no file"),
      { headers: ['Content-Disposition: form-data; name="other"; filename="o"'], content: "other" },
      filePart("first"),
      fieldPart("note", "x"),
      filePart("second"),
    ]
    const response = await send(world, id, multipart(parts))
    const { upload_id } = (await response.json<Envelope<{ upload_id: string }>>()).data
    expect(await (await world.fetch(`/uploads/${upload_id}/content`)).text()).toBe("first")
    expect(await uploadRows(world)).toHaveLength(1)
  })

  it("takes an empty file", async () => {
    const { id } = await registerWebhook(world)
    const uploadId = await uploadFile(world, id, filePart(""))
    await world.runDue()
    expect(await statusOf(world, uploadId)).toMatchObject({ state: "completed", size: 0 })
  })

  it.each([
    ["is JSON", "{}", "application/json"],
    ["is a form of another kind", "file=x", "application/x-www-form-urlencoded"],
    ["is multipart of another kind", multipart([filePart("x")]), `multipart/mixed; boundary=${BOUNDARY}`],
    ["has no boundary", multipart([filePart("x")]), "multipart/form-data"],
    ["has another boundary", multipart([filePart("x")]), "multipart/form-data; boundary=other"],
    ["is empty", "", undefined],
    ["has no parts", multipart([]), undefined],
    ["has no field `file`", multipart([fieldPart("other", "x")]), undefined],
    ["has a `file` without a file name", multipart([fieldPart("file", "x")]), undefined],
    [
      "has headers without end",
      multipart([{ headers: [`X: ${"y".repeat(20_000)}`], content: "" }]),
      undefined,
    ],
  ])("answers `No file part` when the body %s", async (_, body, type) => {
    const { id } = await registerWebhook(world)
    await expectRefusal(await send(world, id, body, type), 400, "No file part")
    expect(await uploadRows(world)).toEqual([])
  })

  it("answers `No file part` without a body", async () => {
    const { id } = await registerWebhook(world)
    const response = await world.fetch(`/upload_file/webhook_id/${id}`, { method: "POST" })
    await expectRefusal(response, 400, "No file part")
  })

  it("answers `No selected file` when the file's name is empty", async () => {
    const { id } = await registerWebhook(world)
    const body = multipart([filePart("", 'filename=""', "application/octet-stream")])
    await expectRefusal(await send(world, id, body), 400, "No selected file")
    expect(await uploadRows(world)).toEqual([])
  })

  it.each([UNKNOWN_ID, "1", "%00", "ep_019a8f0c5d1b7c3e9a4f2b6d8e0c1a3f"])(
    "does not find the webhook %s",
    async (id) => {
      await expectRefusal(await send(world, id, multipart([filePart("x")])), 404, "Webhook not found")
    },
  )

  it("does not find an endpoint of another application", async () => {
    const answer = await world.fetch("/webhook", { json: { event: "user_registered", url: HOOK } })
    const { endpoint_id } = await answer.json<{ endpoint_id: string }>()
    const hex = endpoint_id.slice(3)
    const id = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join(
      "-",
    )
    expect((await send(world, id, multipart([filePart("x")]))).status).toBe(404)
  })

  describe("with a limit of 1,000 bytes", () => {
    beforeEach(async () => {
      world = await createWorld({ MAX_UPLOAD_BYTES: "1000" })
    })

    it("takes a file of just that", async () => {
      const { id } = await registerWebhook(world)
      const parts = [fieldPart("note", "x".repeat(2000)), filePart(noise(1000))]
      expect((await send(world, id, multipart(parts))).status).toBe(200)
    })

    it("refuses one byte more, and keeps nothing", async () => {
      const { id } = await registerWebhook(world)
      await expectRefusal(
        await send(world, id, multipart([filePart(noise(1001))])),
        413,
        "The file has at most 1000 bytes",
      )
      expect([await uploadRows(world), await storedKeys(world)]).toEqual([[], []])
    })

    it("refuses by the announced length, before reading", async () => {
      const { id } = await registerWebhook(world)
      const headers = { "content-length": String(1000 + 2 * 1024 * 1024) }
      const response = await send(world, id, multipart([filePart("x")]), undefined, headers)
      await expectRefusal(response, 413, "The file has at most 1000 bytes")
    })

    it("refuses a body that goes on for ever around its file", async () => {
      const { id } = await registerWebhook(world)
      const parts = [filePart("x"), fieldPart("note", "x".repeat(2 * 1024 * 1024))]
      await expectRefusal(await send(world, id, multipart(parts)), 413, "The file has at most 1000 bytes")
      expect([await uploadRows(world), await storedKeys(world)]).toEqual([[], []])
    })
  })

  it.each([1, 10, BOUNDARY.length + 7, 200])(
    "refuses a body that lacks its last %i bytes",
    async (missing) => {
      const { id } = await registerWebhook(world)
      const whole = multipart([filePart(noise(500))]).slice(0, -2)
      await expectRefusal(
        await send(world, id, whole.slice(0, -missing)),
        400,
        "The file did not arrive whole; send it again",
      )
      expect([await uploadRows(world), await storedKeys(world)]).toEqual([[], []])
    },
  )

  it("answers 503 and names the step on an account without R2", async () => {
    const { id } = await registerWebhook(world)
    world.deps.files = null
    const response = await send(world, id, multipart([filePart("x")]))
    expect(response.status).toBe(503)
    expect(await response.json()).toEqual({
      message: expect.stringContaining("`npx wrangler r2 bucket create posthorn-files`"),
      data: {},
      error: true,
    })
  })

  it("answers 507 when the database is full", async () => {
    const { id } = await registerWebhook(world)
    world.db.sizeBytes = () => world.config.databaseLimitBytes * 0.96
    const response = await send(world, id, multipart([filePart("x")]))
    expect([response.status, await response.json()]).toMatchObject([507, { data: {}, error: true }])
    expect(await uploadRows(world)).toEqual([])
  })
})
