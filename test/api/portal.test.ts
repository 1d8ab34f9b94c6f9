import { Svix } from "svix"
import { Svix as SvixV1 } from "svix-v1"
import { beforeEach, describe, expect, it } from "vitest"

import { CAPABILITIES, type Capability } from "../../src/http/capabilities.ts"
import { operation } from "../../src/http/operation.ts"
import { createRouter } from "../../src/http/router.ts"
import { issueToken } from "../../src/http/tokens.ts"
import { createWorld, type World } from "../support/world.ts"
import { callApi, clientOptions, svixFor } from "./svix.ts"

const OPERATOR = "letmein"
const SETTINGS = { AUTH_MODE: "token", API_TOKEN: OPERATOR, ENCRYPTION_KEY: btoa("k".repeat(32)) }
const HOUR_MS = 3600 * 1000
const DAY_MS = 24 * HOUR_MS
const HOOK = "http://receiver.example/hook"
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
const HEADERS = { "x-tenant": "tell-nobody", authorization: "Bearer tell-no-one" }
const OWN_VALUES = Object.values(HEADERS)

let world: World

beforeEach(async () => {
  world = await createWorld(SETTINGS)
  await svixFor(world, OPERATOR).application.create({ name: "Acme", uid: "acme" })
})

interface Asked {
  readOnly?: boolean | null
  capabilities?: readonly string[] | null
  sessionId?: string | null
  featureFlags?: string[]
}

function ask(method: string, path: string, json?: object, token = OPERATOR): Promise<Response> {
  const headers = { authorization: `Bearer ${token}` }
  return callApi(world, `/api/v1${path}`, { method, headers, ...(json === undefined ? {} : { json }) })
}

async function tokenWith(asked: Asked, application = "acme"): Promise<string> {
  const answer = await ask("POST", `/auth/app-portal-access/${application}`, asked)
  expect(answer.status).toBe(200)
  return (await answer.json<{ token: string }>()).token
}

async function statusOf(token: string, application = "acme"): Promise<number> {
  return (await ask("GET", `/app/${application}`, undefined, token)).status
}

async function placeOf(answer: Response): Promise<[number, string[] | undefined]> {
  const { detail } = await answer.json<{ detail: { loc: string[] }[] }>()
  return [answer.status, detail[0]?.loc]
}

/** Something of everything that a token may look at, by the parameters of paths. */
async function fill(): Promise<Record<string, string>> {
  const svix = svixFor(world, OPERATOR)
  const { id: app_id } = await svix.application.get("acme")
  const endpoint = { url: HOOK, uid: "hook", secret: SECRET, headers: HEADERS }
  const { id: endpoint_id } = await svix.endpoint.create("acme", endpoint)
  await svix.eventType.create({ name: "thing.done", description: "" })
  const { id: msg_id } = await svix.message.create("acme", { eventType: "thing.done", payload: { n: 1 } })
  await world.runAll()
  const [attempt] = (await svix.messageAttempt.listByMsg("acme", msg_id)).data
  const { id: task_id } = await svix.endpoint.recover("acme", "hook", {
    since: new Date(world.clock.now() - DAY_MS),
  })
  const ids = { app_id, endpoint_id, msg_id, attempt_id: attempt?.id ?? "", task_id }
  return { ...ids, event_type_name: "thing.done" }
}

/** Every route of the running app, documented or not, asked with a new token of acme each; those that let it in. */
async function walk(
  ids: Record<string, string>,
  capabilities: readonly Capability[] | null,
): Promise<Map<string, { status: number; text: string }>> {
  const named = world.app.routes.filter(({ method }) => method !== "ALL")
  const routes = new Map(named.map((route) => [`${route.method} ${route.path}`, route]))
  const letIn = new Map<string, { status: number; text: string }>()
  for (const [name, { method, path }] of routes) {
    if (!path.startsWith("/api/v1/") || path.startsWith("/api/v1/health")) continue
    const token = await issueToken(world.deps, ids.app_id ?? "", {
      capabilities,
      featureFlags: [],
      sessionId: null,
      lifetimeMs: HOUR_MS,
    })
    const answer = await world.fetch(
      path.replace(/:([a-z_]+)/g, (_, key) => ids[key] ?? "x1"),
      {
        method,
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        ...(["POST", "PUT", "PATCH"].includes(method) ? { body: "{}" } : {}),
      },
    )
    const text = await answer.text()
    if (answer.status !== 403) letIn.set(name, { status: answer.status, text })
    else expect(JSON.parse(text)).toEqual({ code: "authorization", detail: expect.any(String) })
  }
  return letIn
}

describe("the capabilities of a token", () => {
  const application = "/api/v1/app/:app_id"
  const endpoint = `${application}/endpoint/:endpoint_id`
  const LOGOUT = "POST /api/v1/auth/logout"
  const VIEW = [`GET ${endpoint}/secret`]
  const ROTATE = [`POST ${endpoint}/secret/rotate`]
  const MANAGE = [
    `POST ${application}/endpoint`,
    `PUT ${endpoint}`,
    `PATCH ${endpoint}`,
    `DELETE ${endpoint}`,
    `PUT ${endpoint}/headers`,
    `PATCH ${endpoint}/headers`,
  ]
  const ATTEMPT = [
    `POST ${endpoint}/recover`,
    `POST ${endpoint}/send-example`,
    `POST ${application}/msg/:msg_id/endpoint/:endpoint_id/resend`,
    `POST ${application}/msg/:msg_id/endpoint/:endpoint_id/cancel`,
    "POST /api/v1/background-task/:task_id/cancel",
  ]

  it("let a read-only one read everything but secrets, and change nothing", async () => {
    const ids = await fill()
    const everything = await world.everything()
    const read = await walk(ids, ["ViewBase"])
    const changing = [...read.keys()].filter((name) => !name.startsWith("GET "))
    expect(changing).toEqual([LOGOUT])
    const forgetLogout = world.env.DB.prepare("DELETE FROM revoked_tokens")
    await forgetLogout.run()
    expect(await world.everything()).toBe(everything)

    const all = [...(await walk(ids, null)).keys()].filter((name) => name.startsWith("GET "))
    expect([...read.keys(), ...VIEW].filter((name) => name !== LOGOUT).toSorted()).toEqual(all.toSorted())
    expect(read.size).toBeGreaterThan(15)
    for (const [name, { status, text }] of read) {
      if (name !== LOGOUT) expect([name, status]).toEqual([name, 200])
      for (const secret of [SECRET, ...OWN_VALUES])
        expect([name, text.includes(secret)]).toEqual([name, false])
    }
  })

  it.each<[Capability, string[]]>([
    ["ViewBase", []],
    ["ViewEndpointSecret", VIEW],
    ["ManageEndpointSecret", [...VIEW, ...ROTATE]],
    ["ManageTransformations", []],
    ["CreateAttempts", ATTEMPT],
    ["ManageEndpoint", [...VIEW, ...ROTATE, ...MANAGE]],
  ])("%s lets it use these, and what a read-only one may", async (capability, more) => {
    const ids = await fill()
    const base = await walk(ids, ["ViewBase"])
    const letIn = await walk(ids, ["ViewBase", capability])
    expect([...letIn.keys()].toSorted()).toEqual([...base.keys(), ...more].toSorted())
  })

  it("are all there are if none is named, also in a token that is older than they are", async () => {
    const ids = await fill()
    const all = [...VIEW, ...ROTATE, ...MANAGE, ...ATTEMPT]
    const base = await walk(ids, ["ViewBase"])
    const letIn = await walk(ids, null)
    expect([...letIn.keys()].toSorted()).toEqual([...base.keys(), ...all].toSorted())
  })

  it("let who may set an endpoint's secret have a payload of their own signed, and nobody else", async () => {
    await fill()
    const sendOwn = async (capabilities: string[], payload?: object) => {
      const token = await tokenWith({ capabilities })
      const body = { eventType: "svix.ping", payload }
      return (await ask("POST", "/app/acme/endpoint/hook/send-example", body, token)).status
    }
    expect(await sendOwn(["ViewBase", "CreateAttempts"])).toBe(200)
    expect(await sendOwn(["ViewBase", "CreateAttempts"], { mine: true })).toBe(403)
    expect(await sendOwn(["ViewBase", "CreateAttempts", "ManageEndpointSecret"], { mine: true })).toBe(200)
  })

  it("show the values of headers to who may see secrets, those of credentials to nobody", async () => {
    await fill()
    const headersFor = async (capabilities: string[]) => {
      const token = await tokenWith({ capabilities })
      return (await ask("GET", "/app/acme/endpoint/hook/headers", undefined, token)).json()
    }
    expect(await headersFor(["ViewBase", "CreateAttempts"])).toEqual({
      headers: {},
      sensitive: expect.arrayContaining(["authorization", "x-tenant"]),
    })
    const shown = { headers: { "x-tenant": HEADERS["x-tenant"] }, sensitive: ["authorization"] }
    expect(await headersFor(["ViewBase", "ViewEndpointSecret"])).toEqual(shown)
    expect(await headersFor(["ViewBase", "ManageEndpoint"])).toEqual(shown)
    const asked = await ask("GET", "/app/acme/endpoint/hook/headers")
    expect(await asked.json()).toEqual(shown)
  })

  it("say which one is missing", async () => {
    const token = await tokenWith({ readOnly: true })
    const refused = await ask("POST", "/app/acme/endpoint", { url: HOOK }, token)
    expect([refused.status, await refused.json()]).toEqual([
      403,
      { code: "authorization", detail: "This needs a token with the capability ManageEndpoint" },
    ])
  })

  it("hold for a route that does not say what it needs: reading is for all, the rest for who manages", async () => {
    world = await createWorld(SETTINGS)
    const router = createRouter()
    for (const method of ["get", "post"] as const) {
      const responses = { 200: { description: "In" } }
      const path = "/api/v1/app/{app_id}/silent"
      router.openapi(operation({ access: "application", method, path, responses }), (c) => c.text("in"))
    }
    world.app.route("/", router)
    await svixFor(world, OPERATOR).application.create({ name: "Acme", uid: "acme" })
    const token = await tokenWith({ capabilities: CAPABILITIES.filter((one) => one !== "ManageEndpoint") })
    const silent = async (method: string, bearer: string) => {
      const headers = { authorization: `Bearer ${bearer}` }
      return (await world.fetch("/api/v1/app/acme/silent", { method, headers })).status
    }
    expect([await silent("GET", token), await silent("POST", token)]).toEqual([200, 403])
    expect(await silent("POST", await tokenWith({}))).toBe(200)
  })

  it("let it send examples of the event types that it sees", async () => {
    const schemas = { 1: { type: "object", examples: [{ id: "1" }] } }
    await svixFor(world, OPERATOR).eventType.create({ name: "plain.type", description: "", schemas })
    await ask("POST", "/event-type", { name: "beta.type", description: "", schemas, featureFlag: "beta" })
    await svixFor(world, OPERATOR).endpoint.create("acme", { url: HOOK, uid: "hook" })
    const capabilities = ["ViewBase", "CreateAttempts"]
    const send = async (token: string, eventType: string) => {
      const answer = await ask("POST", "/app/acme/endpoint/hook/send-example", { eventType }, token)
      return [answer.status, (await answer.text()).replaceAll(eventType, "…")]
    }
    const blind = await tokenWith({ capabilities })
    expect((await send(blind, "plain.type"))[0]).toBe(200)
    expect((await send(blind, "beta.type"))[0]).toBe(404)
    expect(await send(blind, "beta.type")).toEqual(await send(blind, "no.type"))
    const seer = await tokenWith({ capabilities, featureFlags: ["beta"] })
    expect((await send(seer, "beta.type"))[0]).toBe(200)
    expect((await send(OPERATOR, "beta.type"))[0]).toBe(200)
  })
})

describe("what portal access takes", () => {
  it.each([Svix, SvixV1])("are the capabilities and the shorthand that clients send: %o", async (Client) => {
    const { authentication } = new Client(OPERATOR, clientOptions(world))
    await svixFor(world, OPERATOR).endpoint.create("acme", { url: HOOK, uid: "hook" })
    const readOnly = await authentication.appPortalAccess("acme", { readOnly: true })
    const named = await authentication.appPortalAccess("acme", {
      capabilities: ["ViewBase", "ManageEndpoint"] as never,
      sessionId: "user_1",
      expiry: 3600,
    })
    const patch = async (token: string) =>
      (await ask("PATCH", "/app/acme/endpoint/hook", { description: "Ours" }, token)).status
    expect([await patch(readOnly.token), await patch(named.token)]).toEqual([403, 200])
  })

  it.each<[Asked, string, string]>([
    [{ capabilities: ["ViewBase", "ManageEverything"] }, "capabilities", "one that there is not"],
    [{ capabilities: ["viewbase"] }, "capabilities", "one in another case"],
    [{ capabilities: [] }, "capabilities", "none"],
    [{ capabilities: ["ManageEndpoint"] }, "capabilities", "none of ViewBase"],
    [{ capabilities: Array.from({ length: 21 }, () => "ViewBase") }, "capabilities", "too many"],
    [{ readOnly: true, capabilities: ["ViewBase"] }, "readOnly", "both, if they say the same"],
    [{ readOnly: true, capabilities: ["ViewBase", "ManageEndpoint"] }, "readOnly", "both"],
    [{ readOnly: "yes" as never }, "readOnly", "a text"],
    [{ sessionId: "" }, "sessionId", "an empty text"],
    [{ sessionId: "s".repeat(257) }, "sessionId", "a long text"],
    [{ sessionId: 7 as never }, "sessionId", "a number"],
  ])("is refused: $1, $2", async (asked, field) => {
    const [status, loc] = await placeOf(await ask("POST", "/auth/app-portal-access/acme", asked))
    expect([status, loc?.slice(0, 2)]).toEqual([422, ["body", field]])
  })

  it.each<Asked>([
    { readOnly: false },
    { readOnly: null, capabilities: null, sessionId: null },
    { readOnly: false, capabilities: ["ViewBase", "ViewBase"] },
    { sessionId: "Zoë 🦉/../x" },
  ])("may be %j", async (asked) => {
    expect(await statusOf(await tokenWith(asked))).toBe(200)
  })
})

describe("POST /api/v1/auth/app/{app_id}/expire-all", () => {
  const expire = async (json: object = {}, token = OPERATOR, application = "acme") => {
    const { status } = await ask("POST", `/auth/app/${application}/expire-all`, json, token)
    world.clock.advance(1)
    return status
  }
  const rows = async () =>
    (await world.env.DB.prepare("SELECT id FROM revoked_tokens").all<{ id: string }>()).results

  it.each([Svix, SvixV1])("ends what the application has by now, nothing else: %o", async (Client) => {
    await svixFor(world, OPERATOR).application.create({ name: "Globex", uid: "globex" })
    const theirs = await tokenWith({}, "globex")
    const [one, two] = [await tokenWith({}), await tokenWith({ sessionId: "user_1" })]
    await new Client(OPERATOR, clientOptions(world)).authentication.expireAll("acme", {})
    world.clock.advance(1)
    const later = await tokenWith({})
    expect([await statusOf(one), await statusOf(two)]).toEqual([401, 401])
    expect([await statusOf(later), await statusOf(theirs, "globex")]).toEqual([200, 200])
  })

  it.each([Svix, SvixV1])("ends those of the sessions that are named: %o", async (Client) => {
    const [one, two, none] = [
      await tokenWith({ sessionId: "user_1" }),
      await tokenWith({ sessionId: "user_2" }),
      await tokenWith({}),
    ]
    const { authentication } = new Client(OPERATOR, clientOptions(world))
    await authentication.expireAll("acme", { sessionIds: ["user_1", "user_3"] })
    world.clock.advance(1)
    expect([await statusOf(one), await statusOf(two), await statusOf(none)]).toEqual([401, 200, 200])
    expect(await statusOf(await tokenWith({ sessionId: "user_1" }))).toBe(200)
  })

  it.each([60, 259_200])("lets them live for the %d seconds that it is given", async (expiry) => {
    const token = await tokenWith({})
    expect(await expire({ expiry })).toBe(204)
    const later = await tokenWith({})
    world.clock.advance(expiry * 1000 - 2)
    expect(await statusOf(token)).toBe(200)
    world.clock.advance(1)
    expect([await statusOf(token), await statusOf(later)]).toEqual([401, 200])
  })

  it("lets no token live longer for being ended twice", async () => {
    const first = await tokenWith({})
    await expire({ expiry: 0 })
    const second = await tokenWith({})
    await expire({ expiry: 3600 })
    expect([await statusOf(first), await statusOf(second)]).toEqual([401, 200])
    const third = await tokenWith({})
    await expire({ expiry: 7200 })
    world.clock.advance(HOUR_MS)
    expect([await statusOf(first), await statusOf(second), await statusOf(third)]).toEqual([401, 401, 401])
    const fourth = await tokenWith({})
    await expire({ expiry: 60 })
    expect([await statusOf(third), await statusOf(fourth)]).toEqual([401, 200])
    await expire()
    expect(await statusOf(fourth)).toBe(401)
  })

  it("takes a row for the application or the session, whatever there are of tokens and of calls", async () => {
    const { id } = await svixFor(world, OPERATOR).application.get("acme")
    for (let n = 0; n < 5; n++) {
      await tokenWith({ sessionId: "user_1" })
      await expire()
      await expire({ sessionIds: ["user_1", "user_1"] })
    }
    expect((await rows()).map((row) => row.id).toSorted()).toEqual([id, `${id}/user_1`])
  })

  it("is forgotten when no token that it ended would be valid any more, and not before", async () => {
    const token = await tokenWith({})
    await expire()
    world.clock.advance(7 * DAY_MS - 2000)
    await world.sweep()
    expect([await statusOf(token), (await rows()).length]).toEqual([401, 1])
    world.clock.advance(2000)
    await world.sweep()
    expect([await statusOf(token), (await rows()).length]).toEqual([401, 0])
  })

  it("is done once for an Idempotency-Key: a token that was made in between lives", async () => {
    const headers = { authorization: `Bearer ${OPERATOR}`, "idempotency-key": "once" }
    const again = (json: object) => callApi(world, "/api/v1/auth/app/acme/expire-all", { json, headers })
    expect((await again({})).status).toBe(204)
    world.clock.advance(1)
    const token = await tokenWith({})
    expect((await again({})).status).toBe(204)
    expect(await statusOf(token)).toBe(200)
    expect((await again({ expiry: 1 })).status).toBe(422)
  })

  it("leaves no ended token to who asks for portal access with the same key again", async () => {
    const headers = { authorization: `Bearer ${OPERATOR}`, "idempotency-key": "mine" }
    const access = async () => {
      const answer = await callApi(world, "/api/v1/auth/app-portal-access/acme", { json: {}, headers })
      return (await answer.json<{ token: string }>()).token
    }
    const first = await access()
    await expire()
    const second = await access()
    expect([await statusOf(first), await statusOf(second)]).toEqual([401, 200])
  })

  it("is the operator's, for an application that there is", async () => {
    const token = await tokenWith({})
    expect(await expire({}, token)).toBe(403)
    expect(await expire({}, OPERATOR, "nobody")).toBe(404)
    expect(await statusOf(token)).toBe(200)
  })

  it.each<[string, object, string]>([
    ["a time that is over", { expiry: -1 }, "expiry"],
    ["more than three days", { expiry: 259_201 }, "expiry"],
    ["parts of a second", { expiry: 1.5 }, "expiry"],
    ["a text for a number", { expiry: "60" }, "expiry"],
    ["one session that is no list", { sessionIds: "user_1" }, "sessionIds"],
    ["a session without a name", { sessionIds: [""] }, "sessionIds"],
    ["too many", { sessionIds: Array.from({ length: 101 }, (_, n) => `user_${n}`) }, "sessionIds"],
  ])("refuses %s, and ends nothing", async (_, json, field) => {
    const token = await tokenWith({ sessionId: "user_1" })
    const [status, loc] = await placeOf(await ask("POST", "/auth/app/acme/expire-all", json))
    expect([status, loc?.slice(0, 2)]).toEqual([422, ["body", field]])
    expect([await statusOf(token), await rows()]).toEqual([200, []])
  })
})

describe("GET /api/v1/auth/session", () => {
  const session = async (token?: string) => {
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` }
    const answer = await callApi(world, "/api/v1/auth/session", { headers })
    return { status: answer.status, body: await answer.json() }
  }
  const operator = {
    kind: "operator",
    application: null,
    capabilities: CAPABILITIES,
    featureFlags: null,
    sessionId: null,
    expiresAt: null,
  }

  it("tells the token of an application what it may do, and until when", async () => {
    const { id } = await svixFor(world, OPERATOR).application.get("acme")
    const capabilities = ["ManageEndpointSecret", "ViewBase"]
    const token = await tokenWith({ capabilities, sessionId: "user_1", featureFlags: ["beta"] })
    expect(await session(token)).toEqual({
      status: 200,
      body: {
        kind: "application",
        authMode: "token",
        application: { id, uid: "acme", name: "Acme" },
        capabilities: ["ViewBase", "ViewEndpointSecret", "ManageEndpointSecret"],
        featureFlags: ["beta"],
        sessionId: "user_1",
        expiresAt: new Date(world.clock.now() + 7 * DAY_MS).toISOString(),
      },
    })
    const [all, least] = [
      await session(await tokenWith({})),
      await session(await tokenWith({ readOnly: true })),
    ]
    expect(all.body).toMatchObject({ capabilities: CAPABILITIES, featureFlags: [], sessionId: null })
    expect(least.body).toMatchObject({ capabilities: ["ViewBase"] })
  })

  it("tells the operator so, and refuses whoever has no token", async () => {
    expect(await session(OPERATOR)).toEqual({ status: 200, body: { ...operator, authMode: "token" } })
    expect((await session()).status).toBe(401)
    expect((await session("appsk_wrong")).status).toBe(401)
  })

  it("says that open mode is open, and holds a token to its application there too", async () => {
    world = await createWorld()
    await svixFor(world).application.create({ name: "Acme", uid: "acme" })
    expect(await session()).toEqual({ status: 200, body: { ...operator, authMode: "open" } })
    const token = await tokenWith({ readOnly: true })
    expect((await session(token)).body).toMatchObject({ kind: "application", authMode: "open" })
    expect((await ask("DELETE", "/app/acme", undefined, token)).status).toBe(403)
  })
})
