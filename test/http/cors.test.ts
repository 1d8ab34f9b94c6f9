import { describe, expect, it } from "vitest"
import { AUTHORIZED, routesOf, send, tokenWorld } from "../support/access.ts"

describe("CORS in token mode", () => {
  it("answers the preflight of every route without a token: any origin, method and requested header", async () => {
    const world = await tokenWorld()
    for (const { path } of await routesOf(world)) {
      for (const method of ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]) {
        const response = await send(world, path, {
          method: "OPTIONS",
          headers: {
            origin: "https://app.example",
            "access-control-request-method": method,
            "access-control-request-headers": "authorization, content-type, x-anything",
          },
        })
        expect(response.status).toBe(204)
        expect(response.headers.get("access-control-allow-origin")).toBe("*")
        expect(response.headers.get("access-control-allow-methods")?.split(/, */)).toContain(method)
        const allowed = response.headers.get("access-control-allow-headers")?.split(/, */)
        expect(allowed).toEqual(["authorization", "content-type", "x-anything"])
        expect(response.headers.get("access-control-allow-credentials")).toBeNull()
        expect(await response.text()).toBe("")
      }
    }
  })

  it("answers OPTIONS without ever running a route", async () => {
    const world = await tokenWorld()
    const before = await world.everything()
    for (const { path } of await routesOf(world)) {
      const response = await send(world, path, {
        method: "OPTIONS",
        body: JSON.stringify({ username: "mallory" }),
      })
      expect([path, response.status, await response.text()]).toEqual([path, 204, ""])
    }
    expect(await world.everything()).toBe(before)
  })

  it("lets pages read answers and refusals alike, Link included, without credentials", async () => {
    const world = await tokenWorld()
    const origin = "https://app.example"
    for (const [path, headers, status] of [
      ["/users", AUTHORIZED, 200],
      ["/users", {}, 401],
      ["/unknown", AUTHORIZED, 404],
      ["/users/messages", AUTHORIZED, 422],
    ] as const) {
      const response = await send(world, path, { headers: { ...headers, origin } })
      expect(response.status).toBe(status)
      expect(response.headers.get("access-control-allow-origin")).toBe("*")
      expect(response.headers.get("access-control-expose-headers")?.split(/, */)).toContain("Link")
      expect(response.headers.get("access-control-allow-credentials")).toBeNull()
    }
  })
})
