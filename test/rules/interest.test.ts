import { describe, expect, it } from "vitest"
import { channelsMatch, isEventTypeName } from "../../src/engine/rules/interest.ts"

describe("channels", () => {
  it.each<[string, string[] | null, string[] | null, boolean]>([
    ["an endpoint without channels gets an event without", null, null, true],
    ["an endpoint without channels gets an event with some", null, ["a"], true],
    ["an endpoint with an empty list gets everything", [], ["a"], true],
    ["an endpoint with channels gets an event that shares one", ["a", "b"], ["b", "c"], true],
    ["an endpoint with channels does not get an event that shares none", ["a"], ["b"], false],
    ["an endpoint with channels does not get an event without", ["a"], null, false],
    ["an endpoint with channels does not get an event with an empty list", ["a"], [], false],
    ["channels differ by case", ["a"], ["A"], false],
  ])("%s", (_promise, endpointChannels, eventChannels, match) => {
    expect(channelsMatch(endpointChannels, eventChannels)).toBe(match)
  })
})

describe("an event type's name", () => {
  it.each(["user_registered", "invoice.paid", "a-b", "A1", ".", "x".repeat(256)])("may be %s", (name) => {
    expect(isEventTypeName(name)).toBe(true)
  })

  it.each(["", "upload file", "a/b", "a:b", "ä", "a\n", "x".repeat(257)])("may not be %j", (name) => {
    expect(isEventTypeName(name)).toBe(false)
  })
})
