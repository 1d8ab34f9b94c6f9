import type { Svix } from "svix"
import { describe, expect, it } from "vitest"

import { USER_AGENT } from "../../src/platform/version.ts"
import { HOOK, worldWithEndpoint } from "../support/endpoint-world.ts"
import { customersDB } from "../support/shards.ts"
import type { World } from "../support/world.ts"
import { callApi } from "./svix.ts"

const OWN_VALUE = "Bearer own-credential-4711"

interface Header {
  name: string
  value: string | null
}
interface Exchange {
  attempt: { id: string; responseStatusCode: number; responseDurationMs: number; statusText: string }
  request: { method: string; url: string; headers: Header[]; body: string | null }
  response: { status: number; headers: Header[]; body: string | null; bodyCut: boolean } | null
  headersCut: boolean
  error: string | null
  retryAfter: string | null
}
interface Headers {
  sensitive: string[]
  sentHeaders: Record<string, string>
  responseHeaders: [string, string][] | null
}

/** What the operation says of the message's `n`-th attempt, the newest being the first. */
async function see<Seen>(
  world: World,
  svix: Svix,
  what: "exchange" | "headers",
  message: string,
  n = 0,
): Promise<Seen> {
  const attempt = (await svix.messageAttempt.listByMsg("acme", message)).data[n]
  const answer = await callApi(world, `/api/v1/app/acme/msg/${message}/attempt/${attempt?.id}/${what}`)
  expect(answer.status).toBe(200)
  return answer.json()
}

const pairs = (headers: Header[] = []) => Object.fromEntries(headers.map(({ name, value }) => [name, value]))

describe("an attempt's exchange", () => {
  it("is all of it: what was sent, what came back, how long it took", async () => {
    const { world, svix, endpoint, send } = await worldWithEndpoint()
    await svix.endpoint.patchHeaders("acme", "ep", {
      headers: { authorization: OWN_VALUE, "x-tenant": "t-1" },
    })
    const headers = { "content-type": "text/plain", "x-request-id": "r-1", "set-cookie": "session=secret" }
    world.receivers.at(HOOK, () => {
      world.clock.advance(40)
      return new Response("thanks", { status: 201, headers })
    })
    const message = await send("m1")
    const at = world.clock.now()
    await world.runDue()
    const [received] = world.receivers.to(HOOK)
    const seen = await see<Exchange>(world, svix, "exchange", "m1")
    expect(seen.attempt).toMatchObject({
      responseStatusCode: 201,
      responseDurationMs: 40,
      statusText: "success",
    })
    expect(seen.request).toMatchObject({ method: "POST", url: endpoint.url, body: received?.body })
    expect(pairs(seen.request.headers)).toEqual({
      "webhook-id": message.id,
      "webhook-timestamp": String(Math.floor(at / 1000)),
      "webhook-signature": null,
      "content-type": "application/json",
      "user-agent": USER_AGENT,
      authorization: null,
      "x-tenant": null,
    })
    expect(seen.response).toMatchObject({ status: 201, body: "thanks", bodyCut: false })
    expect(pairs(seen.response?.headers)).toEqual({
      "content-type": "text/plain",
      "set-cookie": null,
      "x-request-id": "r-1",
    })
    expect([seen.headersCut, seen.error, seen.retryAfter]).toEqual([false, null, null])

    // What it names is what arrived.
    const arrived = Object.keys(received?.headers ?? {})
    for (const { name } of seen.request.headers) expect(arrived).toContain(name)
  })

  it("keeps no credential, even where the receiver repeats it", async () => {
    const { world, svix, send } = await worldWithEndpoint()
    await svix.endpoint.patchHeaders("acme", "ep", { headers: { "x-mine": OWN_VALUE } })
    world.receivers.at(
      HOOK,
      ({ headers }) =>
        new Response(null, {
          status: 500,
          headers: { "x-echo": headers["x-mine"] ?? "", authorization: "Basic abc" },
        }),
    )
    await send("m1")
    await world.runDue()
    const { response } = await see<Exchange>(world, svix, "exchange", "m1")
    expect(pairs(response?.headers)).toMatchObject({ "x-echo": null, authorization: null })
    const { results } = await customersDB.prepare("SELECT headers FROM deliveries").all()
    expect(JSON.stringify(results)).not.toContain("4711")
    expect(JSON.stringify(world.logged)).not.toContain("4711")
  })

  it("of a retry and of one by hand are kept as well", async () => {
    const { world, svix, send } = await worldWithEndpoint({ RETRY_SCHEDULE: "5,300" })
    let n = 0
    world.receivers.at(HOOK, () => new Response(null, { status: 500, headers: { "x-n": String(++n) } }))
    await send("m1")
    await world.runAll(6_000)
    await svix.messageAttempt.resend("acme", "m1", "ep")
    await world.runDue()
    for (const [index, expected] of ["3", "2", "1"].entries()) {
      const { response } = await see<Exchange>(world, svix, "exchange", "m1", index)
      expect(pairs(response?.headers)).toMatchObject({ "x-n": expected })
    }
  })

  it("without an answer says why, and what was sent", async () => {
    const { world, svix, send } = await worldWithEndpoint()
    world.receivers.at(HOOK, new Error("Network connection lost."))
    await send("m1")
    await world.runDue()
    const seen = await see<Exchange>(world, svix, "exchange", "m1")
    expect(seen).toMatchObject({ response: null, error: "Connection refused" })
    expect(pairs(seen.request.headers)).toMatchObject({ "user-agent": USER_AGENT })
  })

  it.each([429, 503])("of a %i says when the receiver wants to be asked again", async (status) => {
    const { world, svix, send } = await worldWithEndpoint()
    world.receivers.at(HOOK, new Response(null, { status, headers: { "retry-after": "90" } }))
    await send("m1")
    const at = world.clock.now()
    await world.runDue()
    const { retryAfter } = await see<Exchange>(world, svix, "exchange", "m1")
    expect(retryAfter).toBe(new Date(at + 90_000).toISOString())
  })

  it("explains an interim answer that the runtime takes for the answer", async () => {
    const { world, svix, send } = await worldWithEndpoint()
    const interim = Object.defineProperty(new Response(null), "status", { value: 101 })
    world.receivers.at(HOOK, Object.assign(interim, { clone: () => interim }))
    await send("m1")
    await world.runDue()
    const seen = await see<Exchange>(world, svix, "exchange", "m1")
    expect(seen.response).toMatchObject({ status: 101 })
    expect(seen.error).toMatch(/^The receiver answered with an interim status/)
    expect(seen.attempt.statusText).toBe("fail")
  })

  it.each([
    [200, 1_024],
    [500, 4_096],
  ])("keeps a bounded part of the headers of a %i: %i bytes", async (status, most) => {
    const { world, svix, send } = await worldWithEndpoint()
    const headers = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`x-${n}`, "v".repeat(50)]))
    world.receivers.at(HOOK, new Response(null, { status, headers }))
    await send("m1")
    await world.runDue()
    const seen = await see<Exchange>(world, svix, "exchange", "m1")
    expect(seen.headersCut).toBe(true)
    const row = await customersDB
      .prepare("SELECT length(headers) AS n FROM deliveries")
      .first<{ n: number }>()
    expect(row?.n).toBeLessThan(most + 400)
    expect(row?.n).toBeGreaterThan(most / 2)
  })

  it("forgets what came back with the attempt's content, and what was sent with the message's", async () => {
    const { world, svix, send } = await worldWithEndpoint()
    world.receivers.at(HOOK, new Response("secret", { status: 200, headers: { "x-private": "secret" } }))
    await send("m1")
    await world.runDue()
    const [attempt] = (await svix.messageAttempt.listByMsg("acme", "m1")).data
    await svix.messageAttempt.expungeContent("acme", "m1", attempt?.id ?? "")
    const seen = await see<Exchange>(world, svix, "exchange", "m1")
    expect(seen.response).toMatchObject({ body: null, headers: [] })
    expect(seen.request.headers).not.toEqual([])
    const { results } = await customersDB.prepare("SELECT headers FROM deliveries").all()
    expect(JSON.stringify(results)).not.toContain("secret")
    await svix.message.expungeContent("acme", "m1")
    expect((await see<Exchange>(world, svix, "exchange", "m1")).request.body).toBe(null)
  })

  it("of a first attempt stays with a delivery that was asked for by hand before it was dispatched", async () => {
    const { world, svix, send } = await worldWithEndpoint()
    world.receivers.at(HOOK, new Response(null, { status: 200, headers: { "x-n": "1" } }))
    await send("m1")
    await svix.messageAttempt.resend("acme", "m1", "ep")
    await world.runDue()
    for (const index of (await svix.messageAttempt.listByMsg("acme", "m1")).data.keys()) {
      const { response } = await see<Exchange>(world, svix, "exchange", "m1", index)
      expect(pairs(response?.headers)).toMatchObject({ "x-n": "1" })
    }
  })

  it("is read by no list", async () => {
    const { world, svix, send } = await worldWithEndpoint()
    await send("m1")
    await world.runDue()
    const asked: string[] = []
    world.probe.onTrip = (trip) => {
      for (const { sql } of trip) asked.push(sql)
    }
    await svix.messageAttempt.listByMsg("acme", "m1", { withContent: true })
    await svix.messageAttempt.listByEndpoint("acme", "ep", { withContent: true })
    expect(asked.filter((sql) => sql.includes("a.body"))).not.toEqual([])
    expect(asked.filter((sql) => sql.includes("a.headers"))).toEqual([])
  })

  it("costs no row", async () => {
    const { world, send } = await worldWithEndpoint()
    await send("m0")
    await world.runDue()
    const costOf = async (id: string, headers: Record<string, string>) => {
      world.receivers.at(HOOK, new Response(null, { headers }))
      let written = 0
      world.probe.onTrip = (trip) => {
        for (const { rowsWritten } of trip) written += rowsWritten
      }
      await send(id)
      await world.runDue()
      return written
    }
    const many = Object.fromEntries(Array.from({ length: 60 }, (_, n) => [`x-${n}`, "v".repeat(50)]))
    expect(await costOf("m1", many)).toBe(await costOf("m2", {}))
  })
})

describe("an attempt's headers, as Svix's clients ask for them", () => {
  it("are what was sent and what came back, credentials by their names alone", async () => {
    const { world, svix, send } = await worldWithEndpoint()
    await svix.endpoint.patchHeaders("acme", "ep", { headers: { "x-tenant": "t-1" } })
    world.receivers.at(HOOK, new Response(null, { headers: { server: "nginx", "set-cookie": "a=b" } }))
    const message = await send("m1")
    await world.runDue()
    const seen = await see<Headers>(world, svix, "headers", "m1")
    expect(seen.sensitive.toSorted()).toEqual(["set-cookie", "webhook-signature", "x-tenant"])
    expect(seen.sentHeaders).toEqual({
      "webhook-id": message.id,
      "webhook-timestamp": expect.stringMatching(/^\d+$/),
      "content-type": "application/json",
      "user-agent": USER_AGENT,
    })
    expect(seen.responseHeaders).toEqual([["server", "nginx"]])
  })

  it("are null where there was no answer, and none where there was no request", async () => {
    const { world, svix, send } = await worldWithEndpoint({ RETRY_SCHEDULE: "5" })
    world.receivers.at(HOOK, new Error("Network connection lost."))
    await send("m1")
    await world.runDue()
    expect(await see<Headers>(world, svix, "headers", "m1")).toMatchObject({ responseHeaders: null })
    // As kept by a version before this one.
    await customersDB.prepare("UPDATE deliveries SET headers = NULL").run()
    expect(await see<Headers>(world, svix, "headers", "m1")).toEqual({
      sensitive: [],
      sentHeaders: {},
      responseHeaders: null,
    })
  })

  it.each(["headers", "exchange"])(
    "are refused where there is no such attempt, and to other applications: %s",
    async (what) => {
      const { world, svix, send } = await worldWithEndpoint()
      await send("m1")
      await world.runDue()
      await svix.application.create({ name: "Other", uid: "other" })
      const [attempt] = (await svix.messageAttempt.listByMsg("acme", "m1")).data
      const path = (app: string, id = attempt?.id) => `/api/v1/app/${app}/msg/m1/attempt/${id}/${what}`
      expect((await callApi(world, path("acme", "att_none"))).status).toBe(404)
      expect((await callApi(world, path("other"))).status).toBe(404)
      const as = async (app: string) => {
        const { token } = await svix.authentication.appPortalAccess(app, {})
        return { headers: { authorization: `Bearer ${token}` } }
      }
      expect((await callApi(world, path("acme"), await as("acme"))).status).toBe(200)
      expect((await callApi(world, path("acme"), await as("other"))).status).toBe(403)
    },
  )
})
