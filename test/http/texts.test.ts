import { beforeEach, describe, expect, it } from "vitest"

import { isNameable } from "../../src/engine/rules/names.ts"
import { svixFor } from "../api/svix.ts"
import { customersDB } from "../support/shards.ts"
import { EVENT_TYPE_ID } from "../support/uploads.ts"
import { createWorld, type World } from "../support/world.ts"

const HOOK = "http://receiver.example/hook"
const ACME = "/api/v1/app/acme"

let world: World

beforeEach(async () => {
  world = await createWorld()
  await world.fetch("/api/v1/app", { json: { name: "Acme", uid: "acme" } })
  await world.fetch(`${ACME}/endpoint`, { json: { url: HOOK, uid: "hook" } })
})

const request = (method: string, path: string, json?: unknown) =>
  world.fetch(path, json === undefined ? { method } : { method, json })

describe.each([".", ".."])("the name %s, which URLs fold away", (name) => {
  it.each<[method: string, path: string, json: object, loc: string[]]>([
    ["POST", "/api/v1/app", { name: "A", uid: name }, ["uid"]],
    ["PUT", ACME, { name: "A", uid: name }, ["uid"]],
    ["PATCH", ACME, { uid: name }, ["uid"]],
    ["POST", `${ACME}/endpoint`, { url: HOOK, uid: name }, ["uid"]],
    ["PUT", `${ACME}/endpoint/hook`, { url: HOOK, uid: name }, ["uid"]],
    ["PATCH", `${ACME}/endpoint/hook`, { uid: name }, ["uid"]],
    ["POST", "/api/v1/event-type", { name, description: "" }, ["name"]],
    ["POST", `${ACME}/msg`, { eventType: "t", eventId: name, payload: {} }, ["eventId"]],
    ["POST", `${ACME}/msg`, { eventType: name, payload: {} }, ["eventType"]],
    [
      "POST",
      "/api/v1/app/new/msg",
      { eventType: "t", payload: {}, application: { name: "N", uid: name } },
      ["application", "uid"],
    ],
    [
      "POST",
      "/api/v1/auth/app-portal-access/new",
      { application: { name: "N", uid: name } },
      ["application", "uid"],
    ],
  ])("is refused by %s %s as %j", async (method, path, json, loc) => {
    const response = await request(method, path, json)
    expect(response.status).toBe(422)
    expect(await response.json()).toEqual({
      detail: [{ loc: ["body", ...loc], msg: expect.stringContaining('"."'), type: expect.any(String) }],
    })
  })

  it("is refused as an event of B, with a sentence", async () => {
    const response = await request("POST", "/register", { event: name, url: HOOK })
    expect(response.status).toBe(400)
    expect(await response.text()).toBe('An event type must not be named "." or ".."')
  })

  it("leaves nothing deleted that was asked for by it", async () => {
    const svix = svixFor(world)
    await svix.endpoint.delete("acme", name).catch(() => null)
    await svix.endpoint.patch("acme", name, { description: "x" }).catch(() => null)
    await request("PUT", `${ACME}/endpoint/${name}`, { url: HOOK, name: "Folded" }).catch(() => null)
    await svix.message.expungeContent("acme", name).catch(() => null)
    await svix.eventType.delete(name).catch(() => null)
    expect(await svix.application.get("acme")).toMatchObject({ name: "Acme" })
    expect(await svix.endpoint.get("acme", "hook")).toMatchObject({ url: HOOK, description: "" })
  })

  it("is no obstacle to what has it already: it is reached by its id", async () => {
    const [endpoint] = (await svixFor(world).endpoint.list("acme")).data
    await customersDB.prepare("UPDATE endpoints SET uid = ?").bind(name).run()
    const path = `${ACME}/endpoint/${endpoint?.id}`
    expect(await (await world.fetch(path)).json()).toMatchObject({ uid: name })
    expect((await request("PATCH", path, { uid: "other" })).status).toBe(200)
  })
})

describe("a path that a parser has folded", () => {
  it.each([
    ["DELETE", `${ACME}/endpoint/..`],
    ["DELETE", `${ACME}/endpoint/%2e%2E`],
    ["PUT", `${ACME}/endpoint/..`],
    ["PATCH", `${ACME}/endpoint/..`],
    ["DELETE", `${ACME}/msg/..`],
    ["DELETE", `${ACME}/`],
  ])("is 404: %s %s", async (method, path) => {
    const json = method === "GET" || method === "DELETE" ? undefined : { name: "Folded", url: HOOK }
    const response = await request(method, path, json)
    expect(response.status).toBe(404)
    expect(await response.json()).toMatchObject({ code: "not_found" })
    expect(await (await world.fetch(ACME)).json()).toMatchObject({ name: "Acme" })
  })

  it("is no way around an application's token", async () => {
    const access = await request("POST", "/api/v1/auth/app-portal-access/acme", {})
    const { token } = await access.json<{ token: string }>()
    const headers = { authorization: `Bearer ${token}` }
    const path = `${ACME}/endpoint/..`
    expect((await world.fetch(path, { method: "DELETE", headers })).status).toBe(403)
    expect((await world.fetch(ACME)).status).toBe(200)
  })
})

describe("a name that a path can hold", () => {
  it.each([
    ["a", true],
    ["...", true],
    [".a", true],
    ["a..", true],
    [".", false],
    ["..", false],
  ])("%j: %j", (name, nameable) => {
    expect(isNameable(name)).toBe(nameable)
    // What the parser of every client does with it.
    expect(new URL(`http://h/a/${name}`).pathname === `/a/${name}`).toBe(nameable)
  })
})

describe("a URL's length is that of what is sent", () => {
  const fits = `http://example.com/${"ü".repeat(338)}`
  const exceeds = `http://example.com/${"ü".repeat(339)}`
  const DOORS: [method: string, path: string, json: (url: string) => object][] = [
    ["POST", "/webhook", (url) => ({ event: "user_registered", url })],
    ["POST", "/register", (url) => ({ event: "e", url })],
    ["POST", "/webhook/register", (url) => ({ event_type_id: EVENT_TYPE_ID, user_id: 1, url })],
    ["POST", `${ACME}/endpoint`, (url) => ({ url })],
    ["PUT", `${ACME}/endpoint/hook`, (url) => ({ url })],
    ["PATCH", `${ACME}/endpoint/hook`, (url) => ({ url })],
  ]

  it.each(DOORS)("%s %s", async (method, path, json) => {
    expect(new URL(fits).href.length).toBeLessThanOrEqual(2048)
    expect(new URL(exceeds).href.length).toBeGreaterThan(2048)
    expect((await request(method, path, json(fits))).status).toBeLessThan(300)
    const refused = await request(method, path, json(exceeds))
    expect([400, 422]).toContain(refused.status)
    expect(await refused.text()).toContain("too long")
    // Typed so long that it could not be stored as it is, though sent it would be short.
    expect([400, 422]).toContain(
      (await request(method, path, json(`http://h.example/${"./".repeat(9000)}`))).status,
    )
  })
})

describe("a user name's length is that of what is stored", () => {
  it.each([
    ["İ", 32, 200],
    ["İ", 33, 422],
    ["a", 64, 200],
    ["🦉", 64, 200],
    ["🦉", 65, 422],
  ])("%s, %d times: %d", async (character, times, status) => {
    const username = character.repeat(times)
    expect((await request("POST", "/users", { username })).status).toBe(status)
  })
})

const NOT_NUMBERS = ["", "%201", "1%20", "+1", "-1", "01", "1.0", "1e1", "0x1", "١", "1,2", "true", "%00"]

describe("a number in a query", () => {
  const LISTS = [
    `/api/v1/app?limit=`,
    `/api/v1/event-type?limit=`,
    `${ACME}/endpoint?limit=`,
    `${ACME}/msg?limit=`,
    `${ACME}/endpoint/hook/msg?limit=`,
    `${ACME}/endpoint/hook/msg?status=`,
    `${ACME}/attempt/endpoint/hook?limit=`,
    `${ACME}/attempt/endpoint/hook?status=`,
    `${ACME}/attempt/endpoint/hook?status_code_class=`,
  ]

  it.each(LISTS)("is written in digits, or refused: %s", async (start) => {
    const good = start.includes("class") ? "200" : "1"
    expect((await world.fetch(start + good)).status).toBe(200)
    const bad = [...NOT_NUMBERS, "1000", `${good}&${start.split("?")[1]}${good}`]
    for (const value of bad) {
      const response = await world.fetch(start + value)
      expect([value, response.status]).toEqual([value, 422])
      const { detail } = await response.json<{ detail: { loc: string[] }[] }>()
      expect(detail[0]?.loc).toEqual(["query", /\?(\w+)=/.exec(start)?.[1]])
    }
  })

  it.each([
    `${ACME}/msg?with_content=`,
    "/api/v1/event-type?with_content=",
    "/api/v1/event-type?include_archived=",
    "/api/v1/app?order=",
    "/api/v1/app?iterator=",
    `${ACME}/msg?channel=`,
    `${ACME}/msg?event_types=`,
    `${ACME}/msg?before=`,
    `${ACME}/msg?after=`,
    `${ACME}/endpoint/hook/stats?since=`,
    `${ACME}/endpoint/hook/stats?until=`,
    "/users?cursor=",
    "/invoices?cursor=",
  ])("and the like: %s", async (start) => {
    for (const value of ["", "%20", "1%20", "TRUE%20", "%20true", "yes!"]) {
      const response = await world.fetch(start + value)
      expect([value, response.status]).toEqual([value, 422])
    }
  })
})
