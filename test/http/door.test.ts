import { type Schema, Validator } from "@cfworker/json-schema"
import { beforeEach, describe, expect, it } from "vitest"

import { checkAnswer, documentOf, findOperation } from "../api/document.ts"
import { EVENT_TYPE_ID, filePart, multipart, registerWebhook, send } from "../support/uploads.ts"
import { createWorld, type World } from "../support/world.ts"

const HOOK = "http://receiver.example/hook"

let world: World

beforeEach(async () => {
  world = await createWorld()
  await world.fetch("/api/v1/app", { json: { name: "Acme", uid: "acme" } })
})

/** How each family says that something is wrong with the whole body: the text of its refusal, if it is one. */
const inDetail = async (response: Response) => {
  const { detail } = await response.json<{ detail: { loc: string[]; msg: string }[] | string }>()
  return typeof detail === "string" ? detail : detail.map(({ loc, msg }) => `${loc}: ${msg}`).join()
}
const inText = (response: Response) => response.text()
const inMessage = async (response: Response) => (await response.json<{ message: string }>()).message

/** A door of each kind, and a body that fits but for the value in it. */
const DOORS: [
  method: string,
  path: string,
  body: (value: string) => string,
  say: typeof inText,
  status: number,
][] = [
  ["POST", "/users", (value) => `{"username":"alice","x":${value}}`, inDetail, 422],
  ["POST", "/ping", (value) => `{"x":${value}}`, inDetail, 422],
  ["POST", "/register", (value) => `{"event":"e","url":"${HOOK}","x":${value}}`, inText, 400],
  ["POST", "/invoices", (value) => `{"amount":1,"x":${value}}`, inDetail, 422],
  ["POST", "/events", (value) => `{"event":"invoice_paid","data":{"x":${value}}}`, inDetail, 422],
  [
    "POST",
    "/webhook/register",
    (value) =>
      `{"event_type_id":"${EVENT_TYPE_ID}","user_id":1,"url":"${HOOK}","custom_payload":{"x":${value}}}`,
    inMessage,
    400,
  ],
  ["POST", "/api/v1/app/acme/msg", (value) => `{"eventType":"t","payload":{"x":${value}}}`, inDetail, 422],
  [
    "PUT",
    "/api/v1/event-type/t",
    (value) => `{"description":"","schemas":{"1":{"default":${value}}}}`,
    inDetail,
    422,
  ],
]

const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels)

describe.each(DOORS)("%s %s", (method, path, body, say, status) => {
  const request = (value: string, headers: Record<string, string> = {}) =>
    world.fetch(path, {
      method,
      body: body(value),
      headers: { "content-type": "application/json", accept: "*/*", ...headers },
    })

  it("takes JSON that is nested 400 deep", async () => {
    expect((await request(nested(400))).status).toBeLessThan(300)
  })

  it.each([501, 120_000])("says of JSON nested %d deep that it is nested too deeply", async (levels) => {
    const response = await request(nested(levels))
    expect(response.status).toBe(status)
    expect(await say(response)).toContain("nested too deeply: at most 500")
  })

  it("does not mistake brackets in strings for nesting", async () => {
    expect((await request(JSON.stringify(`"${"[{".repeat(1000)}\\`))).status).toBeLessThan(300)
  })

  it.each(["gzip", "br", "deflate", "identity, gzip", "x"])(
    "answers 415 to a body in %s",
    async (encoding) => {
      const response = await request("1", { "content-encoding": encoding })
      expect(response.status).toBe(415)
      expect(await say(response)).toContain("without Content-Encoding")
    },
  )

  it.each(["identity", "Identity", ""])("takes a body in the encoding %j", async (encoding) => {
    expect((await request("1", { "content-encoding": encoding })).status).toBeLessThan(300)
  })

  it("documents that it answers 415", async () => {
    const operation = findOperation(await documentOf(world), method, path)
    expect(Object.keys(operation?.responses ?? {})).toContain("415")
  })
})

describe("POST /upload_file/webhook_id/{webhook_id}", () => {
  it("answers 415 to a compressed body, in C's shape", async () => {
    const { id } = await registerWebhook(world)
    const response = await send(world, id, multipart([filePart("hello")]), undefined, {
      "content-encoding": "gzip",
    })
    expect(response.status).toBe(415)
    expect(await response.json()).toEqual({
      message: expect.stringContaining("without Content-Encoding"),
      data: {},
      error: true,
    })
  })
})

describe("a path with a line break in it", () => {
  it.each([
    ["GET", "/uploads/x%0Ay"],
    ["GET", "/uploads/%0A"],
    ["GET", "/uploads/x%0D%0Ay/content"],
    ["GET", "/uploads/x%E2%80%A8y"],
    ["POST", "/upload_file/webhook_id/x%0Ay"],
    ["DELETE", "/uploads/x%0Ay"],
  ])("is answered in its family's words: %s %s", async (method, path) => {
    const response = await world.fetch(path, { method })
    expect(response.status).toBeGreaterThanOrEqual(404)
    expect(await response.json()).toEqual({ message: expect.any(String), data: {}, error: true })
  })

  it("is answered in the management API's words", async () => {
    const response = await world.fetch("/api/v1/x%0Ay")
    expect(response.status).toBe(404)
    expect(await response.json()).toEqual({ code: "not_found", detail: "Not Found" })
  })
})

describe("the document says what the doors take", () => {
  const registration = { event_type_id: EVENT_TYPE_ID, user_id: 1, url: HOOK }
  const NULLS: [method: string, path: string, json: object][] = [
    ["POST", "/invoices", { amount: 1, due_date: null }],
    ["POST", "/webhook/register", { ...registration, custom_payload: null, custom_headers: null }],
    ["POST", "/ping", {}],
    ["POST", "/api/v1/app", { name: "A", uid: null, throttleRate: null, metadata: null }],
    ["PUT", "/api/v1/app/acme", { name: "A", metadata: null }],
    ["PATCH", "/api/v1/app/acme", { metadata: null, throttleRate: null }],
    [
      "POST",
      "/api/v1/app/acme/endpoint",
      { url: HOOK, uid: null, metadata: null, headers: null, secret: null, eventTypes: null, channels: null },
    ],
    ["POST", "/api/v1/event-type", { name: "t", description: "", schemas: null, featureFlag: null }],
    ["POST", "/api/v1/app/acme/msg", { eventType: "t", payload: {}, eventId: null, channels: null }],
    ["POST", "/api/v1/auth/app-portal-access/acme", { application: null }],
  ]

  it.each(NULLS)("of null: %s %s %j", async (method, path, json) => {
    const body = await requestSchemaOf(world, method, path)
    expect(body.validate(json)).toMatchObject({ valid: true })
    expect((await world.fetch(path, { method, json })).status).toBeLessThan(300)
  })

  it("of nothing to change in an invoice", async () => {
    const made = await (await world.fetch("/invoices", { json: { amount: 1 } })).json<{
      invoice_id: string
    }>()
    const path = `/invoices/${made.invoice_id}`
    const body = await requestSchemaOf(world, "PATCH", path)
    for (const json of [{}, { x: 1 }, { amount: 1 }]) {
      const refusal = await world.fetch(path, { method: "PATCH", json })
      expect(refusal.status).toBe(422)
      await checkAnswer(world, "PATCH", path, refusal)
      expect(body.validate(json).valid).toBe("amount" in json)
    }
  })
})

async function requestSchemaOf(world: World, method: string, path: string): Promise<Validator> {
  const document = await documentOf(world)
  const content = findOperation(document, method, path)?.requestBody?.content?.["application/json"]
  if (!content) throw new Error(`no body is documented: ${method} ${path}`)
  return new Validator({ ...content.schema, components: document.components } as Schema, "2020-12", false)
}

describe("GET /openapi.json", () => {
  it("is made once, however often it is asked for", async () => {
    let made = 0
    const { app } = world
    const make = app.getOpenAPI31Document.bind(app)
    app.getOpenAPI31Document = (...args) => {
      made++
      return make(...args)
    }
    const first = await world.fetch("/openapi.json")
    const second = await world.fetch("/openapi.json")
    expect(await second.text()).toBe(await first.text())
    expect(second.headers.get("content-type")).toBe("application/json")
    expect(made).toBe(1)
  })
})
