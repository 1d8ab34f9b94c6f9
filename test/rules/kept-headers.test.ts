import { describe, expect, it } from "vitest"

import { parseDeliveryControl } from "../../src/engine/rules/delivery-control.ts"
import { type KeptHeaders, keepHeaders, sentHeaders } from "../../src/engine/rules/kept-headers.ts"

const PLAIN = { own: {}, mostBytes: 1_024 }

describe("the headers of a request that are kept", () => {
  it("are what the event and the attempt do not tell, of the endpoint's own the names alone", () => {
    const sent: [string, string][] = [
      ["webhook-id", "evt_1"],
      ["webhook-timestamp", "1"],
      ["webhook-signature", "v1,abc"],
      ["user-agent", "Posthorn/1"],
      ["content-type", "text/plain"],
      ["authorization", "Bearer secret"],
      ["x-tenant", "acme"],
    ]
    expect(keepHeaders(sent, null, PLAIN)).toEqual({
      sent: [
        ["user-agent", "Posthorn/1"],
        ["content-type", "text/plain"],
        ["authorization", null],
        ["x-tenant", null],
      ],
      received: null,
      cut: false,
    })
  })

  it("are shown with the rest, which follows from the event and the time", () => {
    const kept: KeptHeaders = { sent: [["x-own", null]], received: null, cut: false }
    expect(sentHeaders(kept, "evt_1", 1_999)).toEqual([
      ["webhook-id", "evt_1"],
      ["webhook-timestamp", "1"],
      ["webhook-signature", null],
      ["x-own", null],
    ])
    expect(sentHeaders(null, "evt_1", 1_999)).toEqual([])
  })

  it("are bounded, however many names an endpoint has", () => {
    const sent = Array.from({ length: 64 }, (_, n): [string, string] => [`x-${"n".repeat(120)}${n}`, ""])
    const kept = keepHeaders(sent, [], PLAIN)
    expect(JSON.stringify(kept.sent).length).toBeLessThan(2_200)
    expect([kept.sent.length > 10, kept.cut]).toEqual([true, true])
  })
})

describe("the headers of an answer that are kept", () => {
  const receivedOf = (headers: [string, string][], more: Partial<typeof PLAIN> = {}) =>
    keepHeaders([], headers, { ...PLAIN, ...more })

  it.each([
    "set-cookie",
    "authorization",
    "www-authenticate",
    "proxy-authenticate",
    "x-api-key",
    "x-auth-token",
    "x-csrf-token",
    "client-secret",
  ])("have no value where the name is that of a credential: %s", (name) => {
    expect(receivedOf([[name, "s3cr3t"]])).toEqual({ sent: [], received: [[name, null]], cut: false })
  })

  it("have no value that repeats one of the endpoint's own headers, unless it is there by chance", () => {
    const own = { "X-Tenant": "  tenant-4711 ", "X-Short": "1", "Content-Type": "application/json" }
    const headers: [string, string][] = [
      ["x-echo", "you sent tenant-4711!"],
      ["x-count", "1"],
      ["content-type", "application/json"],
    ]
    expect(receivedOf(headers, { own } as object).received).toEqual([
      ["x-echo", null],
      ["x-count", "1"],
      ["content-type", "application/json"],
    ])
  })

  it("begin with what something follows from, whatever does not fit", () => {
    const headers: [string, string][] = [
      ["a", "x".repeat(400)],
      ["b", "x".repeat(400)],
      ["c", "x".repeat(400)],
      ["retry-after", "60"],
      ["webhook-delivery", "disable"],
      ["z", "last"],
    ]
    const { received, cut } = receivedOf(headers)
    expect(received?.map(([name]) => name)).toEqual(["retry-after", "webhook-delivery", "a", "b", "z"])
    expect(cut).toBe(true)
  })

  it("are cut where one is long, and together hold no more bytes than they may", () => {
    const long = receivedOf([["x-long", "é".repeat(600)]], { mostBytes: 4_096 })
    expect(long).toEqual({ sent: [], received: [["x-long", `${"é".repeat(512)}…`]], cut: true })
    const many = Array.from({ length: 1_000 }, (_, n): [string, string] => [`x-${n}`, "é".repeat(20)])
    const { received, cut } = receivedOf(many, { mostBytes: 4_096 })
    const bytes = received?.reduce(
      (sum, one) => sum + new TextEncoder().encode(JSON.stringify(one)).length,
      0,
    )
    expect(bytes).toBeLessThanOrEqual(4_096)
    expect(bytes).toBeGreaterThan(4_000)
    expect(cut).toBe(true)
  })

  it("keep one of several of the same name each", () => {
    const links: [string, string][] = [
      ["link", "<a>"],
      ["link", "<b>"],
    ]
    expect(receivedOf(links).received).toEqual(links)
  })
})

describe("webhook-delivery", () => {
  it.each([
    [null, null],
    ["", null],
    ["disable", "disable"],
    ["abort-message", "abort-message"],
    [" Disable ", "disable"],
    ["ABORT-MESSAGE", "abort-message"],
    ["abort-message, disable", "disable"],
    ["abort-message,abort-message", "abort-message"],
    ["abort", null],
    ["disabled", null],
    ["do not disable", null],
  ])("of %j asks for %j", (header, control) => {
    expect(parseDeliveryControl(header)).toBe(control)
  })
})
