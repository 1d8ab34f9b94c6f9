import { beforeEach, describe, expect, it } from "vitest"

import { verify } from "../support/receiver.ts"
import { createWorld, ORIGIN, type World } from "../support/world.ts"
import { svixFor } from "./svix.ts"

const DAY_MS = 24 * 3600 * 1000
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

interface Inbox {
  id: string
  url: string
  hasSecret: boolean
}
interface Got {
  id: string
  method: string
  headers: Record<string, string>
  body: string
  bodyTruncated: boolean
  answeredStatus: number | null
  signature: { verdict: string; detail: string }
}

let world: World

beforeEach(async () => {
  world = await createWorld()
})

const make = async (json: object = {}) => (await world.fetch("/api/v1/inbox", { json })).json<Inbox>()
const change = ({ id }: Inbox, json: object) => world.fetch(`/api/v1/inbox/${id}`, { method: "PATCH", json })
const drop = (url: string, init: RequestInit & { json?: unknown } = { json: {} }) =>
  world.fetch(new URL(url).pathname, init)

async function got({ id }: Inbox, query = ""): Promise<Got[]> {
  const response = await world.fetch(`/api/v1/inbox/${id}/request${query}`)
  return (await response.json<{ data: Got[] }>()).data
}

/** Registers the inbox with A, tells it the secret, and lets a user be created. */
async function deliver(inbox: Inbox): Promise<void> {
  const registered = await world.fetch("/webhook", { json: { event: "user_registered", url: inbox.url } })
  const { secret } = await registered.json<{ secret: string }>()
  await change(inbox, { secret })
  await world.fetch("/users", { json: { username: "Ada" } })
  await world.runDue()
}

describe("an inbox", () => {
  it("has a URL with 128 random bits, and keeps what is sent there, whatever the method", async () => {
    const inbox = await make()
    expect(inbox.url).toMatch(new RegExp(`^${ORIGIN}/inbox/ibx_[0-9a-f]{32}$`))
    const response = await drop(`${inbox.url}?a=1`, {
      method: "PUT",
      body: "hello",
      headers: { "x-mine": "1" },
    })
    expect(response.status).toBe(200)
    expect(response.headers.get("content-type")).toBe("text/plain; charset=utf-8")
    expect(response.headers.get("x-content-type-options")).toBe("nosniff")
    expect(await got(inbox)).toMatchObject([
      { method: "PUT", body: "hello", headers: { "x-mine": "1" }, answeredStatus: 200 },
    ])
  })

  it("gets our own deliveries without the network, and verifies them", async () => {
    const inbox = await make()
    await deliver(inbox)
    expect(world.receivers.received).toEqual([])
    const [request] = await got(inbox)
    expect(request?.signature.verdict).toBe("verified")
    expect(JSON.parse(request?.body ?? "")).toMatchObject({ data: { username: "ada" } })
    expect(request?.headers["user-agent"]).toMatch(/^Posthorn\//)
  })

  it("lets a delivery fail as it was told to, and the retry is another request", async () => {
    const inbox = await make({ status: 500 })
    await deliver(inbox)
    await change(inbox, { status: 200 })
    await world.runAll(60_000)
    const requests = await got(inbox)
    expect(requests.map(({ answeredStatus }) => answeredStatus)).toEqual([200, 500])
    expect(new Set(requests.map(({ headers }) => headers["webhook-id"])).size).toBe(1)
  })

  it("answers 429 with Retry-After, which the retry keeps to", async () => {
    const inbox = await make({ status: 429, retryAfterSeconds: 100 })
    await deliver(inbox)
    await change(inbox, { status: 200, retryAfterSeconds: null })
    await world.runAllWithSweeps(99_000)
    expect(await got(inbox)).toHaveLength(1)
    await world.runAllWithSweeps(120_000)
    expect(await got(inbox)).toHaveLength(2)
  })

  it("disables an endpoint with 410", async () => {
    const svix = svixFor(world)
    await svix.application.create({ name: "Acme", uid: "acme" })
    const inbox = await make({ status: 410 })
    await svix.endpoint.create("acme", { uid: "ep", url: inbox.url })
    await svix.message.create("acme", { eventType: "user.signup", payload: {} })
    await world.runDue()
    expect(await svix.endpoint.get("acme", "ep")).toMatchObject({ disabled: true })
  })

  it("hangs when told to: the attempt ends by its timeout", async () => {
    const inbox = await make({ hangs: true })
    await deliver(inbox)
    expect(await got(inbox)).toMatchObject([{ answeredStatus: null }])
    const { results } = await world.env.DB.prepare(
      "SELECT error FROM deliveries WHERE application_id = 'app_users'",
    ).all()
    expect(results).toEqual([{ error: "timeout" }])
  })

  it("thinks as long as it was told to", async () => {
    const inbox = await make({ delayMs: 4_000 })
    const before = world.clock.now()
    await drop(inbox.url)
    expect(world.clock.now() - before).toBe(4_000)
  })

  it("masks credentials and keeps what a signature needs", async () => {
    const inbox = await make()
    const headers = {
      authorization: "Bearer tok_5ecret",
      cookie: "sid=5ecret",
      "x-api-key": "5ecret",
      "webhook-signature": "v1,abc",
    }
    await drop(inbox.url, { method: "POST", body: "x", headers })
    expect(await world.everything()).not.toContain("5ecret")
    expect((await got(inbox))[0]?.headers).toMatchObject({
      authorization: "Bearer ••••••",
      "webhook-signature": "v1,abc",
    })
  })

  it("keeps 64 KiB of a body, and the newest hundred requests", async () => {
    const inbox = await make()
    for (let n = 0; n < 103; n++) {
      if (n % 20 === 0) world.clock.advance(1000)
      await drop(inbox.url, { method: "POST", body: String(n) })
    }
    world.clock.advance(1000)
    await drop(inbox.url, { method: "POST", body: "x".repeat(65 * 1024) })
    const { n } =
      (await world.env.DB.prepare("SELECT count(*) AS n FROM inbox_requests").first<{ n: number }>()) ?? {}
    expect(n).toBe(100)
    const [newest, second] = await got(inbox)
    expect([newest?.body.length, newest?.bodyTruncated, second?.body]).toEqual([64 * 1024, true, "102"])
    expect((await got(inbox, "?order=ascending"))[0]?.body).toBe("4")
  })

  it("refuses a flood before it asks D1 anything", async () => {
    const inbox = await make()
    for (let n = 0; n < 20; n++) await drop(inbox.url)
    let asked = 0
    world.probe.onTrip = () => asked++
    const refused = await drop(inbox.url)
    expect([refused.status, refused.headers.get("retry-after"), asked]).toEqual([429, "1", 0])
    world.clock.advance(1000)
    expect((await drop(inbox.url)).status).toBe(200)
  })

  it("is gone after a day, with all that it got", async () => {
    const inbox = await make()
    await drop(inbox.url)
    world.clock.advance(DAY_MS)
    expect((await drop(inbox.url)).status).toBe(404)
    expect((await world.fetch(`/api/v1/inbox/${inbox.id}`)).status).toBe(404)
    await world.sweep()
    const { results } = await world.env.DB.prepare(
      "SELECT id FROM inboxes UNION ALL SELECT id FROM inbox_requests",
    ).all()
    expect(results).toEqual([])
  })

  it("is one of twenty at most; an old one makes room", async () => {
    for (let n = 0; n < 20; n++) await make()
    const refused = await world.fetch("/api/v1/inbox", { json: {} })
    expect([refused.status, await refused.json()]).toMatchObject([409, { code: "limit_reached" }])
    world.clock.advance(DAY_MS)
    expect((await world.fetch("/api/v1/inbox", { json: {} })).status).toBe(201)
  })

  it("can be emptied and deleted", async () => {
    const inbox = await make()
    await drop(inbox.url)
    expect((await world.fetch(`/api/v1/inbox/${inbox.id}/request`, { method: "DELETE" })).status).toBe(204)
    expect(await got(inbox)).toEqual([])
    expect((await world.fetch(`/api/v1/inbox/${inbox.id}`, { method: "DELETE" })).status).toBe(204)
    expect((await drop(inbox.url)).status).toBe(404)
    expect((await (await world.fetch("/api/v1/inbox")).json<{ data: Inbox[] }>()).data).toEqual([])
  })

  it("keeps its secret sealed and to itself", async () => {
    const inbox = await make({ secret: SECRET })
    expect(inbox.hasSecret).toBe(true)
    const answers = [await world.fetch("/api/v1/inbox"), await world.fetch(`/api/v1/inbox/${inbox.id}`)]
    for (const answer of answers) expect(await answer.text()).not.toContain(SECRET)
  })

  it.each([
    [{ status: 199 }, "status"],
    [{ status: 600 }, "status"],
    [{ delayMs: 30_001 }, "delayMs"],
    [{ retryAfterSeconds: -1 }, "retryAfterSeconds"],
    [{ secret: "whsec_short" }, "secret"],
    [{ hangs: "yes" }, "hangs"],
  ])("refuses %j, and says where", async (json, field) => {
    const inbox = await make()
    for (const response of [await world.fetch("/api/v1/inbox", { json }), await change(inbox, json)]) {
      expect(response.status).toBe(422)
      expect(await response.json()).toMatchObject({ detail: [{ loc: ["body", field] }] })
    }
    expect((await (await world.fetch("/api/v1/inbox")).json<{ data: Inbox[] }>()).data).toHaveLength(1)
  })
})

describe("who may see an inbox", () => {
  const settings = { AUTH_MODE: "token", API_TOKEN: "t".repeat(32), ENCRYPTION_KEY: btoa("k".repeat(32)) }

  it("is the operator; sending to it needs no token", async () => {
    world = await createWorld(settings)
    const headers = { authorization: `Bearer ${settings.API_TOKEN}` }
    const inbox = await (await world.fetch("/api/v1/inbox", { json: {}, headers })).json<Inbox>()
    expect((await world.fetch(`/api/v1/inbox/${inbox.id}/request`)).status).toBe(401)
    expect((await drop(inbox.url)).status).toBe(200)
  })

  it("is not the token of an application", async () => {
    world = await createWorld(settings)
    const svix = svixFor(world, settings.API_TOKEN)
    await svix.application.create({ name: "Acme", uid: "acme" })
    const { token } = await svix.authentication.appPortalAccess("acme", {})
    const headers = { authorization: `Bearer ${token}` }
    expect((await world.fetch("/api/v1/inbox", { headers })).status).toBe(403)
  })
})

describe("the verdict on a request", () => {
  const NOW = Math.floor(Date.UTC(2026, 0, 15, 12) / 1000)

  async function verdictOf(headers: Record<string, string>, secret: string | null = SECRET, body = "{}") {
    const inbox = await make(secret === null ? {} : { secret })
    await drop(inbox.url, { method: "POST", body, headers })
    return (await got(inbox))[0]?.signature.verdict
  }
  const signed = async (timestamp: number, prefix = "webhook", body = "{}") => {
    const { Webhook } = await import("standardwebhooks")
    const signature = new Webhook(SECRET).sign("evt_1", new Date(timestamp * 1000), body)
    return {
      [`${prefix}-id`]: "evt_1",
      [`${prefix}-timestamp`]: String(timestamp),
      [`${prefix}-signature`]: signature,
    }
  }

  it("is verified for what the public library signs, under either name of the headers", async () => {
    expect(await verdictOf(await signed(NOW))).toBe("verified")
    expect(await verdictOf(await signed(NOW, "svix"))).toBe("verified")
  })

  it("is verified when one signature of several is right", async () => {
    const headers = await signed(NOW)
    headers["webhook-signature"] = `v1,AAAA ${headers["webhook-signature"]}`
    expect(await verdictOf(headers)).toBe("verified")
  })

  it("tells why not", async () => {
    const good = await signed(NOW)
    expect(await verdictOf({})).toBe("unsigned")
    expect(await verdictOf(good, null)).toBe("no-secret")
    expect(await verdictOf({ ...good, "webhook-timestamp": "noon" })).toBe("bad-timestamp")
    expect(await verdictOf(await signed(NOW - 301))).toBe("out-of-time")
    expect(await verdictOf(await signed(NOW + 301))).toBe("out-of-time")
    expect(await verdictOf(good, `whsec_${btoa("x".repeat(24))}`)).toBe("mismatch")
    expect(await verdictOf(good, SECRET, "{ }")).toBe("mismatch")
    const long = "x".repeat(65 * 1024)
    expect(await verdictOf(await signed(NOW, "webhook", long), SECRET, long)).toBe("too-long")
  })
})

describe("an endpoint at our own address", () => {
  it("may be an inbox, and nothing else", async () => {
    const inbox = await make()
    const register = (url: string) => world.fetch("/webhook", { json: { event: "user_registered", url } })
    expect((await register(inbox.url)).status).toBe(200)
    expect((await register(`${ORIGIN}/users`)).status).toBe(422)
    expect((await register(`${inbox.url}/more`)).status).toBe(422)
  })

  it("takes deliveries of another Posthorn over the network, where every other route refuses them", async () => {
    const inbox = await make()
    const headers = { "webhook-id": "evt_1", "user-agent": "Posthorn/0.2.0" }
    expect((await drop(inbox.url, { method: "POST", body: "{}", headers })).status).toBe(200)
    expect((await world.fetch("/users", { json: { username: "Ada" }, headers })).status).toBe(508)
  })

  it("is verified with the public library too", async () => {
    const inbox = await make({ secret: SECRET })
    await deliver(inbox)
    const [request] = await got(inbox)
    const rows = await world.env.DB.prepare("SELECT sealed FROM secrets").first<{ sealed: string }>()
    const secret = rows?.sealed.replace(/^0:/, "") ?? ""
    expect(() =>
      verify(secret, { headers: request?.headers ?? {}, body: request?.body ?? "" } as never),
    ).not.toThrow()
  })
})
