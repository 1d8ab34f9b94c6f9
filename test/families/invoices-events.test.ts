import { beforeEach, describe, expect, it } from "vitest"

import { verify } from "../support/receiver.ts"
import { createWorld, type World } from "../support/world.ts"

const URL_OF_DOCUMENT = "http://myurl.com/webhook"
const PAIR = { event: "myEvent", url: URL_OF_DOCUMENT }
const OTHER = "http://other.example/hook"
const JSON_TYPE = { "content-type": "application/json" }

let world: World

beforeEach(async () => {
  world = await createWorld()
})

const register = (json: unknown = PAIR, headers: Record<string, string> = {}) =>
  world.fetch("/register", { json, headers })
const unregister = (json: unknown = PAIR) => world.fetch("/unregister", { json })
const publish = (event: string, data: unknown = {}) => world.fetch("/events", { json: { event, data } })

interface Registered {
  message: string
  event: string
  url: string
  endpoint_id: string
  secret?: string
}

async function registered(json: unknown = PAIR): Promise<Registered> {
  return (await register(json, { accept: "application/json" })).json()
}

describe("POST /events", () => {
  it("answers 202 with the event's id, and delivers exactly what was sent, signed", async () => {
    const { secret = "" } = await registered()
    const data = '{"z":[1,2.5,null,{"b":{}}],"a":"é 🦉","__proto__":{"x":1}}'
    const response = await world.fetch("/events", {
      method: "POST",
      body: `{"data":${data},"event":"myEvent"}`,
      headers: JSON_TYPE,
    })
    expect(response.status).toBe(202)
    const { id, ...rest } = await response.json<{ id: string; event: string }>()
    expect(rest).toEqual({ event: "myEvent" })
    expect(id).toMatch(/^evt_[0-9a-f]{32}$/)
    await world.runAll()
    const [delivery] = world.receivers.to(URL_OF_DOCUMENT)
    expect(delivery?.body).toBe(`{"event":"myEvent","data":${data}}`)
    expect(delivery?.headers["webhook-id"]).toBe(id)
    expect(verify(secret, delivery)).toBeTypeOf("object")
  })

  it("publishes the documented types too", async () => {
    await register({ event: "invoice_paid", url: OTHER })
    expect((await publish("invoice_paid", { invoice_id: "12345" })).status).toBe(202)
    await world.runAll()
    expect(world.receivers.to(OTHER).map(({ body }) => body)).toEqual([
      '{"event":"invoice_paid","data":{"invoice_id":"12345"}}',
    ])
  })

  it.each(["other", "myevent", "user_registered", "", "upload_file"])(
    "answers 404 for the event type %j, which B does not have",
    async (event) => {
      await register()
      const response = await publish(event)
      expect(response.status).toBe(404)
      expect(await response.json()).toEqual({
        code: "not_found",
        detail: `Event type '${event}' not found`,
      })
      await world.runAll()
      expect(world.receivers.received).toEqual([])
    },
  )

  it.each<[string, unknown, string[]]>([
    ["no event", { data: {} }, ["event"]],
    ["no data", { event: "invoice_paid" }, ["data"]],
    ["an event that is a number", { event: 1, data: {} }, ["event"]],
    ["data that is a list", { event: "invoice_paid", data: [] }, ["data"]],
    ["data that is null", { event: "invoice_paid", data: null }, ["data"]],
    ["data that is a string", { event: "invoice_paid", data: "{}" }, ["data"]],
  ])("answers 422 to %s", async (_, json, fields) => {
    const response = await world.fetch("/events", { json })
    expect(response.status).toBe(422)
    const { detail } = await response.json<{ detail: { loc: string[] }[] }>()
    expect(detail.map(({ loc }) => loc)).toEqual(fields.map((field) => ["body", field]))
  })

  it("answers 413 to more than 256 KiB, counted as it was sent", async () => {
    await register()
    const publishing = (numbers: number) => {
      const body = `{"event":"myEvent","data":{"n":[${Array(numbers).fill("1e9").join(",")}]}}`
      return world.fetch("/events", { method: "POST", body, headers: JSON_TYPE })
    }
    expect((await publishing(60_000)).status).toBe(202)
    const refused = await publishing(70_000)
    expect(refused.status).toBe(413)
    expect(await refused.json()).toMatchObject({ code: "payload_too_large" })
  })
})

describe("an event type that A has too", () => {
  it("is another one: neither application's events reach the other's receivers", async () => {
    await world.fetch("/webhook", { json: { event: "user_registered", url: "http://a.example/" } })
    await register({ event: "user_registered", url: "http://b.example/" })
    await world.fetch("/users", { json: { username: "alice" } })
    await publish("user_registered", { from: "B" })
    await world.runAll()
    expect(world.receivers.to("http://a.example/").map(({ json }) => json)).toMatchObject([
      { event: "user_registered", data: { username: "alice" } },
    ])
    expect(world.receivers.to("http://b.example/").map(({ json }) => json)).toEqual([
      { event: "user_registered", data: { from: "B" } },
    ])
  })

  it("leaves A's list of webhooks alone, and the same URL two endpoints", async () => {
    await world.fetch("/webhook", { json: { event: "user_registered", url: OTHER } })
    expect(await registered({ event: "user_registered", url: OTHER })).toHaveProperty("secret")
    await unregister({ event: "user_registered", url: OTHER })
    expect(await (await world.fetch("/webhooks")).json()).toEqual({
      webhooks: [
        { event: "user_registered", urls: [OTHER] },
        { event: "user_send_message", urls: [] },
      ],
    })
  })

  it("does not exist in A because B has it", async () => {
    await register()
    const response = await world.fetch("/webhook", { json: { event: "myevent", url: OTHER } })
    expect(response.status).toBe(404)
  })
})

describe("the OpenAPI document", () => {
  interface Operation {
    operationId: string
    tags: string[]
    responses: Record<string, { content: Record<string, unknown> }>
  }

  const ALWAYS = ["401", "403", "421", "500", "503", "508"]

  it.each<[string, string, string, string, string[]]>([
    ["post", "/register", "registerUrl", "Webhooks", ["200", "400", "409", "413", "415", "507"]],
    ["post", "/unregister", "unregisterUrl", "Webhooks", ["200", "400", "404", "413", "415"]],
    ["post", "/events", "publishEvent", "Webhooks", ["202", "404", "413", "415", "422", "507"]],
    ["post", "/invoices", "createInvoice", "Invoices", ["201", "413", "415", "422", "507"]],
    ["get", "/invoices", "listInvoices", "Invoices", ["200", "422"]],
    ["get", "/invoices/{invoice_id}", "getInvoice", "Invoices", ["200", "404"]],
    [
      "patch",
      "/invoices/{invoice_id}",
      "updateInvoice",
      "Invoices",
      ["200", "404", "409", "413", "415", "422", "507"],
    ],
    [
      "post",
      "/invoices/{invoice_id}/pay",
      "payInvoice",
      "Invoices",
      ["200", "404", "409", "413", "415", "422", "507"],
    ],
  ])("lists %s %s with every status", async (method, path, operationId, tag, statuses) => {
    const { paths } = await (await world.fetch("/openapi.json")).json<{
      paths: Record<string, Record<string, Operation>>
    }>()
    const operation = paths[path]?.[method]
    expect(operation).toMatchObject({ operationId, tags: [tag] })
    expect(Object.keys(operation?.responses ?? {}).sort()).toEqual([...statuses, ...ALWAYS].sort())
    const inText = path === "/register" || path === "/unregister"
    for (const status of [...statuses, ...ALWAYS].filter((code) => code >= "300")) {
      expect(Object.keys(operation?.responses[status]?.content ?? {})).toEqual([
        inText ? "text/plain" : "application/json",
      ])
    }
  })
})
