import { describe, expect, it } from "vitest"
import { AUTHORIZED, send, tokenWorld } from "../support/access.ts"

describe("hostile input with a good token", () => {
  it("pollutes no prototype, and is answered with a 4xx or taken as it is", async () => {
    const world = await tokenWorld()
    const bodies = [
      '{"__proto__":{"polluted":1},"username":"a"}',
      '{"constructor":{"prototype":{"polluted":1}},"username":"b"}',
      '{"username":"__proto__"}',
      '{"username":"constructor"}',
      '{"username":{"__proto__":{"polluted":1}}}',
      '{"event":"__proto__","url":"https://receiver.example/"}',
      '{"event":"constructor","url":"https://receiver.example/"}',
      '{"event":"tostring","url":"https://receiver.example/"}',
    ]
    for (const path of ["/users", "/users/messages", "/webhook", "/ping"]) {
      for (const body of bodies) {
        const response = await send(world, path, { method: "POST", headers: AUTHORIZED, body })
        expect([path, body, response.status < 500]).toEqual([path, body, true])
      }
    }
    for (const path of [
      "/webhooks?event_filter=__proto__",
      "/webhooks?event_filter=constructor",
      "/ping/__proto__",
    ]) {
      expect((await send(world, path, { headers: AUTHORIZED })).status).toBe(404)
    }
    expect((await send(world, "/users?__proto__=1&constructor=2", { headers: AUTHORIZED })).status).toBe(200)
    expect(({} as Record<string, unknown>).polluted).toBeUndefined()
  })

  it("meets a 4xx when its JSON is nested as deep as the body allows", async () => {
    const world = await tokenWorld()
    for (const depth of [500, 1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 8_000, 12_000, 20_000, 100_000]) {
      const nested = `${"[".repeat(depth)}${"]".repeat(depth)}`
      for (const [path, body] of [
        ["/ping", `{"x":${nested}}`],
        ["/ping", nested],
        ["/users", `{"username":${nested}}`],
      ] as const) {
        const response = await send(world, path, { method: "POST", headers: AUTHORIZED, body })
        expect([path, depth, response.status < 500]).toEqual([path, depth, true])
      }
    }
  })

  it("cannot forge a line of the log", async () => {
    const world = await tokenWorld()
    await send(world, "/users?x=%0A%7B%22unit%22%3A%22request%22%7D", {
      headers: { ...AUTHORIZED, "user-agent": 'x","status":200,"y":"', referer: '"}\u2028{"unit":"request"' },
    })
    const lines = world.logged.filter((line) => line.unit === "request")
    expect(lines).toHaveLength(1)
    expect(JSON.stringify(lines[0])).not.toMatch(/[\r\n]/)
    expect(JSON.parse(JSON.stringify(lines[0]))).toMatchObject({
      status: 200,
      agent: 'x","status":200,"y":"',
    })
  })

  it("learns nothing of the inside from an unexpected fault", async () => {
    const world = await tokenWorld()
    world.probe.before = () => {
      throw new Error("D1_ERROR: secret inside at /src/db.ts")
    }
    const response = await world.fetch("/users", { json: { username: "alice" }, headers: AUTHORIZED })
    expect(response.status).toBe(500)
    const text = await response.text()
    expect(text).not.toMatch(/D1|secret|src|SELECT|INSERT|Error:/)
    const { code, detail } = JSON.parse(text) as { code: string; detail: string }
    expect(code).toBe("internal")
    expect(detail).toContain(response.headers.get("x-request-id"))
    expect(response.headers.get("access-control-allow-origin")).toBe("*")
  })

  it("gets an answer with a usable request id, whatever cf-ray it sends", async () => {
    const world = await tokenWorld()
    world.probe.before = () => {
      throw new Error("broken")
    }
    for (const ray of ["8f1e2d3c4b5a6978-FRA", "x".repeat(10_000), '"}<script>', "ünïcödé"]) {
      const response = await world.fetch("/users", {
        json: { username: "alice" },
        headers: { ...AUTHORIZED, "cf-ray": ray },
      })
      expect(response.status).toBe(500)
      expect(response.headers.get("content-type")).toMatch(/^application\/json/)
    }
  })
})
