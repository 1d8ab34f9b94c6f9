import { describe, expect, it } from "vitest"

import { callApi, svixFor } from "../api/svix.ts"
import { createWorld, type World } from "../support/world.ts"

const UPLOADED = "21f8e1f7-4142-42f9-ac30-74961702b2eb"

/** Every door that takes a URL, and the status with which it refuses one that may not be a target. */
const DOORS: [door: string, register: (world: World, url: string) => Promise<number>, refused: number][] = [
  [
    "POST /webhook",
    async (world, url) => (await world.fetch("/webhook", { json: { event: "user_registered", url } })).status,
    422,
  ],
  [
    "POST /register",
    async (world, url) => (await world.fetch("/register", { json: { event: "e", url } })).status,
    400,
  ],
  [
    "POST /webhook/register",
    async (world, url) =>
      (await world.fetch("/webhook/register", { json: { event_type_id: UPLOADED, user_id: 1, url } })).status,
    400,
  ],
  [
    "the management API",
    async (world, url) => (await callApi(world, "/api/v1/app/users/endpoint", { json: { url } })).status,
    422,
  ],
  [
    "a change of an endpoint",
    async (world, url) => {
      await svixFor(world).endpoint.create("users", { url: "https://example.com/", uid: "ep" })
      const init = { method: "PATCH", json: { url } }
      return (await callApi(world, "/api/v1/app/users/endpoint/ep", init)).status
    },
    422,
  ],
]

describe.each(DOORS)("a host of a private network at %s", (_, register, refused) => {
  it.each(["http://redis/", "http://nas.lan/", "http://168.63.129.16/", "http://[100:0:0:1::1]/"])(
    "is refused as %s, and taken where private targets are allowed",
    async (url) => {
      expect(await register(await createWorld({ ALLOW_PRIVATE_TARGETS: "false" }), url)).toBe(refused)
      expect(await register(await createWorld(), url)).toBeLessThan(300)
    },
  )
})

describe("a single label of the documents", () => {
  it("registers as npm start sets the system up", async () => {
    const world = await createWorld({ AUTH_MODE: "open", ALLOW_PRIVATE_TARGETS: "true" })
    const url = "http://your-webhook-receiver-url/webhook"
    const answer = await world.fetch("/webhook", { json: { event: "user_registered", url } })
    expect(await answer.json()).toMatchObject({ message: "Webhook registered successfully", url })
  })
})

describe("a URL with a fragment", () => {
  const PLAIN = "http://receiver.example/f"
  const endpoints = (world: World) => world.env.DB.prepare("SELECT count(*) AS n FROM endpoints").first("n")

  it("is the URL without it to A, and is answered as it was typed", async () => {
    const world = await createWorld()
    const register = (url: string) => world.fetch("/webhook", { json: { event: "user_registered", url } })
    expect(await (await register(`${PLAIN}#x`)).json()).toMatchObject({ url: `${PLAIN}#x` })
    for (const url of [PLAIN, `${PLAIN}#x`, `${PLAIN}#y`]) {
      const again = await register(url)
      expect(again.status).toBe(400)
      expect(await again.json()).toEqual({
        detail: `Webhook URL '${url}' already exists for event 'user_registered'`,
      })
    }
    const removed = await world.fetch("/webhook", {
      method: "DELETE",
      json: { event: "user_registered", url: PLAIN },
    })
    expect(removed.status).toBe(204)
  })

  it("is the URL without it to B", async () => {
    const world = await createWorld()
    for (const url of [PLAIN, `${PLAIN}#x`])
      expect((await world.fetch("/register", { json: { event: "e", url } })).status).toBe(200)
    expect(await endpoints(world)).toBe(1)
    expect((await world.fetch("/unregister", { json: { event: "e", url: `${PLAIN}#y` } })).status).toBe(200)
  })

  it("is called without it", async () => {
    const world = await createWorld()
    await world.fetch("/webhook", { json: { event: "user_registered", url: `${PLAIN}#x` } })
    await world.fetch("/users", { json: { username: "alice" } })
    await world.runAll()
    expect(world.receivers.received.map(({ url }) => url)).toEqual([PLAIN])
  })
})
