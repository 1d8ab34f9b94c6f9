import { beforeEach, describe, expect, it } from "vitest"
import { verify } from "../support/receiver.ts"
import {
  type Envelope,
  EVENT_TYPE_ID,
  emptyBucket,
  expectRefusal,
  filePart,
  HOOK,
  makePng,
  registerWebhook,
  sha256,
  statusOf,
  uploadFile,
} from "../support/uploads.ts"
import { createWorld, ORIGIN, type World } from "../support/world.ts"

const LISTED =
  '{"message":"Successfully !","data":[{"id":"21f8e1f7-4142-42f9-ac30-74961702b2eb","name":"upload file","description":"Event type for file upload operations"}],"error":false}'

const NONE_LISTED = '{"message":"Successfully !","data":[],"error":false}'

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

const UNKNOWN_ID = "019a8f0c-5d1b-7c3e-9a4f-2b6d8e0c1a3f"

const DOCUMENTED = {
  custom_headers: { "Content-Type": "application/json", Authorization: "Bearer yourtokenhere" },
  custom_payload: { key1: "value1", key2: "value2" },
}

let world: World

beforeEach(async () => {
  world = await createWorld()
  await emptyBucket(world)
})

describe("GET /event_type", () => {
  it.each([
    ["", LISTED],
    ["?id=&name=", LISTED],
    [`?id=${EVENT_TYPE_ID}`, LISTED],
    [`?id=${EVENT_TYPE_ID.toUpperCase()}`, LISTED],
    ["?name=upload%20file", LISTED],
    ["?name=upload_file", LISTED],
    [`?id=${EVENT_TYPE_ID}&name=upload+file`, LISTED],
    ["?id=nope", NONE_LISTED],
    ["?name=user_registered", NONE_LISTED],
    [`?id=${EVENT_TYPE_ID}&name=other`, NONE_LISTED],
  ])("with %s answers exactly", async (query, body) => {
    const response = await world.fetch(`/event_type${query}`)
    expect([response.status, await response.text()]).toEqual([200, body])
  })

  it("takes a trailing slash", async () => {
    expect(await (await world.fetch("/event_type/")).text()).toBe(LISTED)
  })

  it("refuses a filter given twice", async () => {
    expect((await world.fetch("/event_type?id=a&id=b")).status).toBe(400)
  })
})

describe("POST /webhook/register", () => {
  const valid = { event_type_id: EVENT_TYPE_ID, user_id: 1, url: "https://example.com/webhook" }
  const register = (json: unknown) => world.fetch("/webhook/register", { json })

  it("answers exactly, with the endpoint and its secret besides", async () => {
    const response = await register({ ...valid, ...DOCUMENTED })
    expect(response.status).toBe(200)
    const text = await response.text()
    const { id, endpoint_id, secret } = (JSON.parse(text) as Envelope<Record<string, string>>).data
    expect(text).toBe(
      `{"message":"Register Webhook Successfully!","data":{"id":"${id}","user_id":1,"url":"https://example.com/webhook","created_at":"2026-01-15 12:00:00","updated_at":"2026-01-15 12:00:00","endpoint_id":"${endpoint_id}","secret":"${secret}"},"error":false}`,
    )
    expect(id).toMatch(UUID)
    expect(endpoint_id).toBe(`ep_${id?.replaceAll("-", "")}`)
    expect(secret).toMatch(/^whsec_/)
  })

  it.each([
    ["a numeric string", { user_id: "1" }, 1],
    ["a negative number", { user_id: "-7" }, -7],
    ["zero", { user_id: 0 }, 0],
  ])("takes %s as user_id", async (_, change, userId) => {
    const { data } = await (await register({ ...valid, ...change })).json<Envelope>()
    expect(data.user_id).toBe(userId)
  })

  it("takes null for what is absent, and ignores unknown fields", async () => {
    const response = await register({ ...valid, custom_headers: null, custom_payload: null, other: 1 })
    expect(response.status).toBe(200)
  })

  it("takes the event type's id in capitals, and a body without a content type", async () => {
    const body = JSON.stringify({ ...valid, event_type_id: EVENT_TYPE_ID.toUpperCase() })
    const request = { method: "POST", body: new TextEncoder().encode(body) }
    expect((await world.fetch("/webhook/register", request)).status).toBe(200)
  })

  it("makes an endpoint of its own each time", async () => {
    const [first, second] = [await registerWebhook(world), await registerWebhook(world)]
    expect(first.id).not.toBe(second.id)
    expect(first.secret).not.toBe(second.secret)
  })

  it.each<[string, unknown]>([
    ["no event_type_id", { user_id: 1, url: HOOK }],
    ["no user_id", { event_type_id: EVENT_TYPE_ID, url: HOOK }],
    ["no url", { event_type_id: EVENT_TYPE_ID, user_id: 1 }],
    ["a number as event_type_id", { ...valid, event_type_id: 1 }],
    ["a word as user_id", { ...valid, user_id: "one" }],
    ["a fraction as user_id", { ...valid, user_id: 1.5 }],
    ["an empty user_id", { ...valid, user_id: "" }],
    ["true as user_id", { ...valid, user_id: true }],
    ["null as user_id", { ...valid, user_id: null }],
    ["a user_id beyond exact integers", { ...valid, user_id: "9007199254740993" }],
    ["a number as url", { ...valid, url: 1 }],
    ["an array as custom_headers", { ...valid, custom_headers: ["a"] }],
    ["a text as custom_headers", { ...valid, custom_headers: "a" }],
    ["a number among custom_headers", { ...valid, custom_headers: { a: 1 } }],
    ["an array as custom_payload", { ...valid, custom_payload: [1] }],
    ["a text as custom_payload", { ...valid, custom_payload: "a" }],
    ["an array", []],
    ["null", null],
    ["a text", "x"],
  ])("refuses %s", async (_, json) => {
    await expectRefusal(await register(json), 400, "Invalid JSON input")
  })

  it.each([
    ["malformed JSON", "application/json", "{"],
    ["an empty body", "application/json", ""],
    ["another content type", "text/plain", JSON.stringify(valid)],
    ["a form", "application/x-www-form-urlencoded", "user_id=1"],
    ["bytes that are no UTF-8", "application/json", new Uint8Array([0x22, 0xff, 0x22])],
    ["half a surrogate pair", "application/json", `{"custom_payload": {"a": "\\ud800"}}`],
  ])("refuses %s", async (_, type, body) => {
    const request = { method: "POST", headers: { "content-type": type }, body }
    await expectRefusal(await world.fetch("/webhook/register", request), 400, "Invalid JSON input")
  })

  it.each([
    ["ftp://example.com", /begin with https/],
    ["nonsense", /cannot be read/],
    ["http://user:pw@example.com/", /user name or password/],
    [`${ORIGIN}/hook`, /this service itself/],
    [`http://example.com/${"x".repeat(2048)}`, /too long/],
  ])("refuses the target %s with a sentence", async (url, sentence) => {
    const response = await register({ ...valid, url })
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual({ message: expect.stringMatching(sentence), data: {}, error: true })
  })

  it("refuses a private target where those are not allowed", async () => {
    world = await createWorld({ ALLOW_PRIVATE_TARGETS: "false" })
    const response = await register({ ...valid, url: "http://10.0.0.1/" })
    expect(response.status).toBe(400)
    expect((await response.json<Envelope>()).message).toMatch(/private/)
  })

  it.each<[string, Record<string, string>]>([
    ["a reserved name", { Host: "example.com" }],
    ["our own prefix", { "webhook-id": "x" }],
    ["a name that is no token", { "a b": "x" }],
    ["a line break in a value", { "X-A": "s3cret\r\nX-B: y" }],
    ["a value that is not ASCII", { "X-A": "s3cret-é" }],
    ["a content type that is no media type", { "Content-Type": "s3cret" }],
    ["two names that differ in case alone", { "X-Key": "s3cret", "x-key": "s3cret" }],
  ])("refuses headers with %s, and shows no value", async (_, headers) => {
    const response = await register({ ...valid, custom_headers: headers })
    const text = await response.text()
    expect(response.status).toBe(400)
    expect(JSON.parse(text)).toEqual({
      message: expect.stringMatching(/^custom_headers, '.+': \w/),
      data: {},
      error: true,
    })
    expect(text).not.toContain("s3cret")
  })

  it.each([UNKNOWN_ID, "1", "", "ety_user_registered"])("does not find the event type %j", async (id) => {
    await expectRefusal(await register({ ...valid, event_type_id: id }), 404, "Event type not found")
  })

  it("refuses a payload that could not be published with a file's facts", async () => {
    const response = await register({ ...valid, custom_payload: { a: "x".repeat(255 * 1024) } })
    await expectRefusal(response, 413, "custom_payload has at most 253952 bytes")
  })

  it("refuses a larger body than any", async () => {
    const response = await register({ ...valid, custom_payload: { a: "x".repeat(300 * 1024) } })
    expect(response.status).toBe(413)
    expect(await response.json()).toMatchObject({ data: {}, error: true })
  })

  it("keeps header values sealed at rest", async () => {
    const key = btoa("k".repeat(32))
    world = await createWorld({ ENCRYPTION_KEY: key })
    await registerWebhook(world, DOCUMENTED)
    const row = await world.env.DB.prepare("SELECT headers FROM endpoints").first<{ headers: string }>()
    expect(row?.headers).not.toContain("yourtokenhere")
    expect(row?.headers).toMatch(/^[0-9a-f]{8}:/)
  })
})

describe("the envelope", () => {
  it.each([
    ["POST", "/event_type", 405, "GET, HEAD"],
    ["GET", "/webhook/register", 405, "POST"],
    ["GET", `/upload_file/webhook_id/${UNKNOWN_ID}`, 405, "POST"],
    ["DELETE", "/uploads/upl_1", 405, "GET, HEAD"],
    ["DELETE", "/uploads", 405, "GET, HEAD"],
    ["GET", "/upload_file", 404, null],
    ["POST", "/upload_file/webhook_id", 404, null],
    ["GET", "/uploads/upl_1/other", 404, null],
  ])("holds what %s %s answers", async (method, path, status, allow) => {
    const response = await world.fetch(path, { method })
    expect(response.headers.get("allow")).toBe(allow)
    await expectRefusal(response, status, status === 404 ? "Not Found" : "Method Not Allowed")
  })

  it.each(["/event_type", "/webhook/register", `/upload_file/webhook_id/${UNKNOWN_ID}`, "/uploads/upl_1"])(
    "holds 401 and 503 of %s",
    async (path) => {
      world = await createWorld({ AUTH_MODE: "token", API_TOKEN: "letmein" })
      await expectRefusal(await world.fetch(path), 401, "Send `Authorization: Bearer <API_TOKEN>`")
      world = await createWorld({ AUTH_MODE: "token" })
      const response = await world.fetch(path)
      expect([response.status, await response.json()]).toMatchObject([503, { data: {}, error: true }])
    },
  )

  it("holds the 503 of a system without an encryption key", async () => {
    world = await createWorld({ AUTH_MODE: "token", API_TOKEN: "letmein" })
    const response = await world.fetch("/webhook/register", {
      json: { event_type_id: EVENT_TYPE_ID, user_id: 1, url: HOOK },
      headers: { authorization: "Bearer letmein" },
    })
    expect([response.status, await response.json()]).toMatchObject([503, { data: {}, error: true }])
  })

  it("holds a 500, with a request id and nothing of the inside", async () => {
    world.probe.before = () => {
      throw new Error("D1_ERROR: secret detail")
    }
    const response = await world.fetch("/webhook/register", {
      json: { event_type_id: EVENT_TYPE_ID, user_id: 1, url: HOOK },
    })
    expect([response.status, await response.json()]).toEqual([
      500,
      {
        message: expect.stringMatching(/^Something went wrong here\. Request [\w-]+$/),
        data: {},
        error: true,
      },
    ])
  })

  it("is not around the refusals of other families", async () => {
    expect(await (await world.fetch("/webhook/other")).json()).toEqual({ detail: "Not Found" })
  })
})

describe("the journey of a file", () => {
  it("goes from the event type to a signed notification, and back to the same bytes", async () => {
    const listed = await (await world.fetch("/event_type?name=upload%20file")).json<
      Envelope<{ id: string }[]>
    >()
    const { id, secret } = await registerWebhook(world, { ...DOCUMENTED, event_type_id: listed.data[0]?.id })
    const png = await makePng()
    const uploadId = await uploadFile(world, id, filePart(png, 'filename="noise.png"', "image/png"))
    expect(await statusOf(world, uploadId)).toMatchObject({ state: "received", event_id: null })
    await world.runDue()

    const [notification] = world.receivers.to(HOOK)
    const facts = {
      webhook_id: id,
      upload_id: uploadId,
      file_name: "noise.png",
      size: png.byteLength,
      content_type: "image/png",
      sha256: await sha256(png),
      uploaded_at: "2026-01-15T12:00:00.000Z",
    }
    expect(notification?.body).toBe(
      JSON.stringify({ event: "upload file", data: facts, key1: "value1", key2: "value2" }),
    )
    expect(verify(secret, notification)).toEqual(notification?.json)
    expect(notification?.headers).toMatchObject({
      "content-type": "application/json",
      authorization: "Bearer yourtokenhere",
    })

    expect(await statusOf(world, uploadId)).toEqual({
      ...facts,
      state: "completed",
      failure: null,
      event_id: notification?.headers["webhook-id"],
    })
    const file = await world.fetch(`/uploads/${uploadId}/content`)
    expect(file.headers.get("content-type")).toBe("image/png")
    expect(new Uint8Array(await file.arrayBuffer())).toEqual(png)
  })

  it("tells the one endpoint it was uploaded to, and no other", async () => {
    const other = "http://other.example/hook"
    const { id } = await registerWebhook(world)
    await registerWebhook(world, { url: other })
    await uploadFile(world, id, filePart("x"))
    await world.runDue()
    expect(world.receivers.received.map(({ url }) => url)).toEqual([HOOK])
  })

  it("sends the content type that was registered instead of ours", async () => {
    const { id } = await registerWebhook(world, { custom_headers: { "content-TYPE": "application/x-own" } })
    await uploadFile(world, id, filePart("x"))
    await world.runDue()
    expect(world.receivers.to(HOOK)[0]?.headers["content-type"]).toBe("application/x-own")
  })

  it("sends exactly application/json, and two fields, without anything of one's own", async () => {
    const { id } = await registerWebhook(world)
    await uploadFile(world, id, filePart("x"))
    await world.runDue()
    const [notification] = world.receivers.to(HOOK)
    expect(notification?.headers["content-type"]).toBe("application/json")
    expect(Object.keys(notification?.json as object)).toEqual(["event", "data"])
  })

  it("lets the custom payload's keys win, whatever their names, in their order", async () => {
    const body = `{"event_type_id":"${EVENT_TYPE_ID}","user_id":1,"url":"${HOOK}","custom_payload":{"z":1,"__proto__":{"a":[1]},"constructor":null,"event":"mine","a":{"__proto__":2}}}`
    const headers = { "content-type": "application/json" }
    const registered = await world.fetch("/webhook/register", { method: "POST", headers, body })
    const { id } = (await registered.json<Envelope<{ id: string }>>()).data
    await uploadFile(world, id, filePart("x"))
    await world.runDue()
    const sent = world.receivers.to(HOOK)[0]?.body ?? ""
    expect(sent).toMatch(/^\{"event":"mine","data":\{[^}]*\},/)
    expect(sent).toMatch(/\},"z":1,"__proto__":\{"a":\[1\]\},"constructor":null,"a":\{"__proto__":2\}\}$/)
  })

  it("retries like any delivery", async () => {
    const { id } = await registerWebhook(world)
    world.receivers.at(HOOK, 500, 200)
    await uploadFile(world, id, filePart("x"))
    await world.runAll(10_000)
    const [first, second] = world.receivers.to(HOOK)
    expect(second?.headers["webhook-id"]).toBe(first?.headers["webhook-id"])
  })
})

describe("the document", () => {
  interface Operation {
    operationId: string
    tags: string[]
    summary: string
    responses: Record<string, { content?: Record<string, { schema: { $ref?: string } }> }>
    requestBody?: { content: Record<string, unknown> }
  }

  it.each([
    ["get", "/event_type", "listUploadEventTypes", [200, 400]],
    ["post", "/webhook/register", "registerUploadWebhook", [200, 400, 404, 409, 413, 415, 507]],
    ["post", "/upload_file/webhook_id/{webhook_id}", "uploadFile", [200, 400, 404, 408, 413, 415, 507]],
    ["get", "/uploads/{upload_id}", "getUpload", [200, 404]],
    ["get", "/uploads/{upload_id}/content", "downloadUpload", [200, 206, 304, 404, 416]],
  ])("describes %s %s", async (method, path, operationId, statuses) => {
    const document = await (await world.fetch("/openapi.json")).json<{
      paths: Record<string, Record<string, Operation>>
    }>()
    const operation = document.paths[path]?.[method]
    expect(operation).toMatchObject({
      operationId,
      tags: ["Uploads"],
      summary: expect.stringMatching(/\w+ \w+/),
    })
    const always = [401, 403, 421, 500, 503, 508]
    expect(Object.keys(operation?.responses ?? {}).map(Number)).toEqual(
      [...statuses, ...always].toSorted((a, b) => a - b),
    )
    for (const [status, { content }] of Object.entries(operation?.responses ?? {})) {
      if (Number(status) < 400) continue
      expect(content?.["application/json"]?.schema.$ref).toBe("#/components/schemas/UploadsError")
    }
  })

  it("offers the upload as a form with a file, so that Swagger UI can send it", async () => {
    const document = await (await world.fetch("/openapi.json")).json<{
      paths: Record<string, Record<string, Operation>>
    }>()
    const operation = document.paths["/upload_file/webhook_id/{webhook_id}"]?.post
    expect(operation?.requestBody).toEqual({
      required: true,
      content: {
        "multipart/form-data": {
          schema: {
            type: "object",
            properties: { file: { type: "string", format: "binary" } },
            required: ["file"],
          },
        },
      },
    })
  })
})

describe("GET /uploads", () => {
  it("lists what has arrived, page by page, in the order asked for", async () => {
    const { id } = await registerWebhook(world, {})
    const names = ["a.txt", "b.txt", "c.txt"]
    for (const name of names) {
      await uploadFile(world, id, filePart("x", `filename="${name}"`))
      world.clock.advance(1000)
    }
    const first = await world.fetch("/uploads?order=descending&limit=2")
    const { data } = await first.json<{ data: { file_name: string; webhook_id: string }[] }>()
    expect(data.map(({ file_name }) => file_name)).toEqual(["c.txt", "b.txt"])
    expect(data[0]?.webhook_id).toBe(id)
    const next = /<([^>]+)>; rel="next"/.exec(first.headers.get("link") ?? "")?.[1] ?? ""
    const second = await world.fetch(new URL(next).pathname + new URL(next).search)
    expect(await second.json()).toMatchObject({ message: "ok", data: [{ file_name: "a.txt" }], error: false })
    expect(second.headers.get("link")).toBeNull()
  })

  it("does not list a file that is still on its way", async () => {
    await world.env.DB.prepare(
      "INSERT INTO uploads (id, endpoint_id, state, file_name, content_type, created_at, updated_at) VALUES ('upl_1', 'ep_1', 'receiving', 'a', 'b', 1, 1)",
    ).run()
    expect(await (await world.fetch("/uploads")).text()).toBe('{"message":"ok","data":[],"error":false}')
  })

  it.each(["order=newest", "limit=0", "limit=1001", "cursor=1"])("refuses %s", async (query) => {
    const response = await world.fetch(`/uploads?${query}`)
    expect(response.status).toBe(400)
    expect(await response.json()).toMatchObject({ data: {}, error: true })
  })
})
