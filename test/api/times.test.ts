import { beforeEach, describe, expect, it } from "vitest"

import { DateTime } from "../../src/api/wire.ts"
import { createWorld, type World } from "../support/world.ts"

const HOOK = "http://receiver.example/hook"
const ACME = "/api/v1/app/acme"

let world: World
/** The message's own time, in the millisecond. */
let time: string

beforeEach(async () => {
  world = await createWorld()
  await world.fetch("/api/v1/app", { json: { name: "Acme", uid: "acme" } })
  await world.fetch(`${ACME}/endpoint`, { json: { url: HOOK, uid: "hook" } })
  const sent = await world.fetch(`${ACME}/msg`, { json: { eventType: "t", payload: {} } })
  time = (await sent.json<{ timestamp: string }>()).timestamp
  await world.runAll()
})

/** The message's time with these digits behind its milliseconds. */
const withDigits = (digits: string) => time.replace("Z", `${digits}Z`)
const LISTS = [`${ACME}/msg`, `${ACME}/endpoint/hook/msg`, `${ACME}/attempt/endpoint/hook`]

describe.each(LISTS)("%s", (list) => {
  const count = async (query: Record<string, string>) => {
    const response = await world.fetch(`${list}?${new URLSearchParams(query)}`)
    expect(response.status).toBe(200)
    return (await response.json<{ data: unknown[] }>()).data.length
  }

  it.each([
    ["500", 1],
    ["5", 1],
    ["000001", 1],
    ["000000000000000000001", 1],
    ["", 0],
    ["000", 0],
  ])("has before …%s what happened in the millisecond that has begun: %d", async (digits, expected) => {
    expect(await count({ before: withDigits(digits) })).toBe(expected)
  })

  it.each(["500", "000001", "999999999"])("has nothing of it after …%s", async (digits) => {
    expect(await count({ after: withDigits(digits) })).toBe(0)
  })

  it.each([
    "0000-01-01T00:00:00+23:59",
    "0001-01-01T00:00:00.000Z",
    "1969-12-31T23:59:59.999999Z",
    "9999-12-31T23:59:59.999999999-23:59",
  ])("takes every time that has a form: %s", async (far) => {
    const past = !far.startsWith("9")
    expect(await count({ before: far })).toBe(past ? 0 : 1)
    expect(await count({ after: far })).toBe(past ? 1 : 0)
  })

  it.each([
    "2026-02-30T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-12-31T23:59:60Z",
    "2026-01-01T00:00:00",
    "2026-01-01T00:00:00+25:00",
    "2026-01-01T00:00:00+01",
    "2026-01-01",
    "10000-01-01T00:00:00Z",
    "-000001-01-01T00:00:00Z",
    "1767225600000",
  ])("refuses what is no time: %s", async (text) => {
    for (const parameter of ["before", "after"]) {
      const response = await world.fetch(`${list}?${new URLSearchParams({ [parameter]: text })}`)
      expect(response.status).toBe(422)
    }
  })
})

describe("statistics", () => {
  it.each([
    [{ until: "" }, 1],
    [{ until: "999" }, 1],
    [{ since: "" }, 1],
    [{ since: "001" }, 0],
  ])("count from and until the very time: %j", async (digits, expected) => {
    world.clock.advance(1000)
    const query = Object.fromEntries(Object.entries(digits).map(([name, text]) => [name, withDigits(text)]))
    const response = await world.fetch(`${ACME}/endpoint/hook/stats?${new URLSearchParams(query)}`)
    expect(await response.json()).toMatchObject({ success: expected })
  })
})

describe("a time in epoch milliseconds", () => {
  it.each([
    ["1970-01-01T00:00:00Z", 0],
    ["1970-01-01T00:00:00.1Z", 100],
    ["1970-01-01T00:00:00.0010000Z", 1],
    ["1970-01-01T00:00:00.0010001Z", 1.5],
    ["1970-01-01T00:00:00.001999999Z", 1.5],
    ["1970-01-01T01:00:00.0000001+01:00", 0.5],
    ["1969-12-31T23:59:59.9985Z", -1.5],
    // As some languages print it.
    ["1970-01-01 00:00:01 UTC", 1000],
    ["1970-01-01 00:00:01.5 utc", 1500],
    ["1970-01-01 00:00:01.123456789 UTC", 1123.5],
    ["1970-01-01 01:00:01 +0100", 1000],
    ["1970-01-01 01:00:01 +01:00", 1000],
    ["1970-01-01T01:00:01+0100", 1000],
    ["1970-01-01t00:00:01z", 1000],
    ["1970-01-01 00:00:01Z", 1000],
    ["1970-01-01T00:01Z", 60_000],
    ["1969-12-31T19:01-05:00", 60_000],
  ])("of %s is %d", (text, epochMs) => {
    expect(DateTime.parse(text)).toBe(epochMs)
  })
})

describe("a time", () => {
  const status = async (path: string, json?: object) =>
    (await world.fetch(`${ACME}${path}`, json === undefined ? {} : { json })).status
  const printed = () => `${time.slice(0, 10)} ${time.slice(11, 19)} UTC`

  it("is taken as languages print it in every list, and in a body", async () => {
    const query = new URLSearchParams({ after: printed() })
    for (const list of LISTS) {
      const response = await world.fetch(`${list}?${query}`)
      expect((await response.json<{ data: unknown[] }>()).data).toHaveLength(1)
    }
    expect(await status(`/endpoint/hook/stats?${new URLSearchParams({ since: printed() })}`)).toBe(200)
    expect(await status("/endpoint/hook/recover", { since: printed(), until: null })).toBe(202)
    expect(await status("/endpoint/hook/recover", { since: printed(), until: time })).toBe(202)
  })

  it.each([
    "",
    "now",
    "2026-11-25 14:57:07",
    "2026-11-25 14:57:07  UTC",
    "2026-11-25 14:57:07 CET",
    // A plus sign that was not encoded.
    "2026-11-25T14:57:07 01:00",
    "2026-11-25T14:57:07.Z",
    " 2026-11-25T14:57:07Z",
    "2026-11-25T14Z",
  ])("is never %j", async (text) => {
    expect(await status(`/msg?${new URLSearchParams({ after: text })}`)).toBe(422)
    expect(await status("/endpoint/hook/recover", { since: text })).toBe(422)
  })

  it("is text in a body", async () => {
    expect(await status("/endpoint/hook/recover", { since: Date.parse(time) })).toBe(422)
  })
})
