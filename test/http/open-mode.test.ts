import { describe, expect, it } from "vitest"
import { createApp } from "../../src/app.ts"
import { expectShape, OPEN_PATHS, send } from "../support/access.ts"
import { createWorld, ORIGIN } from "../support/world.ts"

describe("open mode", () => {
  const closed = [
    "evil.example",
    "evil.example:8787",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "localhost-evil.example",
    "evil-localhost",
    "notlocalhost",
    "0.0.0.0",
    "0.0.0.0:8787",
    "10.0.0.1",
    "192.168.1.10:8787",
    "169.254.169.254",
    "128.0.0.1",
    "126.255.255.255",
    "[::]",
    "[::2]",
    "[fe80::1]",
    "[::ffff:10.0.0.1]",
    "host.docker.internal",
    "posthorn.local",
    "localtest.me",
    "127.0.0.1.nip.io",
    "localhost:8787@evil.example",
    "127.0.0.1@evil.example",
    "xn--localhost-abc.example",
  ]

  it.each(closed)("answers 421 on the Host %s, the open paths included", async (host) => {
    const world = await createWorld()
    const before = await world.everything()
    for (const path of ["/users", "/unknown", ...OPEN_PATHS]) {
      const response = await send(world, `http://${host}${path}`)
      expect([path, response.status]).toEqual([path, 421])
      expect(response.headers.get("access-control-allow-origin")).toBeNull()
      await expectShape(path, response)
    }
    const preflight = await send(world, `http://${host}/users`, { method: "OPTIONS" })
    expect(preflight.status).toBe(421)
    const written = await send(world, `http://${host}/users`, {
      method: "POST",
      body: JSON.stringify({ username: "mallory" }),
    })
    expect(written.status).toBe(421)
    expect(await world.everything()).toBe(before)
  })

  it.each([
    "localhost",
    "localhost:8787",
    "LOCALHOST:1",
    "127.0.0.1:8000",
    "127.0.0.2",
    "127.1",
    "2130706433",
    "[::1]",
    "[::1]:8787",
    "[0:0:0:0:0:0:0:1]:8787",
    "posthorn.localhost:8787",
  ])("answers on the Host %s without a token", async (host) => {
    const world = await createWorld()
    expect((await send(world, `http://${host}/users`)).status).toBe(200)
    expect((await send(world, `http://${host}/docs`)).status).toBe(200)
  })

  it("answers 421 to what did not come through its own door, and writes nothing", async () => {
    const world = await createWorld()
    const before = await world.everything()
    const secret = "s".repeat(32)
    const json = { "content-type": "application/json" }
    const app = createApp(() => ({ ...world.deps, config: { ...world.config, openSecret: secret } }))
    const post = (headers: Record<string, string>) =>
      app.request(`${ORIGIN}/users`, {
        method: "POST",
        body: '{"username":"mallory"}',
        headers: { ...json, ...headers },
      })
    for (const given of ["", "s".repeat(31), "s".repeat(33), `${"s".repeat(31)}t`]) {
      const answer = await post({ "posthorn-open-secret": given })
      expect(answer.status).toBe(421)
      expect(await answer.text()).not.toContain("sss")
    }
    expect((await post({})).status).toBe(421)
    expect((await app.request(`${ORIGIN}/health`)).status).toBe(421)
    expect(await world.everything()).toBe(before)
    expect((await post({ "posthorn-open-secret": secret })).status).toBe(200)
    expect(JSON.stringify(world.logged)).not.toContain(secret)
  })

  it("does not believe a forwarded Host", async () => {
    const world = await createWorld()
    for (const name of ["x-forwarded-host", "x-host", "forwarded", "x-original-host"]) {
      const headers = { [name]: name === "forwarded" ? "host=localhost" : "localhost" }
      expect((await send(world, "http://evil.example/users", { headers })).status).toBe(421)
    }
  })

  it.each([
    { origin: "https://evil.example" },
    { origin: "http://evil.example:8787" },
    { origin: "null" },
    { origin: "" },
    { origin: "file://" },
    { origin: "http://localhost.evil.example" },
    { origin: "http://127.0.0.1.evil.example" },
    { origin: "http://127.0.0.1@evil.example" },
    { origin: "http://192.168.1.10" },
    { origin: "http://0.0.0.0:8787" },
    { origin: "chrome-extension://abcdefghijklmnop" },
    { origin: "localhost" },
    { origin: "http://localhost, https://evil.example" },
    { "sec-fetch-site": "cross-site" },
    { "sec-fetch-site": "cross-site", origin: "http://localhost:3000" },
    { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors", "sec-fetch-dest": "image" },
  ] as Record<string, string>[])(
    "answers 403 to a page elsewhere, its preflight included: %o",
    async (headers) => {
      const world = await createWorld()
      const before = await world.everything()
      const requests: [string, RequestInit][] = [
        ["/users", { method: "GET" }],
        ["/users", { method: "POST", body: JSON.stringify({ username: "mallory" }) }],
        [
          "/webhook",
          { method: "POST", body: JSON.stringify({ event: "user_registered", url: "http://r.example/" }) },
        ],
        ["/ping", { method: "POST" }],
        ["/health", { method: "GET" }],
        ["/unknown", { method: "GET" }],
        ["/users", { method: "OPTIONS" }],
      ]
      for (const [path, init] of requests) {
        const response = await send(world, path, {
          ...init,
          headers: { ...headers, "access-control-request-method": "POST", "content-type": "text/plain" },
        })
        expect([init.method, path, response.status]).toEqual([init.method, path, 403])
        expect(response.headers.get("access-control-allow-origin")).toBeNull()
        await expectShape(path, response)
      }
      expect(await world.everything()).toBe(before)
      expect(world.queued).toEqual([])
    },
  )

  it.each([
    {},
    { "sec-fetch-site": "none", "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36" },
    // The preview of an editor, which names no site.
    { "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36" },
    { "sec-fetch-site": "same-origin", origin: ORIGIN },
    { "sec-fetch-site": "same-site", origin: "http://127.0.0.1:3000" },
  ] as Record<string, string>[])("takes a request of this machine: %o", async (headers) => {
    const world = await createWorld()
    expect((await world.fetch("/users", { json: { username: "alice" }, headers })).status).toBe(200)
  })

  it("opens CORS to loopback origins alone, each by its name", async () => {
    const world = await createWorld()
    for (const origin of [
      "http://localhost:3000",
      "http://127.0.0.1",
      "https://[::1]:8443",
      "http://app.localhost",
    ]) {
      const read = await send(world, "/users", { headers: { origin } })
      expect(read.headers.get("access-control-allow-origin")).toBe(origin)
      expect(read.headers.get("vary")).toMatch(/origin/i)
      expect(read.headers.get("access-control-allow-credentials")).toBeNull()
      const preflight = await send(world, "/users", {
        method: "OPTIONS",
        headers: {
          origin,
          "access-control-request-method": "POST",
          "access-control-request-headers": "content-type",
        },
      })
      expect(preflight.status).toBe(204)
      expect(preflight.headers.get("access-control-allow-origin")).toBe(origin)
      expect(preflight.headers.get("access-control-allow-headers")).toBe("content-type")
    }
    const bare = await send(world, "/users")
    expect(bare.headers.get("access-control-allow-origin")).toBeNull()
  })
})
