import { describe, expect, it } from "vitest"
import { seal, unseal } from "../../src/engine/kit/encryption.ts"
import { EngineError } from "../../src/engine/kit/errors.ts"
import { parseConfig } from "../../src/platform/config.ts"
import type { Deps } from "../../src/platform/deps.ts"
import { shortLine } from "../../src/platform/log.ts"
import { attemptsOf, deliveryOf } from "../support/read.ts"
import { verify } from "../support/receiver.ts"
import { createWorld, ORIGIN, type World } from "../support/world.ts"

const KEY = btoa("k".repeat(32))
const NEXT_KEY = btoa("n".repeat(32))
const LOST_KEY = btoa("l".repeat(32))
const TOKEN = "token-Zm9vYmFyYmF6"
const HOOK = "https://receiver.example/hook"
const SEALED = /^[0-9a-f]{8}:[A-Za-z0-9+/]+=*$/

function config(keys: string, AUTH_MODE = "token") {
  return parseConfig({ AUTH_MODE, OPEN_SECRET: "o".repeat(32), API_TOKEN: TOKEN, ENCRYPTION_KEY: keys })
}

function tokenWorld(settings: Record<string, string> = {}) {
  return createWorld({
    AUTH_MODE: "token",
    API_TOKEN: TOKEN,
    ENCRYPTION_KEY: KEY,
    ALLOW_PRIVATE_TARGETS: "false",
    ...settings,
  })
}

function withKeys(world: World, keys: string): Deps {
  return { ...world.deps, config: { ...world.config, encryptionKeys: config(keys).encryptionKeys } }
}

const authorized = { authorization: `Bearer ${TOKEN}` }

async function registerHook(world: World, url = HOOK): Promise<string> {
  const answer = await world.fetch("/webhook", {
    json: { event: "user_registered", url },
    headers: authorized,
  })
  expect(answer.status).toBe(200)
  return (await answer.json<{ secret: string }>()).secret
}

async function registerUser(world: World, username: string): Promise<string> {
  const answer = await world.fetch("/users", { json: { username }, headers: authorized })
  expect(answer.status).toBe(200)
  const row = await world.env.DB.prepare("SELECT max(id) AS id FROM events").first<{ id: string }>()
  return row?.id ?? ""
}

/** Gives the one endpoint headers of its own, sealed as every verb seals them. */
async function giveHeaders(world: World, headers: Record<string, string>): Promise<void> {
  const sealed = await seal(world.config, JSON.stringify(headers))
  await world.env.DB.prepare("UPDATE endpoints SET headers = ?").bind(sealed).run()
}

async function sealedSecrets(world: World): Promise<string[]> {
  const { results } = await world.env.DB.prepare("SELECT sealed FROM secrets").all<{ sealed: string }>()
  return results.map(({ sealed }) => sealed)
}

/** The secret in every form in which it might lie about: whole, bare, decoded, encoded again. */
function formsOf(secret: string): string[] {
  const bare = secret.replace(/^whsec_/, "")
  const hex = Array.from(atob(bare), (c) => c.charCodeAt(0).toString(16).padStart(2, "0")).join("")
  return [secret, bare, hex, btoa(secret), btoa(bare), encodeURIComponent(bare)]
}

/** All that sinks are told, and all that the log makes of it, in both its forms. */
function allToldBy(world: World): string {
  const short = world.observed.map((observation) => shortLine(observation, world.clock.now()))
  return JSON.stringify([world.observed, world.logged, short])
}

describe("seal", () => {
  it("gives back what it was given, whatever the text", async () => {
    const keys = config(KEY)
    for (const text of ["whsec_abc", "", ":", "0:plain", "Zoë 🦉\0\n", "x".repeat(20_000)]) {
      const sealed = await seal(keys, text)
      expect(sealed).toMatch(SEALED)
      expect(await unseal(keys, sealed)).toBe(text)
    }
  })

  it("never gives the same twice, nor a hint of the text but its length", async () => {
    const sealed = await Promise.all(Array.from({ length: 20 }, () => seal(config(KEY), "whsec_abc")))
    expect(new Set(sealed).size).toBe(20)
    for (const text of sealed) expect(text).not.toContain("whsec")
    expect(new Set(sealed.map((text) => text.length)).size).toBe(1)
  })

  it("refuses what was changed by a bit, cut off, or put under another key's id", async () => {
    const keys = config(`${KEY},${NEXT_KEY}`)
    const sealed = await seal(keys, "whsec_abc")
    const [id = "", body = ""] = sealed.split(":")
    const otherId = (await seal(config(NEXT_KEY), "x")).split(":")[0]
    expect(otherId).not.toBe(id)
    const flipped = body[20] === "A" ? "B" : "A"
    for (const forged of [
      `${id}:${body.slice(0, 20)}${flipped}${body.slice(21)}`,
      `${id}:${body.slice(0, -8)}`,
      `${id}:`,
      `${otherId}:${body}`,
      `ffffffff:${body}`,
      body,
      "",
    ]) {
      await expect(unseal(keys, forged)).rejects.toThrow()
    }
  })

  it("names in its fault the key that is missing, and nothing of the text", async () => {
    const sealed = await seal(config(LOST_KEY), "whsec_abc")
    const fault = await unseal(config(KEY), sealed).catch(String)
    expect(fault).toContain(sealed.split(":")[0])
    expect(fault).not.toContain(sealed.split(":")[1])
    // A value that was never sealed might be the secret itself.
    const unsealed = await unseal(config(KEY), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").catch(String)
    expect(unsealed).toContain("Error")
    expect(unsealed).not.toContain("MfKQ9r8GKYqr")
    const withColon = await unseal(config(KEY), "Bearer MfKQ9r8GKYqr: x").catch(String)
    expect(withColon).not.toContain("MfKQ9r8GKYqr")
  })

  it("writes key id 0, which means plain, in open mode without a key and nowhere else", async () => {
    expect(await seal(config("", "open"), "whsec_abc")).toBe("0:whsec_abc")
    expect(await seal(config(KEY, "open"), "whsec_abc")).toMatch(SEALED)
    expect(await seal(config(KEY, "token"), "whsec_abc")).toMatch(SEALED)
    const refused = await seal(config("", "token"), "whsec_abc").catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(EngineError)
    expect(refused).toMatchObject({
      code: "not_configured",
      message: expect.stringContaining("ENCRYPTION_KEY"),
    })
    expect(String(refused)).not.toContain("whsec_abc")
  })

  it("has a key id that no key shares with plain text", async () => {
    const ids = await Promise.all(
      Array.from(
        { length: 20 },
        async (_, n) => (await seal(config(btoa(String(n).padEnd(32))), "x")).split(":")[0],
      ),
    )
    expect(new Set(ids).size).toBe(20)
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}$/)
  })

  it("seals with the first key and opens with each: a key is rotated by putting a new one in front", async () => {
    const old = await seal(config(KEY), "whsec_old")
    const rotating = config(`${NEXT_KEY},${KEY}`)
    const fresh = await seal(rotating, "whsec_new")
    expect(await unseal(rotating, old)).toBe("whsec_old")
    expect(await unseal(rotating, fresh)).toBe("whsec_new")
    expect(await unseal(config(NEXT_KEY), fresh)).toBe("whsec_new")
    await expect(unseal(config(KEY), fresh)).rejects.toThrow()
    await expect(unseal(config(NEXT_KEY), old)).rejects.toThrow()
  })
})

describe("secrets at rest", () => {
  it("lie sealed in D1, in no column plain, before and after deliveries", async () => {
    const world = await tokenWorld()
    const secret = await registerHook(world)
    await giveHeaders(world, { authorization: "Bearer receiver-password" })
    world.receivers.at(HOOK, 500, 200)
    await registerUser(world, "alice")
    await world.runAll(10_000)
    expect(world.receivers.to(HOOK)).toHaveLength(2)
    expect(verify(secret, world.receivers.to(HOOK)[1])).toBeTruthy()
    const sealed = await sealedSecrets(world)
    expect(sealed).toHaveLength(1)
    expect(sealed[0]).toMatch(SEALED)
    const stored = await world.everything()
    for (const form of [...formsOf(secret), "receiver-password", TOKEN, KEY])
      expect(stored).not.toContain(form)
  })

  it("lie sealed in open mode too, once there is a key", async () => {
    const world = await createWorld({ ENCRYPTION_KEY: KEY })
    const secret = await registerHook(world)
    expect((await sealedSecrets(world))[0]).toMatch(SEALED)
    expect(await world.everything()).not.toContain(secret)
  })

  it("are shown once: by no other answer", async () => {
    const world = await tokenWorld()
    const secret = await registerHook(world)
    await registerUser(world, "alice")
    await world.runAll()
    for (const path of [
      "/webhooks",
      "/users",
      "/health",
      "/openapi.json",
      "/webhooks?event_filter=user_registered",
    ]) {
      const text = await (await world.fetch(path, { headers: authorized })).text()
      for (const form of formsOf(secret)) expect(text).not.toContain(form)
    }
    const again = await world.fetch("/webhook", {
      json: { event: "user_send_message", url: HOOK },
      headers: authorized,
    })
    expect(again.status).toBe(200)
    expect(await again.json()).not.toHaveProperty("secret")
  })

  it("go with their endpoint", async () => {
    const world = await tokenWorld()
    await registerHook(world)
    const gone = await world.fetch("/webhook", {
      method: "DELETE",
      json: { event: "user_registered", url: HOOK },
      headers: authorized,
    })
    expect(gone.status).toBe(204)
    expect(await sealedSecrets(world)).toEqual([])
  })

  it("are random: 32 bytes, never the same", async () => {
    const world = await tokenWorld()
    const secrets = []
    for (let n = 0; n < 10; n++) secrets.push(await registerHook(world, `${HOOK}/${n}`))
    expect(new Set(secrets).size).toBe(10)
    for (const secret of secrets) expect(atob(secret.replace(/^whsec_/, ""))).toHaveLength(32)
  })
})

describe("a rotation of ENCRYPTION_KEY", () => {
  it("keeps old endpoints signing and seals new ones with the new key", async () => {
    const world = await tokenWorld()
    const oldSecret = await registerHook(world)
    Object.assign(world.config, { encryptionKeys: [NEXT_KEY, KEY] })
    const newSecret = await registerHook(world, `${HOOK}/new`)
    await registerUser(world, "alice")
    await world.runAll()
    expect(verify(oldSecret, world.receivers.to(HOOK)[0])).toBeTruthy()
    expect(verify(newSecret, world.receivers.to(`${HOOK}/new`)[0])).toBeTruthy()
    const [first = "", second = ""] = await sealedSecrets(world)
    expect(await unseal(config(KEY), first)).toBe(oldSecret)
    expect(await unseal(config(NEXT_KEY), second)).toBe(newSecret)
  })
})

describe("an endpoint whose key is lost", () => {
  it("gets no request; the attempt ends as internal and is repeated until the key is back", async () => {
    const world = await tokenWorld()
    const secret = await registerHook(world)
    await giveHeaders(world, { authorization: "Bearer receiver-password" })
    const eventId = await registerUser(world, "alice")
    for (const keys of [LOST_KEY, ""]) {
      await world.runDue(false, withKeys(world, keys))
      world.clock.advance(6 * 60_000)
    }
    expect(world.receivers.received).toEqual([])
    const attempts = await attemptsOf(world, eventId)
    expect(attempts.length).toBeGreaterThan(0)
    for (const made of attempts) expect(made).toMatchObject({ error: "internal", statusCode: null, body: "" })
    const endpointId = attempts[0]?.endpointId ?? ""
    const waiting = await deliveryOf(world, eventId, endpointId)
    expect(waiting).toMatchObject({ status: "pending", reason: null })
    expect(waiting.nextAttemptAt).toBeGreaterThan(0)

    await world.sweep()
    await world.runAll(60_000)
    expect(verify(secret, world.receivers.to(HOOK)[0])).toBeTruthy()
    expect(await deliveryOf(world, eventId, endpointId)).toMatchObject({
      status: "delivered",
    })
  })

  it("is not blamed for it: its health stays as it was", async () => {
    const world = await tokenWorld()
    await registerHook(world)
    await registerUser(world, "alice")
    await world.runDue(false, withKeys(world, LOST_KEY))
    const row = await world.env.DB.prepare(
      "SELECT failing_since, paused_until, disabled_at FROM endpoints",
    ).first()
    expect(row).toEqual({ failing_since: null, paused_until: null, disabled_at: null })
  })

  it("does not stop the endpoints beside it", async () => {
    const world = await tokenWorld()
    await registerHook(world)
    Object.assign(world.config, { encryptionKeys: [NEXT_KEY] })
    const secret = await registerHook(world, `${HOOK}/new`)
    await registerUser(world, "alice")
    await world.runDue()
    expect(world.receivers.to(HOOK)).toEqual([])
    expect(verify(secret, world.receivers.to(`${HOOK}/new`)[0])).toBeTruthy()
  })

  it("leaks nothing to the log", async () => {
    const world = await tokenWorld()
    const secret = await registerHook(world)
    await giveHeaders(world, { authorization: "Bearer receiver-password" })
    await registerUser(world, "alice")
    await world.runDue(false, withKeys(world, LOST_KEY))
    const lines = allToldBy(world)
    expect(lines).toContain('"during":"sign"')
    const [sealed = ""] = await sealedSecrets(world)
    const cipher = sealed.split(":")[1] ?? "?"
    for (const form of [...formsOf(secret), "receiver-password", cipher, KEY, LOST_KEY]) {
      expect(lines).not.toContain(form)
    }
  })
})

describe("the log of a whole journey with faults", () => {
  it("holds no token, no key, no signing secret, no header value and no payload", async () => {
    const world = await tokenWorld()
    const secret = await registerHook(world)
    const flaky = await registerHook(world, `${HOOK}/flaky`)
    await giveHeaders(world, { authorization: "Bearer receiver-password", "x-key": "receiver-api-key" })

    // Ours: D1 loses answers and throws, the queue refuses, the key is away, tokens are wrong or in the URL.
    world.receivers.at(HOOK, 500, new Error("Network connection lost."), 302, "hang", 200)
    world.receivers.at(`${HOOK}/flaky`, new Response("receiver-answer", { status: 503 }), 410)
    let batches = 0
    world.probe.after = () => {
      if (++batches % 5 === 0) throw new Error("D1_ERROR: Network connection lost.")
    }
    world.queueRefuses = true
    await registerUser(world, "payload-marker-alice")
    world.queueRefuses = false
    await registerUser(world, "payload-marker-bob")
    const sent = await world.fetch("/users/messages", {
      json: {
        sender: "payload-marker-alice",
        recipient: "payload-marker-bob",
        subject: "payload-marker-subject",
        message: "payload-marker-text",
      },
      headers: authorized,
    })
    expect(sent.status).toBe(200)
    await world.runDue(false, withKeys(world, LOST_KEY))
    const working = async () => {
      for (let n = 0; n < 6; n++) {
        world.clock.advance(31 * 60_000)
        await world.sweep()
        await world.runAll(1_000)
      }
    }
    let over = false
    const done = working().finally(() => {
      over = true
    })
    while (!over) {
      await world.quiet()
      world.clock.advance(100)
    }
    await done
    world.probe.after = null
    world.pingsWork()
    const pinged = await world.fetch("/ping", { json: { note: "payload-marker-ping" }, headers: authorized })
    expect(pinged.status).toBe(200)

    for (const init of [
      { headers: { authorization: `Bearer ${TOKEN}x` } },
      { headers: { authorization: `Basic ${TOKEN}` } },
      { headers: { cookie: `session=${TOKEN}`, "x-api-key": TOKEN } },
    ]) {
      expect((await world.fetch("/users", init)).status).toBe(401)
    }
    expect((await world.fetch(`/users?token=${TOKEN}`)).status).toBe(401)
    expect((await world.fetch(`/users?x=1&Access_Token=${TOKEN}&y=2`)).status).toBe(401)
    expect(
      (await world.fetch("/users", { headers: { referer: `https://a.example/?token=${TOKEN}` } })).status,
    ).toBe(401)
    for (const body of [
      `{"username": "payload-marker`,
      `{"username": ["payload-marker"]}`,
      '"payload-marker"',
    ]) {
      const refused = await world.fetch("/users", { method: "POST", body, headers: authorized })
      expect(refused.status).toBe(422)
    }
    world.probe.before = (statements) => {
      throw new Error(`D1_ERROR: cannot run ${statements.length} statements`)
    }
    const fault = await world.fetch("/users", {
      json: { username: "payload-marker-carol" },
      headers: authorized,
    })
    expect(fault.status).toBe(500)

    const lines = allToldBy(world)
    for (const unit of ["request", "dispatch", "drain", "sweep", "ping", "fault"]) {
      expect(lines).toContain(`"unit":"${unit}"`)
    }
    for (const status of [200, 401, 422, 500]) expect(lines).toContain(`"status":${status}`)
    // What receivers answered is told of attempts, inside the lines.
    for (const status of [302, 410, 503]) expect(lines).toContain(`"status":${status}`)
    for (const error of ["connection", "internal", "timeout"]) expect(lines).toContain(`"error":"${error}"`)
    const hidden = [TOKEN, KEY, LOST_KEY, ...formsOf(secret), ...formsOf(flaky)]
    for (const text of [
      ...hidden,
      "receiver-password",
      "receiver-api-key",
      "payload-marker",
      "receiver-answer",
    ]) {
      expect(lines).not.toContain(text)
    }
    for (const request of world.receivers.received) {
      const outgoing = JSON.stringify([request.headers, request.body])
      for (const text of hidden) expect(outgoing).not.toContain(text)
    }
  })

  it("holds no parameter of a statement that D1 refused", async () => {
    const world = await tokenWorld()
    const url = `${HOOK}?capability=url-marker`
    await registerHook(world, url)
    world.probe.before = (statements) => {
      if (statements.some((text) => text.includes("e.url_key"))) throw new Error("D1_ERROR: out of luck")
    }
    const fault = await world.app.request(
      `${ORIGIN}/webhook`,
      {
        method: "DELETE",
        body: JSON.stringify({ event: "user_registered", url }),
        headers: { ...authorized, "content-type": "application/json" },
      },
      world.env,
    )
    expect(fault.status).toBe(500)
    const line = world.logged.find(({ status }) => status === 500)
    expect(line?.error).toContain("D1_ERROR: out of luck")
    expect(line?.stack).toMatch(/^at .*unregisterUrl/s)
    expect(allToldBy(world)).not.toContain("url-marker")
  })
})
