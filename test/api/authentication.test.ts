import { ApiException } from "svix"
import { beforeEach, describe, expect, it } from "vitest"

import { createWorld, ORIGIN, type World } from "../support/world.ts"
import { callApi, svixFor } from "./svix.ts"

const TOKEN = "letmein"
const DAY_MS = 24 * 3600 * 1000
const SETTINGS = { AUTH_MODE: "token", API_TOKEN: TOKEN, ENCRYPTION_KEY: btoa("k".repeat(32)) }

let world: World

beforeEach(async () => {
  world = await createWorld(SETTINGS)
  await svixFor(world, TOKEN).application.create({ name: "Acme", uid: "acme" })
})

async function tokenFor(application: string, inWorld = world): Promise<string> {
  const { token } = await svixFor(inWorld, TOKEN).authentication.appPortalAccess(application, {})
  return token
}

/** What the client was refused with. */
async function refusal(work: Promise<unknown>): Promise<{ status: number; body: unknown }> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof ApiException)) throw new Error(`not refused: ${String(error)}`)
  return { status: error.code, body: error.body }
}

const UNAUTHORIZED = { code: "unauthorized", detail: "Invalid token", hint: expect.any(String) }
const FORBIDDEN = { code: "authorization", detail: expect.any(String) }

describe("POST /api/v1/auth/app-portal-access/{app_id}", () => {
  it("answers a token that reads its application, by id and by uid", async () => {
    const acme = svixFor(world, await tokenFor("acme"))
    const application = await acme.application.get("acme")
    expect(application.name).toBe("Acme")
    expect((await acme.application.get(application.id)).uid).toBe("acme")
  })

  it("answers a URL that shows the token behind the # alone", async () => {
    const { token, url } = await svixFor(world, TOKEN).authentication.appPortalAccess("acme", {})
    const parsed = new URL(url)
    expect(parsed.origin).toBe(ORIGIN)
    expect(parsed.hash).toContain(token)
    expect(parsed.pathname + parsed.search).not.toContain(token)
    world = await createWorld({ ...SETTINGS, PUBLIC_URL: "https://hooks.example.com" })
    await svixFor(world, TOKEN).application.create({ name: "Acme", uid: "acme" })
    const access = await svixFor(world, TOKEN).authentication.appPortalAccess("acme", {})
    expect(access.url).toMatch(/^https:\/\/hooks\.example\.com\/dashboard#/)
  })

  it("creates the application that is given along, once", async () => {
    const operator = svixFor(world, TOKEN)
    for (const name of ["Globex", "ignored"]) {
      await operator.authentication.appPortalAccess("globex", { application: { name, uid: "globex" } })
    }
    expect((await operator.application.get("globex")).name).toBe("Globex")
  })

  it("is the same for the same Idempotency-Key for as long as it lives, and a living one afterwards", async () => {
    const ask = async () => {
      const headers = { "idempotency-key": "once", authorization: `Bearer ${TOKEN}` }
      const json = { expiry: 3600, application: { name: "New", uid: "new" } }
      const answer = await callApi(world, "/api/v1/auth/app-portal-access/new", { json, headers })
      return (await answer.json<{ token: string }>()).token
    }
    const first = await ask()
    expect(await ask()).toBe(first)
    await svixFor(world, first).authentication.logout()
    const second = await ask()
    expect(second).not.toBe(first)
    expect(await ask()).toBe(second)
    await svixFor(world, second).application.get("new")
    world.clock.advance(3600_000)
    const third = await ask()
    expect(third).not.toBe(second)
    await svixFor(world, third).application.get("new")
  })

  it("refuses an unknown application, and one given along under another uid or none", async () => {
    const { authentication } = svixFor(world, TOKEN)
    expect((await refusal(authentication.appPortalAccess("globex", {}))).status).toBe(404)
    for (const named of [{ uid: "other" }, { uid: null }, {}]) {
      const refused = authentication.appPortalAccess("globex", { application: { name: "Globex", ...named } })
      expect(await refusal(refused)).toMatchObject({
        status: 422,
        body: { detail: [{ loc: ["body", "application", "uid"] }] },
      })
    }
  })

  it("is not for the token of an application, not even its own", async () => {
    const acme = svixFor(world, await tokenFor("acme"))
    expect(await refusal(acme.authentication.appPortalAccess("acme", {}))).toEqual({
      status: 403,
      body: FORBIDDEN,
    })
  })

  it("shows event types behind a feature flag to a token that has it, and to no other", async () => {
    await callApi(world, "/api/v1/event-type", {
      json: { name: "beta.thing", description: "New", featureFlag: "beta" },
      headers: { authorization: `Bearer ${TOKEN}` },
    })
    const { authentication } = svixFor(world, TOKEN)
    const access = await authentication.appPortalAccess("acme", { featureFlags: ["beta"] })
    const names = async (token: string) =>
      (await svixFor(world, token).eventType.list()).data.map(({ name }) => name)
    expect(await names(access.token)).toEqual(["beta.thing"])
    expect(await names(await tokenFor("acme"))).toEqual([])
    expect((await refusal(svixFor(world, await tokenFor("acme")).eventType.get("beta.thing"))).status).toBe(
      404,
    )
  })
})

describe("POST /api/v1/auth/dashboard-access/{app_id}", () => {
  const path = "/api/v1/auth/dashboard-access/acme"
  const headers = { authorization: `Bearer ${TOKEN}` }

  it("is the older name of app-portal-access, and needs no body", async () => {
    const bodies = [{}, { body: "{}", headers: { ...headers, "content-type": "application/json" } }]
    for (const init of bodies) {
      const response = await callApi(world, path, { method: "POST", headers, ...init })
      expect(response.status).toBe(200)
      const { token, url } = await response.json<{ token: string; url: string }>()
      expect(new URL(url).hash).toContain(token)
      expect((await svixFor(world, token).application.get("acme")).name).toBe("Acme")
    }
  })

  it("takes and refuses what app-portal-access does, and no token of an application", async () => {
    const post = (json: object, bearer = TOKEN) =>
      callApi(world, path, { json, headers: { authorization: `Bearer ${bearer}` } })
    expect((await post({ expiry: 3600 })).status).toBe(200)
    expect((await post({ readOnly: true, capabilities: ["ViewBase"] })).status).toBe(422)
    expect((await post({}, await tokenFor("acme"))).status).toBe(403)
    const missing = "/api/v1/auth/dashboard-access/nobody"
    expect((await callApi(world, missing, { method: "POST", headers })).status).toBe(404)
  })
})

describe("the token of an application", () => {
  it.each([3600, 86_400, 604_800])("ends after the %d seconds that were asked for", async (expiry) => {
    const { token } = await svixFor(world, TOKEN).authentication.appPortalAccess("acme", { expiry })
    world.clock.advance(expiry * 1000 - 2000)
    expect((await svixFor(world, token).application.get("acme")).uid).toBe("acme")
    world.clock.advance(2000)
    expect((await refusal(svixFor(world, token).application.get("acme"))).status).toBe(401)
  })

  it.each([0, 3599, 604_801, 7200.5, "7200"])("is refused for %j seconds", async (expiry) => {
    const response = await callApi(world, "/api/v1/auth/app-portal-access/acme", {
      json: { expiry },
      headers: { authorization: `Bearer ${TOKEN}` },
    })
    expect([response.status, await response.json()]).toMatchObject([
      422,
      { detail: [{ loc: ["body", "expiry"] }] },
    ])
  })

  it("cannot subscribe to what it cannot see, nor learn that it is there: in every way to set a filter", async () => {
    const operator = svixFor(world, TOKEN)
    await operator.application.create({ name: "Seer", uid: "seer" })
    await callApi(world, "/api/v1/event-type", {
      json: { name: "hidden.type", description: "", featureFlag: "beta" },
      headers: { authorization: `Bearer ${TOKEN}` },
    })
    await operator.eventType.create({ name: "plain.type", description: "" })
    const tokenWith = async (featureFlags: string[]) =>
      (await operator.authentication.appPortalAccess("seer", { featureFlags })).token
    const blind = await tokenWith(["other"])
    await operator.endpoint.create("seer", { url: "http://receiver.example/", uid: "mine" })
    const attempt = (token: string, type: string, way: string) => {
      const headers = { authorization: `Bearer ${token}` }
      const json = { url: "http://receiver.example/", eventTypes: ["plain.type", type] }
      const collection = "/api/v1/app/seer/endpoint"
      if (way === "POST") return callApi(world, collection, { json, headers })
      return callApi(world, `${collection}/${way === "PUT new" ? "new" : "mine"}`, {
        method: way.slice(0, 3) === "PUT" ? "PUT" : "PATCH",
        json,
        headers,
      })
    }
    for (const way of ["POST", "PUT", "PUT new", "PATCH"]) {
      const told = async (type: string) => {
        const answer = await attempt(blind, type, way)
        return [answer.status, (await answer.text()).replaceAll(type, "…")]
      }
      expect((await told("hidden.type"))[0]).toBe(422)
      expect(await told("hidden.type")).toEqual(await told("no.type"))
    }
    expect((await operator.endpoint.list("seer")).data).toHaveLength(1)
    expect((await attempt(await tokenWith(["beta"]), "hidden.type", "PATCH")).status).toBe(200)
    // What the endpoint has by now it shows anyway: whoever sends back what was read is not refused.
    expect((await attempt(blind, "hidden.type", "PUT")).status).toBe(200)
    await attempt(blind, "plain.type", "PUT")
    expect((await attempt(blind, "hidden.type", "PUT")).status).toBe(422)
  })

  it("ends after 7 days", async () => {
    const token = await tokenFor("acme")
    world.clock.advance(7 * DAY_MS - 2000)
    expect((await svixFor(world, token).application.get("acme")).uid).toBe("acme")
    world.clock.advance(2000)
    expect(await refusal(svixFor(world, token).application.get("acme"))).toEqual({
      status: 401,
      body: UNAUTHORIZED,
    })
  })

  it("ends with its application, and does not come back with another of the same uid", async () => {
    const token = await tokenFor("acme")
    const operator = svixFor(world, TOKEN)
    await operator.application.delete("acme")
    await operator.application.create({ name: "Another", uid: "acme" })
    expect((await refusal(svixFor(world, token).application.get("acme"))).status).toBe(401)
  })

  it("is nothing if a letter of it is changed, or if it is signed by somebody else", async () => {
    const token = await tokenFor("acme")
    const [head = "", claims = "", signature = ""] = token.slice("appsk_".length).split(".")
    const forged = btoa(atob(claims).replace(/"sub":"[^"]+"/, '"sub":"app_users"')).replaceAll("=", "")
    const none = btoa(JSON.stringify({ alg: "none", typ: "JWT" })).replaceAll("=", "")
    const other = signature.startsWith("A") ? `B${signature.slice(1)}` : `A${signature.slice(1)}`
    const wrong = [
      `appsk_${head}.${forged}.${signature}`,
      `appsk_${head}.${claims}.${other}`,
      `appsk_${none}.${claims}.`,
      `appsk_${head}.${claims}`,
      "appsk_",
      token.slice("appsk_".length),
    ]
    for (const text of wrong) {
      expect([text, (await refusal(svixFor(world, text).application.get("acme"))).status]).toEqual([
        text,
        401,
      ])
    }
    const elsewhere = await createWorld({ ...SETTINGS, ENCRYPTION_KEY: btoa("x".repeat(32)) })
    await svixFor(elsewhere, TOKEN).application.create({ name: "Acme", uid: "acme" })
    expect((await refusal(svixFor(elsewhere, token).application.get("acme"))).status).toBe(401)
  })

  it("outlives a rotation of the encryption key for as long as the old one is kept", async () => {
    const token = await tokenFor("acme")
    const keys = `${btoa("n".repeat(32))},${SETTINGS.ENCRYPTION_KEY}`
    Object.assign(world.config, { encryptionKeys: keys.split(",") })
    expect((await svixFor(world, token).application.get("acme")).uid).toBe("acme")
    Object.assign(world.config, { encryptionKeys: keys.split(",").slice(0, 1) })
    expect((await refusal(svixFor(world, token).application.get("acme"))).status).toBe(401)
  })

  it("is signed with the API token where there is no encryption key", async () => {
    world = await createWorld({ AUTH_MODE: "token", API_TOKEN: TOKEN })
    await world.env.DB.prepare(
      "INSERT INTO applications (id, uid, name, created_at, updated_at) VALUES ('app_1', 'acme', 'Acme', 2000, 2000)",
    ).run()
    const response = await callApi(world, "/api/v1/auth/app-portal-access/acme", {
      json: {},
      headers: { authorization: `Bearer ${TOKEN}` },
    })
    const { token } = await response.json<{ token: string }>()
    expect((await svixFor(world, token).application.get("acme")).uid).toBe("acme")
  })

  it("holds its bearer to its application in open mode too, where no token is asked for", async () => {
    world = await createWorld()
    const anybody = svixFor(world)
    await anybody.application.create({ name: "Acme", uid: "acme" })
    const { token } = await anybody.authentication.appPortalAccess("acme", {})
    const acme = svixFor(world, token)
    expect((await acme.application.get("acme")).uid).toBe("acme")
    expect((await refusal(acme.application.list())).status).toBe(403)
    await acme.authentication.logout()
    expect((await refusal(acme.application.get("acme"))).status).toBe(401)
  })
})

describe("POST /api/v1/auth/logout", () => {
  it("ends the token that it is sent with, and no other", async () => {
    const [first, second] = [await tokenFor("acme"), await tokenFor("acme")]
    await svixFor(world, first).authentication.logout()
    expect((await refusal(svixFor(world, first).application.get("acme"))).status).toBe(401)
    expect((await refusal(svixFor(world, first).authentication.logout())).status).toBe(401)
    expect((await svixFor(world, second).application.get("acme")).uid).toBe("acme")
  })

  it("is refused to an API token", async () => {
    expect(await refusal(svixFor(world, TOKEN).authentication.logout())).toEqual({
      status: 403,
      body: FORBIDDEN,
    })
    expect((await svixFor(world, TOKEN).application.get("acme")).uid).toBe("acme")
  })

  it("leaves a row until the token would have ended anyway", async () => {
    await svixFor(world, await tokenFor("acme")).authentication.logout()
    const rows = async () =>
      (await world.env.DB.prepare("SELECT id FROM revoked_tokens").all()).results.length
    world.clock.advance(6 * DAY_MS)
    await world.sweep()
    expect(await rows()).toBe(1)
    world.clock.advance(DAY_MS)
    await world.sweep()
    expect(await rows()).toBe(0)
  })
})

describe("GET /api/v1/health", () => {
  it("answers 204 to anybody, and so does its ping", async () => {
    await svixFor(world, "no token at all").health.get()
    for (const path of ["/api/v1/health", "/api/v1/health/ping"]) {
      for (const method of ["GET", "HEAD"]) expect((await world.fetch(path, { method })).status).toBe(204)
    }
  })

  it("answers 503 with a code while the database does not answer", async () => {
    world.probe.before = () => {
      throw new Error("D1 is away")
    }
    const response = await callApi(world, "/api/v1/health")
    expect(response.status).toBe(503)
    expect(await response.json()).toEqual({ code: "unhealthy", detail: expect.any(String) })
    expect((await callApi(world, "/api/v1/health/ping")).status).toBe(204)
  })
})

describe("refusals", () => {
  it.each([undefined, "Bearer wrong", "Bearer appsk_wrong", "Basic letmein", "letmein"])(
    "say of the token %j what Svix's server says, and beside it what to do",
    async (authorization) => {
      const response = await callApi(
        world,
        "/api/v1/app",
        authorization ? { headers: { authorization } } : {},
      )
      expect([response.status, await response.json()]).toEqual([401, UNAUTHORIZED])
      expect(response.headers.get("www-authenticate")).toMatch(/^Bearer/)
    },
  )

  it("always have a code and a detail, or a list of places", async () => {
    const headers = { authorization: `Bearer ${TOKEN}` }
    const answers: [string, RequestInit, number, unknown][] = [
      ["/api/v1/nothing", {}, 404, { code: "not_found", detail: expect.any(String) }],
      ["/api/v1/app", { method: "DELETE" }, 405, { code: "method_not_allowed", detail: expect.any(String) }],
      ["/api/v1/app/none", {}, 404, { code: "not_found", detail: expect.any(String) }],
      [
        "/api/v1/app?limit=0",
        {},
        422,
        { detail: [{ loc: ["query", "limit"], msg: expect.any(String), type: expect.any(String) }] },
      ],
      [
        "/api/v1/app",
        { method: "POST", body: "{}", headers: { "content-type": "application/json" } },
        422,
        { detail: [{ loc: ["body", "name"], msg: "Field required", type: "missing" }] },
      ],
    ]
    for (const [path, init, status, body] of answers) {
      const response = await world.fetch(path, { ...init, headers: { ...init.headers, ...headers } })
      expect([path, response.status, await response.json()]).toEqual([path, status, body])
    }
  })
})
