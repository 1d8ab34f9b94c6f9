import { beforeAll, beforeEach, describe, expect, it } from "vitest"

import { createWorld, type World } from "../support/world.ts"

interface Schema {
  $ref?: string
  type?: string | string[]
  enum?: unknown[]
  const?: unknown
  pattern?: string
  minLength?: number
  maxLength?: number
  minimum?: number
  maximum?: number
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: Schema | boolean
  items?: Schema
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
  example?: unknown
  minItems?: number
  maxItems?: number
  uniqueItems?: boolean
}

interface Content {
  "application/json"?: { schema: Schema; example?: unknown }
}

interface Operation {
  operationId?: string
  tags?: string[]
  summary?: string
  security?: object[]
  parameters?: { name: string; in: string; required: boolean; schema: Schema }[]
  requestBody?: { required?: boolean; content: Content }
  responses: Record<string, { description: string; content?: Content }>
}

interface Document {
  openapi: string
  info: { title: string; version: string }
  security: object[]
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema>; securitySchemes: Record<string, object> }
}

const HOOK = "http://receiver.example/hook"
/** Stands for a body over the limit, which no title should spell out. */
const TOO_LARGE = "too large"
const UNDOCUMENTED = ["/", "/dashboard/*", "/docs", "/openapi.json"]
/** What the doors in front of every route of the API answer. */
const ALWAYS = [401, 403, 421, 500, 503, 508]

/** Every operation, and each status that it can answer. */
const OPERATIONS: [operation: string, id: string, statuses: number[]][] = [
  ["GET /health", "getHealth", [200, 403, 421, 500, 503, 508]],
  ["POST /users", "createUser", [200, 400, 413, 415, 422, 507, ...ALWAYS]],
  ["GET /users", "listUsers", [200, 422, ...ALWAYS]],
  ["POST /users/messages", "sendMessage", [200, 400, 413, 415, 422, 507, ...ALWAYS]],
  ["GET /users/messages", "listMessages", [200, 400, 422, ...ALWAYS]],
  ["POST /webhook", "registerWebhook", [200, 400, 404, 409, 413, 415, 422, 507, ...ALWAYS]],
  ["DELETE /webhook", "unregisterWebhook", [204, 404, 413, 415, 422, ...ALWAYS]],
  ["GET /webhooks", "listWebhooks", [200, 404, 422, ...ALWAYS]],
  ["POST /ping", "pingWebhooks", [200, 202, 404, 413, 415, 422, 507, ...ALWAYS]],
  ["GET /ping/{ping_id}", "getPingResults", [200, 202, 404, 422, ...ALWAYS]],
]

let document: Document
let routes: string[]

beforeAll(async () => {
  const world = await createWorld()
  document = await (await world.fetch("/openapi.json")).json()
  routes = world.app.routes
    .filter(({ method, path }) => method !== "ALL" && !UNDOCUMENTED.includes(path))
    .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`)
})

function operations(): [string, Operation][] {
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Operation] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  )
}

function operation(name: string): Operation {
  const found = operations().find(([other]) => other === name)?.[1]
  if (!found) throw new Error(`${name} is not in the document`)
  return found
}

describe("GET /openapi.json", () => {
  let world: World

  beforeEach(async () => {
    world = await createWorld()
  })

  it("answers an OpenAPI 3.1 document as JSON", async () => {
    const response = await world.fetch("/openapi.json")
    expect(response.status).toBe(200)
    expect(response.headers.get("content-type")).toMatch(/^application\/json/)
    expect(await response.json()).toMatchObject({
      openapi: expect.stringMatching(/^3\.1\.\d+$/),
      info: { title: "Posthorn", version: expect.stringMatching(/^\d+\.\d+\.\d+$/) },
    })
  })

  it.each(["/openapi.json", "/docs"])("is open without a token, and so is the page: %s", async (path) => {
    world = await createWorld({ AUTH_MODE: "token", API_TOKEN: "letmein" })
    expect((await world.fetch(path)).status).toBe(200)
  })

  it("is shown by a page that loads nothing from elsewhere", async () => {
    const response = await world.fetch("/docs")
    expect(response.headers.get("content-type")).toMatch(/^text\/html/)
    const page = await response.text()
    expect(page).toContain("'/openapi.json'")
    const loaded = [...page.matchAll(/\b(?:src|href)="([^"]*)"/g)].map(([, url]) => url)
    expect(loaded.length).toBeGreaterThan(0)
    for (const url of loaded) expect(url).toMatch(/^\/assets\//)
  })
})

describe("the document", () => {
  it("holds every route of the app, and no other", () => {
    expect(
      operations()
        .map(([name]) => name)
        .sort(),
    ).toEqual([...new Set(routes)].sort())
  })

  it("names each operation once", () => {
    const ids = operations().map(([, { operationId }]) => operationId)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it("declares the bearer scheme", () => {
    expect(document.components.securitySchemes).toEqual({
      bearer: expect.objectContaining({ type: "http", scheme: "bearer" }),
    })
  })

  it("asks for the bearer token everywhere but for the health of the system and the API", () => {
    const open = operations().filter(
      ([, { security = document.security }]) => !security.some((scheme) => "bearer" in scheme),
    )
    expect(open.map(([name]) => name)).toEqual([
      "GET /api/v1/health",
      "GET /api/v1/health/ping",
      "GET /health",
    ])
  })

  it("has nothing but examples that fit their schemas", () => {
    const faults = Object.entries(document.components.schemas).flatMap(([name, schema]) =>
      "example" in schema ? misfits(schema, schema.example, name) : [],
    )
    expect(faults).toEqual([])
  })

  it.each<[string, unknown]>([
    ["NewUser", { username: "Alice" }],
    ["User", { username: "alice", registered_at: "2025-05-07T04:03:10.779+00:00" }],
    ["Webhook", { event: "user_registered", url: "http://example.com/webhook" }],
    ["PingData", { arbitrary_key: "test", arbitrary_key2: "test2" }],
  ])("shows the documented example of %s", (name, example) => {
    expect(document.components.schemas[name]?.example).toEqual(example)
  })

  it.each([
    "NewMessage",
    "Message",
    "RegisteredWebhook",
    "Webhooks",
    "Pinged",
    "Pinging",
    "Error",
    "InvalidInput",
  ])("shows an example of %s", (name) => {
    expect(document.components.schemas[name]?.example).toBeTypeOf("object")
  })
})

describe.each(OPERATIONS)("%s", (name, id, statuses) => {
  it("has a name, a tag and a summary", () => {
    expect(operation(name)).toMatchObject({
      operationId: id,
      tags: [expect.stringMatching(/^[A-Z]/)],
      summary: expect.stringMatching(/\w+ \w+/),
    })
  })

  it("lists every status that it can answer", () => {
    expect(Object.keys(operation(name).responses).map(Number)).toEqual(statuses.toSorted((a, b) => a - b))
  })

  it("describes every answer, and shows the shape of all but 204", () => {
    for (const [status, { description, content }] of Object.entries(operation(name).responses)) {
      expect(description).toMatch(/\w/)
      expect(content?.["application/json"]?.schema !== undefined).toBe(status !== "204")
    }
  })

  it("has parameters whose examples fit", () => {
    const faults = (operation(name).parameters ?? []).flatMap(({ name: parameter, schema }) =>
      "example" in schema ? misfits(schema, schema.example, parameter) : [],
    )
    expect(faults).toEqual([])
  })
})

describe("the body of a request", () => {
  it.each(["POST /users", "POST /users/messages", "POST /webhook", "DELETE /webhook"])(
    "is required by %s",
    (name) => {
      expect(operation(name).requestBody).toMatchObject({ required: true })
    },
  )

  it("is not required by POST /ping", () => {
    expect(operation("POST /ping").requestBody?.required ?? false).toBe(false)
  })
})

describe("a real answer", () => {
  let world: World

  beforeEach(async () => {
    world = await createWorld()
    world.pingsWork()
    for (const username of ["Alice", "Bob"]) await world.fetch("/users", { json: { username } })
    await world.fetch("/webhook", { json: { event: "user_registered", url: HOOK } })
    await world.fetch("/webhook", { json: { event: "user_registered", url: "http://gone.example/" } })
    world.receivers.at("http://gone.example/", 404)
    const note = { sender: "alice", recipient: "bob", subject: "", message: "" }
    await world.fetch("/users/messages", { json: note })
    world.clock.advance(1000)
  })

  it.each<[string, string, string, unknown, number]>([
    ["POST", "/users", "", { username: "Carol" }, 200],
    ["POST", "/users", "", { username: "Alice" }, 400],
    ["POST", "/users", "", { username: 1 }, 422],
    ["POST", "/users", "", TOO_LARGE, 413],
    ["GET", "/users", "", undefined, 200],
    ["GET", "/users", "?cursor=x", undefined, 422],
    ["POST", "/users/messages", "", { sender: "Bob", recipient: "Alice", subject: "", message: "" }, 200],
    ["POST", "/users/messages", "", { sender: "Bob", recipient: "Bob", subject: "", message: "" }, 400],
    ["GET", "/users/messages", "?recipient=Bob", undefined, 200],
    ["GET", "/users/messages", "?recipient=x", undefined, 400],
    ["GET", "/users/messages", "", undefined, 422],
    ["POST", "/webhook", "", { event: "user_registered", url: "http://new.example" }, 200],
    ["POST", "/webhook", "", { event: "user_send_message", url: HOOK }, 200],
    ["POST", "/webhook", "", { event: "user_registered", url: HOOK }, 400],
    ["POST", "/webhook", "", { event: "unknown", url: HOOK }, 404],
    ["POST", "/webhook", "", { event: "user_registered", url: "ftp://x" }, 422],
    ["DELETE", "/webhook", "", { event: "unknown", url: HOOK }, 404],
    ["GET", "/webhooks", "", undefined, 200],
    ["GET", "/webhooks", "?event_filter=x", undefined, 404],
    ["POST", "/ping", "", undefined, 200],
    ["POST", "/ping", "", { a: 1 }, 200],
    ["POST", "/ping", "", [], 422],
    ["POST", "/ping", "?event_filter=x", undefined, 404],
    ["GET", "/health", "", undefined, 200],
  ])("fits the document: %s %s%s, %j: %d", async (method, path, query, json, status) => {
    const body = json === TOO_LARGE ? { username: "x".repeat(256 * 1024) } : json
    const response = await world.fetch(path + query, {
      method,
      ...(body === undefined ? {} : { json: body }),
    })
    expect(response.status).toBe(status)
    expect(misfits(documented(method, path, status), await response.json(), "answer", true)).toEqual([])
  })

  it("fits the document while a ping is pending", async () => {
    world.clock.whileAsleep = async (ms) => world.clock.advance(ms)
    const response = await world.fetch("/ping", { method: "POST" })
    expect(response.status).toBe(202)
    expect(misfits(documented("POST", "/ping", 202), await response.json(), "answer")).toEqual([])
  })

  it("fits the document when the token is missing", async () => {
    world = await createWorld({ AUTH_MODE: "token", API_TOKEN: "letmein" })
    const response = await world.fetch("/users")
    expect(response.status).toBe(401)
    expect(misfits(documented("GET", "/users", 401), await response.json(), "answer", true)).toEqual([])
  })

  function documented(method: string, path: string, status: number): Schema {
    const schema = operation(`${method} ${path}`).responses[status]?.content?.["application/json"]?.schema
    if (!schema) throw new Error(`${method} ${path} does not show its ${status}`)
    return schema
  }
})

describe("misfits", () => {
  it.each<[Schema, unknown]>([
    [{ type: "string" }, 1],
    [{ type: ["number", "null"] }, "1"],
    [{ type: "array", items: { type: "string" } }, ["a", 1]],
    [{ type: "object", properties: { a: { type: "string" } }, required: ["a"] }, {}],
    [{ type: "object", properties: { a: { type: "string" } } }, { a: null }],
    [{ type: "object", additionalProperties: { type: "number" } }, { a: "b" }],
    [{ anyOf: [{ type: "string" }, { type: "number" }] }, true],
    [{ allOf: [{ type: "object", required: ["a"] }, { type: "object" }] }, {}],
    [{ enum: [true] }, false],
    [{ const: "a" }, "b"],
    [{ type: "integer" }, 1.5],
    [{ type: "object" }, null],
    [{ type: "object" }, []],
    [{ type: "string", minLength: 2 }, "a"],
    [{ type: "string", maxLength: 2 }, "abc"],
    [{ type: "number", minimum: 1 }, 0],
    [{ type: "number", maximum: 1 }, 2],
    [{ type: "string", pattern: "^a" }, "b"],
    [{ $ref: "#/components/schemas/User" }, { username: "x" }],
    [{ not: {} } as Schema, 1],
  ])("finds what does not fit %j", (schema, value) => {
    expect(misfits(schema, value, "it")).not.toEqual([])
  })
})

const KNOWN = new Set([
  "$ref",
  "type",
  "enum",
  "const",
  "pattern",
  "minLength",
  "maxLength",
  "minimum",
  "maximum",
  "properties",
  "required",
  "additionalProperties",
  "items",
  "minItems",
  "maxItems",
  "uniqueItems",
  "anyOf",
  "oneOf",
  "allOf",
  // These say nothing about which values fit.
  "example",
  "description",
  "deprecated",
  "format",
  "default",
])

/** Where the value does not fit the schema; with `closed`, undocumented fields count too. */
function misfits(schema: Schema, value: unknown, at: string, closed = false): string[] {
  if (schema.$ref !== undefined) {
    const named = document.components.schemas[schema.$ref.replace("#/components/schemas/", "")]
    return named ? misfits(named, value, at, closed) : [`${at}: ${schema.$ref} does not exist`]
  }
  const faults = Object.keys(schema)
    .filter((keyword) => !KNOWN.has(keyword))
    .map((keyword) => `${at}: this check does not know "${keyword}"`)
  const types = schema.type === undefined ? [] : [schema.type].flat()
  if (types.length > 0 && !types.some((type) => isA(type, value)))
    faults.push(`${at}: is no ${types.join(" or ")}`)
  if (schema.enum && !schema.enum.includes(value)) faults.push(`${at}: is none of ${schema.enum.join(", ")}`)
  if ("const" in schema && schema.const !== value) faults.push(`${at}: is not ${String(schema.const)}`)
  const { minLength, maxLength, minimum, maximum } = schema
  if (typeof value === "string" && !isWithin(value.length, minLength, maxLength)) {
    faults.push(`${at}: is too short or too long`)
  }
  if (typeof value === "number" && !isWithin(value, minimum, maximum)) {
    faults.push(`${at}: is too small or too large`)
  }
  if (schema.pattern !== undefined && !new RegExp(schema.pattern).test(String(value))) {
    faults.push(`${at}: does not match ${schema.pattern}`)
  }
  const others = schema.anyOf ?? schema.oneOf
  if (others && !others.some((other) => misfits(other, value, at, closed).length === 0)) {
    faults.push(`${at}: fits none of its alternatives`)
  }
  faults.push(...(schema.allOf ?? []).flatMap((other) => misfits(other, value, at)))
  if (Array.isArray(value)) {
    const { items = {}, minItems, maxItems } = schema
    if (!isWithin(value.length, minItems, maxItems)) faults.push(`${at}: has too few or too many items`)
    const different = new Set(value.map((item) => JSON.stringify(item))).size
    if (schema.uniqueItems && different < value.length) faults.push(`${at}: has an item twice`)
    faults.push(...value.flatMap((item, n) => misfits(items, item, `${at}[${n}]`, closed)))
  } else if (typeof value === "object" && value !== null) {
    faults.push(...misfitsInObject(schema, value as Record<string, unknown>, at, closed))
  }
  return faults
}

function misfitsInObject(
  { properties = {}, required = [], additionalProperties }: Schema,
  value: Record<string, unknown>,
  at: string,
  closed: boolean,
): string[] {
  const faults = required.filter((key) => !(key in value)).map((key) => `${at}.${key}: is missing`)
  for (const [key, member] of Object.entries(value)) {
    const schema = properties[key] ?? additionalProperties
    if (typeof schema === "object") faults.push(...misfits(schema, member, `${at}.${key}`, closed))
    else if (schema === false || (closed && Object.keys(properties).length > 0)) {
      faults.push(`${at}.${key}: is not documented`)
    }
  }
  return faults
}

function isA(type: string, value: unknown): boolean {
  if (type === "null") return value === null
  if (type === "array") return Array.isArray(value)
  if (type === "object") return typeof value === "object" && value !== null && !Array.isArray(value)
  return type === "integer" ? Number.isInteger(value) : typeof value === type
}

function isWithin(value: number, least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY): boolean {
  return value >= least && value <= most
}
