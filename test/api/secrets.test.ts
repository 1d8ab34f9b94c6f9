import { type Svix, Webhook as SvixWebhook } from "svix"
import { beforeEach, describe, expect, it, vi } from "vitest"

import { type Received, verify } from "../support/receiver.ts"
import { createWorld, type World } from "../support/world.ts"
import { absent, refusalOf, unfit } from "./refusal.ts"
import { callApi, svixFor } from "./svix.ts"

const HOOK = "http://receiver.example/hook"
const HOUR_SECONDS = 3600
const BYTES_24 = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
/** The key of the checked vectors of Standard Webhooks. */
const ED25519 =
  "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
const ED25519_PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="

let world: World
let svix: Svix

beforeEach(async () => {
  world = await createWorld({
    AUTH_MODE: "token",
    API_TOKEN: "letmein",
    ENCRYPTION_KEY: btoa("0123456789abcdef0123456789abcdef"),
  })
  svix = svixFor(world, "letmein")
  await svix.application.create({ name: "Acme", uid: "acme" })
})

const authorization = "Bearer letmein"
const make = (secret?: string) =>
  svix.endpoint.create("acme", { url: HOOK, uid: "hook", secret: secret ?? null })
const secretOf = async () => (await svix.endpoint.getSecret("acme", "hook")).key
const rotate = (rotation: object = {}) => svix.endpoint.rotateSecret("acme", "hook", rotation)
const base64 = (bytes: number) => btoa("x".repeat(bytes))

async function deliver(): Promise<Received | undefined> {
  await svix.message.create("acme", { eventType: "user.signup", payload: { hello: "there" } })
  await world.runDue()
  return world.receivers.to(HOOK).at(-1)
}

function signaturesOf(delivery: Received | undefined): string[] {
  return delivery?.headers["webhook-signature"]?.split(" ") ?? []
}

/** Verifies a delivery at its arrival with the library of the official client; throws if it does not hold. */
function verifyWithSvix(secret: string, received: Received | undefined): void {
  if (!received) throw new Error("nothing arrived")
  const now = vi.spyOn(Date, "now").mockReturnValue(received.at)
  try {
    new SvixWebhook(secret).verify(received.body, received.headers)
  } finally {
    now.mockRestore()
  }
}

describe("an endpoint's secret", () => {
  it("is made where none is given, and verifies what arrives, in both libraries", async () => {
    await make()
    const secret = await secretOf()
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]+=*$/)
    const delivery = await deliver()
    expect(verify(secret, delivery)).toEqual({ hello: "there" })
    verifyWithSvix(secret, delivery)
    expect(() => verifyWithSvix(`whsec_${BYTES_24}`, delivery)).toThrow()
  })

  it.each([
    [BYTES_24, `whsec_${BYTES_24}`],
    [`whsec_${BYTES_24}`, `whsec_${BYTES_24}`],
    [base64(64), `whsec_${base64(64)}`],
  ])("may be given as %s", async (given, shown) => {
    await make(given)
    expect(await secretOf()).toBe(shown)
    expect(verify(shown, await deliver())).toEqual({ hello: "there" })
  })

  it.each([
    ["23 bytes", base64(23)],
    ["65 bytes", base64(65)],
    ["no base64", "whsec_!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!"],
    ["another prefix", `hwsec_${BYTES_24}`],
    ["nothing", ""],
    ["a public key", ED25519_PUBLIC],
    ["an Ed25519 key of two halves that do not belong together", `whsk_${base64(64)}`],
    ["an Ed25519 key that is too short", `whsk_${base64(24)}`],
  ])("is refused if it is %s", async (_, secret) => {
    const created = await refusalOf(make(secret))
    expect(created).toEqual(unfit("body", "secret"))
    if (secret !== "") expect(JSON.stringify(created)).not.toContain(secret)
    await make()
    expect(await refusalOf(rotate({ key: secret }))).toEqual(unfit("body", "key"))
  })

  it("is stored sealed", async () => {
    await make(BYTES_24)
    const stored = await world.customersDB.prepare("SELECT sealed FROM secrets").first<{ sealed: string }>()
    expect(stored?.sealed).toMatch(/^[0-9a-f]{8}:/)
    expect(stored?.sealed).not.toContain(BYTES_24)
  })

  it.each([
    ["in full", ED25519],
    ["by its seed alone", `whsk_${btoa(atob(ED25519.slice(5)).slice(0, 32))}`],
  ])("may be an Ed25519 key, given %s, of which the public half alone is shown", async (_, given) => {
    const created = await callApi(world, "/api/v1/app/acme/endpoint", {
      json: { url: HOOK, uid: "hook", secret: given },
      headers: { authorization },
    })
    expect(await created.text()).not.toContain("whsk_")
    const { token } = await svix.authentication.appPortalAccess("acme", {})
    for (const bearer of ["letmein", token]) {
      const response = await callApi(world, "/api/v1/app/acme/endpoint/hook/secret", {
        headers: { authorization: `Bearer ${bearer}` },
      })
      expect(await response.json()).toEqual({ key: ED25519_PUBLIC })
    }
    const delivery = await deliver()
    const [signature = ""] = signaturesOf(delivery)
    expect(signature).toMatch(/^v1a,/)
    const bytes = (text: string) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0))
    const key = await crypto.subtle.importKey("raw", bytes(ED25519_PUBLIC.slice(5)), "Ed25519", false, [
      "verify",
    ])
    const { "webhook-id": id, "webhook-timestamp": timestamp } = delivery?.headers ?? {}
    const content = new TextEncoder().encode(`${id}.${timestamp}.${delivery?.body}`)
    expect(await crypto.subtle.verify("Ed25519", key, bytes(signature.slice(4)), content)).toBe(true)
  })

  it("is another application's business", async () => {
    const { id } = await make()
    await svix.application.create({ name: "Other", uid: "other" })
    expect(await refusalOf(svix.endpoint.getSecret("other", id))).toEqual(absent)
    expect(await refusalOf(svix.endpoint.rotateSecret("other", id, {}))).toEqual(absent)
    expect(await refusalOf(svix.endpoint.getHeaders("other", id))).toEqual(absent)
    expect(await refusalOf(svix.endpoint.setHeaders("other", id, { headers: {} }))).toEqual(absent)
    expect(await refusalOf(svix.endpoint.patchHeaders("other", id, { headers: {} }))).toEqual(absent)
  })
})

describe("rotating a secret", () => {
  const rotated = async (json: object = {}, headers: Record<string, string> = {}) => {
    const response = await callApi(world, "/api/v1/app/acme/endpoint/hook/secret/rotate", {
      json,
      headers: { authorization, ...headers },
    })
    return { status: response.status, body: await response.json<{ key: string }>() }
  }

  it("makes a new one, answers it, and lets the old one sign along for a day", async () => {
    await make()
    const old = await secretOf()
    const { status, body } = await rotated()
    expect(status).toBe(200)
    const current = await secretOf()
    expect(body).toEqual({ key: current })
    expect(current).not.toBe(old)
    world.clock.advance(24 * HOUR_SECONDS * 1000 - 1)
    const before = await deliver()
    expect(signaturesOf(before)).toHaveLength(2)
    for (const secret of [current, old]) expect(verify(secret, before)).toEqual({ hello: "there" })
    world.clock.advance(1)
    const after = await deliver()
    expect(signaturesOf(after)).toHaveLength(1)
    expect(verify(current, after)).toEqual({ hello: "there" })
    expect(() => verify(old, after)).toThrow()
  })

  it("signs with three secrets that are live, newest first", async () => {
    await make()
    const secrets = [await secretOf()]
    for (const key of [base64(30), ED25519]) {
      world.clock.advance(1000)
      await rotate({ key, gracePeriodSeconds: HOUR_SECONDS })
      secrets.unshift(await secretOf())
    }
    const delivery = await deliver()
    const signatures = signaturesOf(delivery)
    expect(signatures.map((signature) => signature.split(",")[0])).toEqual(["v1a", "v1", "v1"])
    const [, second = "", third = ""] = secrets
    const alone = (signature = "") =>
      delivery && { ...delivery, headers: { ...delivery.headers, "webhook-signature": signature } }
    expect(verify(second, alone(signatures[1]))).toEqual({ hello: "there" })
    expect(verify(third, alone(signatures[2]))).toEqual({ hello: "there" })
    verifyWithSvix(third, delivery)
  })

  it("without a grace ends the old one at once", async () => {
    await make()
    const old = await secretOf()
    await rotate({ gracePeriodSeconds: 0 })
    const delivery = await deliver()
    expect(signaturesOf(delivery)).toHaveLength(1)
    expect(() => verify(old, delivery)).toThrow()
  })

  it("takes null for the grace and the key it would choose itself", async () => {
    await make()
    await rotate({ key: null, gracePeriodSeconds: null })
    expect(signaturesOf(await deliver())).toHaveLength(2)
  })

  it.each([-1, 604_801, 1.5])("refuses a grace of %d seconds", async (gracePeriodSeconds) => {
    await make()
    expect(await refusalOf(rotate({ gracePeriodSeconds }))).toEqual(unfit("body", "gracePeriodSeconds"))
  })

  it("takes a grace of seven days, and back to a secret that was there before", async () => {
    await make(BYTES_24)
    await rotate({ gracePeriodSeconds: 604_800 })
    await rotate({ key: BYTES_24 })
    expect(await secretOf()).toBe(`whsec_${BYTES_24}`)
    expect(verify(BYTES_24, await deliver())).toEqual({ hello: "there" })
  })

  it("is refused with 400 while ten old ones sign, naming when the next one ends", async () => {
    await make()
    const first = world.clock.now()
    for (let n = 0; n < 10; n++) {
      await rotate({ gracePeriodSeconds: HOUR_SECONDS })
      world.clock.advance(1000)
    }
    const current = await secretOf()
    expect(await refusalOf(rotate())).toEqual({
      status: 400,
      body: {
        code: "limit_reached",
        detail: expect.stringContaining(new Date(first + HOUR_SECONDS * 1000).toISOString()),
      },
    })
    expect(await secretOf()).toBe(current)
    expect(signaturesOf(await deliver())).toHaveLength(11)
    world.clock.advance(HOUR_SECONDS * 1000 - 10_000)
    await rotate()
    expect(await secretOf()).not.toBe(current)
  })

  it("does both of two at once, one after the other", async () => {
    await make()
    await Promise.all([rotate({ key: base64(24) }), rotate({ key: base64(32) })])
    expect(signaturesOf(await deliver())).toHaveLength(3)
  })

  it("happens once although the database's answer got lost", async () => {
    await make()
    let lost = false
    world.probe.after = (statements) => {
      if (lost || !statements.some((text) => text.includes("INSERT INTO secrets"))) return
      lost = true
      throw new Error("Network connection lost.")
    }
    await rotate()
    expect(lost).toBe(true)
    expect(signaturesOf(await deliver())).toHaveLength(2)
  })

  it("answers the secret that was given, in full", async () => {
    await make()
    expect(await rotated({ key: BYTES_24 })).toEqual({ status: 200, body: { key: `whsec_${BYTES_24}` } })
  })

  it("to an Ed25519 key answers its public half, to the operator and to an application's token", async () => {
    await make()
    expect(await rotated({ key: ED25519 })).toEqual({ status: 200, body: { key: ED25519_PUBLIC } })
    const { token } = await svix.authentication.appPortalAccess("acme", {})
    expect(await rotated({ key: ED25519 }, { authorization: `Bearer ${token}` })).toEqual({
      status: 200,
      body: { key: ED25519_PUBLIC },
    })
    const [signature] = signaturesOf(await deliver())
    expect(signature).toMatch(/^v1a,/)
  })

  it("with one Idempotency-Key happens once, and answers the same, kept sealed", async () => {
    await make()
    const once = { "idempotency-key": "once" }
    const first = await rotated({}, once)
    const current = await secretOf()
    expect(first).toEqual({ status: 200, body: { key: current } })
    world.clock.advance(1000)
    expect(await rotated({}, once)).toEqual(first)
    expect(await secretOf()).toBe(current)
    const kept = await world.customersDB.prepare("SELECT * FROM idempotency_keys WHERE key = 'once'").all()
    expect(kept.results).toHaveLength(1)
    expect(JSON.stringify(kept.results)).not.toContain(current.slice("whsec_".length))
    expect(JSON.stringify(world.logged)).not.toContain(current.slice("whsec_".length))
  })

  it("with one Idempotency-Key answers nobody else, nor another endpoint that has its uid later", async () => {
    await make()
    const once = { "idempotency-key": "once" }
    const first = await rotated({}, once)
    const { token } = await svix.authentication.appPortalAccess("acme", {})
    const second = await rotated({}, { ...once, authorization: `Bearer ${token}` })
    expect(second.body.key).not.toBe(first.body.key)
    await svix.endpoint.delete("acme", "hook")
    expect((await rotated({}, once)).status).toBe(404)
    await make()
    const made = await secretOf()
    const third = await rotated({}, once)
    expect([first.body.key, second.body.key, made]).not.toContain(third.body.key)
    expect(await secretOf()).toBe(third.body.key)
  })
})

describe("an endpoint's headers", () => {
  const headers = () => svix.endpoint.getHeaders("acme", "hook")

  it("are none at first", async () => {
    await make()
    expect(await headers()).toEqual({ headers: {}, sensitive: [] })
  })

  it("are set, shown and sent", async () => {
    await make()
    const response = await callApi(world, "/api/v1/app/acme/endpoint/hook/headers", {
      method: "PUT",
      json: { headers: { "X-Mine": "1", "x-other": "2" } },
      headers: { authorization },
    })
    expect(response.status).toBe(204)
    expect(await headers()).toEqual({ headers: { "X-Mine": "1", "x-other": "2" }, sensitive: [] })
    expect((await deliver())?.headers).toMatchObject({ "x-mine": "1", "x-other": "2" })
    await svix.endpoint.setHeaders("acme", "hook", { headers: { "x-third": "3" } })
    expect(await headers()).toEqual({ headers: { "x-third": "3" }, sensitive: [] })
  })

  it.each([
    "Authorization",
    "x-api-key",
    "X-Auth-Token",
    "www-authenticate",
    "cookie",
    "x-shop-secret",
    "x-access-key",
    "x-password",
  ])("never show the value of %s, but send it", async (name) => {
    await make()
    await svix.endpoint.setHeaders("acme", "hook", { headers: { [name]: "hidden", "x-mine": "1" } })
    expect(await headers()).toEqual({ headers: { "x-mine": "1" }, sensitive: [name] })
    expect((await deliver())?.headers[name.toLowerCase()]).toBe("hidden")
    const stored = await world.customersDB
      .prepare("SELECT headers FROM endpoints")
      .first<{ headers: string }>()
    expect(stored?.headers).toMatch(/^[0-9a-f]{8}:/)
    expect(JSON.stringify(world.logged)).not.toContain("hidden")
  })

  it("are changed one by one, whatever the case; null takes one away", async () => {
    await make()
    await svix.endpoint.setHeaders("acme", "hook", {
      headers: { "x-mine": "1", "X-Other": "2", authorization: "hidden", "x-stays": "4" },
    })
    const change = { "X-Mine": "changed", "x-other": null, "x-never": null, "x-new": "5" }
    const response = await callApi(world, "/api/v1/app/acme/endpoint/hook/headers", {
      method: "PATCH",
      json: { headers: change },
      headers: { authorization },
    })
    expect(response.status).toBe(204)
    expect(await headers()).toEqual({
      headers: { "x-stays": "4", "X-Mine": "changed", "x-new": "5" },
      sensitive: ["authorization"],
    })
    expect((await deliver())?.headers).toMatchObject({ authorization: "hidden" })
  })

  it("are taken away by the client's list of those to delete", async () => {
    await make()
    await svix.endpoint.setHeaders("acme", "hook", { headers: { "x-mine": "1", "X-Other": "2" } })
    await svix.endpoint.patchHeaders("acme", "hook", {
      headers: { "x-new": "3" },
      deleteHeaders: ["x-other", "x-never"],
    })
    expect(await headers()).toEqual({ headers: { "x-mine": "1", "x-new": "3" }, sensitive: [] })
  })

  it("survive changes of two at once, both of them", async () => {
    await make()
    await Promise.all(
      ["x-a", "x-b", "x-c"].map((name) =>
        svix.endpoint.patchHeaders("acme", "hook", { headers: { [name]: "1" } }),
      ),
    )
    expect(Object.keys((await headers()).headers).sort()).toEqual(["x-a", "x-b", "x-c"])
  })

  it.each<[string, string]>([
    ["content-length", "1"],
    ["webhook-id", "x"],
    ["svix-id", "x"],
    ["proxy-authorization", "x"],
    ["user-agent", "x"],
    ["X-Amz-Date", "x"],
    ["Content-Type", "text/plain"],
    ["cache-control", "no-store"],
    ["x-real-ip", "10.0.0.1"],
    ["x-\u212Aey", "x"],
    ["bad name", "x"],
    ["x-line", "a\nb"],
    ["x-long", "x".repeat(4097)],
  ])("refuse %s, given along, put or patched, and stay as they were", async (name, value) => {
    await make()
    const created = svix.endpoint.create("acme", { url: HOOK, headers: { [name]: value } })
    expect(await refusalOf(created)).toEqual(unfit("body", "headers"))
    await svix.endpoint.setHeaders("acme", "hook", { headers: { "x-mine": "1" } })
    for (const work of [svix.endpoint.setHeaders, svix.endpoint.patchHeaders]) {
      const refused = await refusalOf(
        work.call(svix.endpoint, "acme", "hook", { headers: { [name]: value } }),
      )
      expect(refused).toEqual(unfit("body", "headers"))
    }
    expect(await headers()).toEqual({ headers: { "x-mine": "1" }, sensitive: [] })
  })

  it("are not taken away by a name that only looks like theirs in lower case", async () => {
    await make()
    await svix.endpoint.setHeaders("acme", "hook", { headers: { "x-key": "1" } })
    const headers = { "x-\u212Aey": null } as unknown as Record<string, string>
    expect(await refusalOf(svix.endpoint.patchHeaders("acme", "hook", { headers }))).toEqual(
      unfit("body", "headers"),
    )
    expect(
      await refusalOf(
        svix.endpoint.patchHeaders("acme", "hook", { headers: {}, deleteHeaders: ["x-\u212Aey"] }),
      ),
    ).toEqual(unfit("body", "headers"))
    expect((await deliver())?.headers["x-key"]).toBe("1")
  })

  it("keep the content type that one was registered with through C's door, and let it be changed", async () => {
    const types = await world.fetch("/event_type", { headers: { authorization } })
    const { data } = await types.json<{ data: { id: string }[] }>()
    const registered = await world.fetch("/webhook/register", {
      json: {
        event_type_id: data[0]?.id,
        user_id: 1,
        url: HOOK,
        custom_headers: { "Content-Type": "text/plain" },
      },
      headers: { authorization },
    })
    const { endpoint_id } = (await registered.json<{ data: { endpoint_id: string } }>()).data
    await svix.endpoint.patchHeaders("uploads", endpoint_id, { headers: { "x-new": "1" } })
    await svix.endpoint.patchHeaders("uploads", endpoint_id, { headers: { "content-type": "text/html" } })
    expect((await svix.endpoint.getHeaders("uploads", endpoint_id)).headers).toEqual({
      "x-new": "1",
      "content-type": "text/html",
    })
  })
})
