import { describe, expect, it } from "vitest"

import { callApi, svixFor } from "../api/svix.ts"
import { createWorld, type World } from "../support/world.ts"

const UPLOADED = "21f8e1f7-4142-42f9-ac30-74961702b2eb"
const WORDS = "The application has 2 endpoints already: remove one, or raise MAX_ENDPOINTS_PER_APPLICATION"
const REFUSED = { code: "limit_reached", detail: WORDS }

/** Every door that makes endpoints, and what it says of one too many. */
const DOORS: [
  door: string,
  application: string,
  make: (world: World, n: number) => Promise<Response>,
  said: unknown,
][] = [
  [
    "POST /webhook",
    "app_users",
    (world, n) =>
      world.fetch("/webhook", { json: { event: "user_registered", url: `http://r${n}.example/` } }),
    REFUSED,
  ],
  [
    "POST /register",
    "app_invoices",
    (world, n) => world.fetch("/register", { json: { event: `e${n}`, url: `http://r${n}.example/` } }),
    WORDS,
  ],
  [
    "POST /webhook/register",
    "app_uploads",
    (world, n) =>
      world.fetch("/webhook/register", {
        json: { event_type_id: UPLOADED, user_id: 1, url: `http://r${n}.example/` },
      }),
    { message: WORDS, data: {}, error: true },
  ],
  [
    "POST of the management API",
    "app_users",
    (world, n) => callApi(world, "/api/v1/app/users/endpoint", { json: { url: `http://r${n}.example/` } }),
    REFUSED,
  ],
  [
    "PUT of the management API",
    "app_users",
    (world, n) =>
      callApi(world, `/api/v1/app/users/endpoint/n${n}`, {
        method: "PUT",
        json: { url: `http://r${n}.example/` },
      }),
    REFUSED,
  ],
]

const endpointsOf = (world: World, application: string) =>
  world.env.DB.prepare("SELECT count(*) AS n FROM endpoints WHERE application_id = ? AND removed_at IS NULL")
    .bind(application)
    .first<number>("n")

describe.each(DOORS)(
  "an application with all the endpoints it may have, at %s",
  (_, application, make, said) => {
    it("is refused one more with 409, and nothing is written; one less makes room", async () => {
      const world = await createWorld({ MAX_ENDPOINTS_PER_APPLICATION: "2" })
      for (const n of [1, 2]) expect((await make(world, n)).status).toBeLessThan(300)
      const before = await world.everything()
      const refused = await make(world, 3)
      expect(refused.status).toBe(409)
      const text = await refused.text()
      expect(text.startsWith("{") ? JSON.parse(text) : text).toEqual(said)
      expect(await world.everything()).toBe(before)
      const [oldest] = (await svixFor(world).endpoint.list(application, { order: "ascending" as never })).data
      await svixFor(world).endpoint.delete(application, oldest?.id ?? "")
      expect((await make(world, 3)).status).toBeLessThan(300)
    })

    it("is refused all but as many as there is room for, however many come at once", async () => {
      const world = await createWorld({ MAX_ENDPOINTS_PER_APPLICATION: "2" })
      const answers = await Promise.all([1, 2, 3, 4, 5].map((n) => make(world, n)))
      expect(answers.filter(({ status }) => status === 409)).toHaveLength(3)
      expect(await endpointsOf(world, application)).toBe(2)
    })

    it("keeps those that it has when the setting is lowered", async () => {
      const world = await createWorld()
      for (const n of [1, 2, 3]) await make(world, n)
      world.config.maxEndpointsPerApplication = 2
      expect((await make(world, 4)).status).toBe(409)
      expect(await endpointsOf(world, application)).toBe(3)
    })
  },
)

it("A and B may register what they have again, and for further events", async () => {
  const world = await createWorld({ MAX_ENDPOINTS_PER_APPLICATION: "1" })
  const url = "http://r1.example/"
  for (const event of ["user_registered", "user_send_message"])
    expect((await world.fetch("/webhook", { json: { event, url } })).status).toBe(200)
  for (const event of ["one", "two", "two"])
    expect((await world.fetch("/register", { json: { event, url } })).status).toBe(200)
})
