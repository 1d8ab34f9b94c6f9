import { Svix } from "svix"
import { Svix as SvixV1 } from "svix-v1"
import { describe, expect, it } from "vitest"

import { createWorld, ORIGIN } from "../support/world.ts"

describe("slashes in front of a path", () => {
  it.each(["//api/v1/app", "///api/v1/app", "//api/v1/event-type?limit=1"])(
    "make no difference to the management API: %s",
    async (path) => {
      const world = await createWorld()
      expect((await world.fetch(ORIGIN + path)).status).toBe(200)
    },
  )

  it("open no door: what needs a token needs it there, too", async () => {
    const world = await createWorld({ AUTH_MODE: "token", API_TOKEN: "letmein" })
    expect((await world.fetch(`${ORIGIN}//api/v1/app`)).status).toBe(401)
    expect((await world.fetch(`${ORIGIN}//api/v1/health/../app`)).status).toBe(401)
    expect((await world.fetch(`${ORIGIN}//api/v1/health`)).status).toBe(204)
  })

  it("keep the dialect of a family's errors", async () => {
    const world = await createWorld()
    const [one, two] = await Promise.all(
      ["/api/v1/app/none", "//api/v1/app/none"].map(async (path) =>
        (await world.fetch(ORIGIN + path)).json(),
      ),
    )
    expect(two).toEqual(one)
  })

  it.each([
    ["version 2", Svix],
    ["version 1", SvixV1],
  ])("come from a serverUrl that ends in a slash: the npm SDK, %s", async (_, Client) => {
    const world = await createWorld()
    const svix = new Client("any", {
      serverUrl: `${ORIGIN}/`,
      retryScheduleInMs: [],
      fetch: async (input, init) => {
        const { href } = new URL(input instanceof Request ? input.url : input)
        return world.fetch(href, init)
      },
    })
    await svix.application.create({ name: "Acme", uid: "acme" })
    expect((await svix.application.get("acme")).name).toBe("Acme")
  })
})

describe("a slash at the end of a path of the management API", () => {
  it("makes no difference, as on Svix's server", async () => {
    const world = await createWorld()
    const ask = async (method: string, path: string, json?: object) =>
      (await world.fetch(`/api/v1${path}`, { method, ...(json ? { json } : {}) })).status
    expect(await ask("POST", "/app/", { name: "Acme", uid: "acme" })).toBe(201)
    expect(await ask("GET", "/app/acme/")).toBe(200)
    expect(await ask("POST", "/app/acme/endpoint/", { url: "http://acme.example/", uid: "hook" })).toBe(201)
    expect(await ask("PUT", "/app/acme/endpoint/hook/", { url: "http://acme.example/other" })).toBe(200)
    expect(await ask("POST", "/app/acme/msg/", { eventType: "thing.done", payload: {} })).toBe(202)
    expect(await ask("DELETE", "/app/acme/endpoint/hook/")).toBe(204)
    expect(await ask("DELETE", "/event-type/thing.done/")).toBe(204)
  })
})
