import { describe, expect, it } from "vitest"
import { checkCustomHeaders } from "../../src/engine/rules/headers.ts"

const refusal = (headers: Record<string, string>) => {
  const result = checkCustomHeaders(headers)
  return result.ok ? null : result
}

describe("an endpoint's own header", () => {
  it.each([
    "authorization",
    "content-type",
    "Accept",
    "X-Api-Key",
    "x-forward",
    "cookie",
    "second",
    "proxy",
    "webhook",
    "cf",
    "hosts",
    "!#$%&'*+-.^_`|~09azAZ",
    "n".repeat(128),
  ])("may be %s", (name) => {
    expect(checkCustomHeaders({ [name]: "value" })).toEqual({ ok: true })
  })

  it.each([
    "host",
    "Host",
    "content-length",
    "connection",
    "keep-alive",
    "te",
    "transfer-encoding",
    "expect",
    "upgrade",
    "trailer",
    "proxy-authorization",
    "Proxy-Connection",
    "cf-connecting-ip",
    "CF-Ray",
    "cdn-loop",
    "x-forwarded-for",
    "X-Forwarded-Host",
    "sec-fetch-site",
    "webhook-id",
    "Webhook-Signature",
    "svix-id",
    "User-Agent",
  ])("may not be the reserved %s", (name) => {
    expect(refusal({ [name]: "value" })).toMatchObject({
      header: name,
      message: "This header is set by the sender or the network and cannot be chosen.",
    })
  })

  it.each(["", " ", "a b", "a:b", "a\n", "a(b)", "ä", "a/b", "a\0"])("may not be named %j", (name) => {
    expect(refusal({ [name]: "value" })).toMatchObject({
      header: name,
      message: expect.stringContaining("letters, digits"),
    })
  })

  it("may have a name of 128 characters at most", () => {
    expect(refusal({ ["n".repeat(129)]: "v" })?.message).toContain("at most 128 characters")
  })

  it.each(["", "Bearer abc", "a b\tc", "!~", "v".repeat(4_096)])("may have the value %j", (value) => {
    expect(checkCustomHeaders({ "x-a": value })).toEqual({ ok: true })
  })

  it.each(["a\r\nb: c", "a\n", "a\0", "\u007f", "é", "🐎", "\u0080"])(
    "may not have the value %j",
    (value) => {
      expect(refusal({ "x-a": value })).toMatchObject({
        header: "x-a",
        message: expect.stringContaining("printable ASCII"),
      })
    },
  )

  it("may have a value of 4,096 characters at most", () => {
    expect(refusal({ "x-a": "v".repeat(4_097) })).toMatchObject({
      header: "x-a",
      message: expect.stringContaining("at most 4096 characters"),
    })
  })

  it("is refused without its value being shown", () => {
    expect(JSON.stringify(refusal({ "x-a": "t0psecret\n" }))).not.toContain("t0psecret")
  })
})

describe("an endpoint's headers together", () => {
  const numbered = (count: number, value = "v") =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`x-${i}`, value]))

  it("may be none", () => {
    expect(checkCustomHeaders({})).toEqual({ ok: true })
  })

  it("may be 64 at most", () => {
    expect(checkCustomHeaders(numbered(64))).toEqual({ ok: true })
    expect(refusal(numbered(65))).toMatchObject({
      header: "x-64",
      message: "An endpoint has at most 64 headers.",
    })
  })

  it("may take 16 KiB at most, names included", () => {
    const full = numbered(4, "v".repeat(4_096 - "x-0".length))
    expect(checkCustomHeaders(full)).toEqual({ ok: true })
    expect(refusal({ ...full, y: "" })).toMatchObject({
      header: "y",
      message: "All headers together have at most 16384 bytes.",
    })
  })

  it("may not name one header twice in different case", () => {
    expect(refusal({ "X-Token": "a", "x-token": "b" })).toMatchObject({
      header: "x-token",
      message: expect.stringContaining("given twice"),
    })
  })

  it("are reported by the first that offends", () => {
    expect(refusal({ "x-fine": "a", host: "b", te: "c" })?.header).toBe("host")
  })
})
