import { describe, expect, it } from "vitest"
import {
  AUTHORIZED,
  call,
  closedRoutes,
  expectRefusedTarget,
  expectShape,
  outcomeOf,
  register,
  tokenWorld,
  withSettings,
} from "../support/access.ts"
import { registerHook, registerUser } from "../support/make.ts"
import { createWorld } from "../support/world.ts"

describe("a delivery of our own that comes back", () => {
  const delivery = { "webhook-id": "evt_1", "user-agent": "Posthorn/0.1.0" }

  it("is answered 508 on every route, in both modes, with a token or without, and does nothing", async () => {
    for (const make of [() => createWorld(), tokenWorld]) {
      const world = await make()
      const before = await world.everything()
      for (const route of await closedRoutes(world)) {
        for (const headers of [delivery, { ...delivery, ...AUTHORIZED }]) {
          const response = await call(world, route, { ...headers, "user-agent": "Posthorn/9.9.9 (later)" })
          expect([route.path, response.status]).toEqual([route.path, 508])
          await expectShape(route.path, response)
        }
      }
      expect(await world.everything()).toBe(before)
    }
  })

  it("is known by both headers: either alone passes", async () => {
    const world = await createWorld()
    for (const headers of [
      { "webhook-id": "evt_1" },
      { "user-agent": "Posthorn/0.1.0" },
      { "webhook-id": "evt_1", "user-agent": "NotPosthorn/0.1.0" },
    ] as Record<string, string>[]) {
      expect((await world.fetch("/users", { headers })).status).toBe(200)
    }
  })

  it("is recognised by what we really send", async () => {
    const world = await createWorld()
    await registerHook(world, "http://receiver.example/hook")
    await registerUser(world, "alice")
    await world.runAll()
    const [sent] = world.receivers.received
    const response = await world.fetch("/users", { json: { username: "bob" }, headers: sent?.headers ?? {} })
    expect(response.status).toBe(508)
  })
})

describe("our own host", () => {
  it.each([
    "http://127.0.0.1:8787/users",
    "http://localhost:8787/",
    "http://LOCALHOST:8787/",
    "http://localhost.:8787/",
    "http://deep.posthorn.localhost:8787/",
    "http://127.1:8787/",
    "http://127.0.0.2:8787/",
    "http://2130706433:8787/",
    "http://0x7f.0.0.1:8787/",
    "http://0177.0.0.1:8787/",
    "http://0.0.0.0:8787/",
    "http://[::1]:8787/",
    "http://[::]:8787/",
    "http://[::ffff:127.0.0.1]:8787/",
    "http://[0:0:0:0:0:ffff:7f00:1]:8787/",
    "https://127.0.0.1:8787/",
    "http://①②⑦.⓪.⓪.①:8787/",
  ])("is no target in open mode: %s", async (url) => {
    await expectRefusedTarget(await createWorld(), url)
  })

  it("is told from a receiver on another port of this machine", async () => {
    const world = await createWorld()
    for (const url of ["http://127.0.0.1:8788/", "http://localhost:3000/", "http://[::1]:80/"]) {
      expect((await register(world, url)).status).toBe(200)
    }
  })

  it.each([
    "https://posthorn.example/users",
    "https://POSTHORN.example/",
    "https://posthorn.example./",
    "https://posthorn.example:443/",
    "http://posthorn.example/",
    "https://public.example/hook",
    "https://Public.Example.:443/hook",
    "http://public.example/hook",
  ])("is no target in token mode, whether or not private targets are: %s", async (url) => {
    for (const ALLOW_PRIVATE_TARGETS of ["false", "true"]) {
      const world = await tokenWorld({ PUBLIC_URL: "https://public.example", ALLOW_PRIVATE_TARGETS })
      await expectRefusedTarget(world, url, "https://posthorn.example")
    }
  })

  it("is told from names that only contain it", async () => {
    const world = await tokenWorld({ PUBLIC_URL: "https://public.example" })
    for (const url of [
      "https://posthorn.example.org/",
      "https://my-public.example/",
      "https://example.net/",
    ]) {
      expect((await register(world, url, "https://posthorn.example")).status).toBe(200)
    }
  })

  it("is refused again at the attempt once PUBLIC_URL names it", async () => {
    const world = await createWorld()
    await registerHook(world, "https://public.example/hook")
    const eventId = await registerUser(world, "alice")
    await world.runDue(false, withSettings(world, { PUBLIC_URL: "https://public.example" }))
    expect(await outcomeOf(world, eventId)).toEqual(["failed", "refused-target", "refused-target"])
    expect(world.receivers.received).toEqual([])
  })
})
