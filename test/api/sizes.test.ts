import { beforeEach, describe, expect, it } from "vitest"

import { createWorld, type World } from "../support/world.ts"
import { callApi, svixFor } from "./svix.ts"

const KIB = 1024
const OWL = "\u{1f989}"
const APP = "/api/v1/app/acme"
const HOOK = "http://receiver.example/"
const keys = (count: number, length = 10) =>
  Object.fromEntries(Array.from({ length: count }, (_, n) => [String(n).padEnd(length, "x"), "v"]))
const schemaOf = (description: string) => ({ 1: { type: "object", description } })
const schemas = (bytes: number) => schemaOf("x".repeat(bytes - JSON.stringify(schemaOf("")).length))

let world: World

beforeEach(async () => {
  world = await createWorld()
  const svix = svixFor(world)
  await svix.application.create({ name: "Acme", uid: "acme" })
  await svix.eventType.create({ name: "known", description: "" })
  await svix.endpoint.create("acme", { url: HOOK, uid: "hook" })
})

/** The largest value that each field takes, and the least that it refuses. */
const FIELDS: [field: string, largest: unknown, tooLarge: unknown][] = [
  ["name", "x".repeat(256), "x".repeat(257)],
  ["uid", "x".repeat(256), "x".repeat(257)],
  ["description", "x".repeat(4 * KIB), "x".repeat(4 * KIB + 1)],
  ["description", OWL.repeat(KIB), `${OWL.repeat(KIB)}x`],
  ["metadata", keys(50), keys(51)],
  ["metadata", keys(1, 64), keys(1, 65)],
  ["metadata", { a: "x".repeat(KIB) }, { a: "x".repeat(KIB + 1) }],
  ["metadata", { a: OWL.repeat(256) }, { a: `${OWL.repeat(256)}x` }],
  ["featureFlag", "x".repeat(256), "x".repeat(257)],
  ["schemas", schemas(128 * KIB), schemas(128 * KIB + 1)],
  ["channels", ["x".repeat(128)], ["x".repeat(129)]],
]
/** Every door that takes settings: how, with what besides, and which fields. */
const DOORS: [method: string, path: string, besides: object, fields: string[]][] = [
  ["POST", "/api/v1/app", { name: "New" }, ["name", "uid", "metadata"]],
  ["PUT", APP, { name: "New" }, ["name", "uid", "metadata"]],
  ["PATCH", APP, {}, ["name", "uid", "metadata"]],
  ["POST", `${APP}/endpoint`, { url: HOOK }, ["uid", "description", "metadata", "channels"]],
  ["PUT", `${APP}/endpoint/hook`, { url: HOOK }, ["uid", "description", "metadata", "channels"]],
  ["PATCH", `${APP}/endpoint/hook`, {}, ["uid", "description", "metadata", "channels"]],
  [
    "POST",
    "/api/v1/event-type",
    { name: "new", description: "" },
    ["name", "description", "featureFlag", "schemas"],
  ],
  ["PUT", "/api/v1/event-type/known", { description: "" }, ["description", "featureFlag", "schemas"]],
  ["PATCH", "/api/v1/event-type/known", {}, ["description", "featureFlag", "schemas"]],
]
const CASES = DOORS.flatMap(([method, path, besides, fields]) =>
  FIELDS.filter(([field]) => fields.includes(field)).map(
    ([field, largest, tooLarge]) => ({ method, path, besides, field, largest, tooLarge }) as const,
  ),
)

describe("a setting", () => {
  it.each(CASES)(
    "has a maximum: $field of $method $path",
    async ({ method, path, besides, field, ...value }) => {
      const send = (given: unknown) => callApi(world, path, { method, json: { ...besides, [field]: given } })
      const refused = await send(value.tooLarge)
      expect(refused.status).toBe(422)
      const { detail } = await refused.json<{ detail: { loc: string[] }[] }>()
      expect(detail[0]?.loc.slice(0, 2)).toEqual(["body", field])
      expect((await send(value.largest)).status).toBeLessThan(300)
    },
  )

  it("that a token carries has a maximum, so that the token fits into a header", async () => {
    const ask = (featureFlags: string[]) =>
      callApi(world, "/api/v1/auth/app-portal-access/acme", { json: { featureFlags } })
    expect((await ask(Array.from({ length: 17 }, () => "x".repeat(256)))).status).toBe(422)
    expect((await ask(Array.from({ length: 101 }, (_, n) => `f${n}`))).status).toBe(422)
    const taken = await ask(Array.from({ length: 16 }, () => "x".repeat(256)))
    expect((await taken.json<{ token: string }>()).token.length).toBeLessThan(8 * KIB)
  })

  it("that was larger before is still answered, and stays through a change of others", async () => {
    const long = "x".repeat(10_000)
    await world.customersDB.prepare("UPDATE endpoints SET description = ?").bind(long).run()
    const changed = await callApi(world, `${APP}/endpoint/hook`, {
      method: "PATCH",
      json: { throttleRate: 1 },
    })
    expect(await changed.json()).toMatchObject({ description: long, throttleRate: 1 })
  })
})
