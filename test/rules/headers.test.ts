import { describe, expect, it } from "vitest"
import { checkCustomHeaders, isContentType } from "../../src/engine/rules/headers.ts"

const refusal = (headers: Record<string, string>) => {
  const result = checkCustomHeaders(headers)
  return result.ok ? null : result
}

describe("an endpoint's own header", () => {
  it.each([
    "authorization",
    "Accept",
    "X-Api-Key",
    "x-forward",
    "cookie",
    "second",
    "proxy",
    "webhook",
    "cf",
    "hosts",
    "x-amazon",
    "x-goo",
    "x-azure",
    "ages",
    "content-disposition",
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
    // Svix's list.
    "X-Svix-Id",
    "x-amz-date",
    "x-amzn-trace-id",
    "x-google-anything",
    "x-goog-meta",
    "x-gfe-request",
    "X-Azure-Ref",
    "x-fd-healthprobe",
    "content-encoding",
    "Content-Type",
    "content-language",
    "content-location",
    "cache-control",
    "age",
    "expires",
    "pragma",
    "warning",
    "trailers",
    "clear-site-data",
    // A proxy's.
    "Forwarded",
    "x-real-ip",
    "X-Client-IP",
    "x-cluster-client-ip",
    "true-client-ip",
    "fastly-client-ip",
    "client-ip",
    "Via",
    "x-original-url",
  ])("may not be the reserved %s", (name) => {
    expect(refusal({ [name]: "value" })).toMatchObject({
      header: name,
      message: "This header is set by the sender or the network and cannot be chosen.",
    })
  })

  it.each(["", " ", "a b", "a:b", "a\n", "a(b)", "ä", "a/b", "a\0", "x-\u212Aey"])(
    "may not be named %j",
    (name) => {
      expect(refusal({ [name]: "value" })).toMatchObject({
        header: name,
        message: expect.stringContaining("letters, digits"),
      })
    },
  )

  it.each(["content-type", "Content-Type"])("may be %s where a contract documents it", (name) => {
    expect(checkCustomHeaders({ [name]: "text/plain" }, { ownContentType: true })).toEqual({ ok: true })
    expect(refusal({ [name]: "text/plain" })?.header).toBe(name)
  })

  it.each(["", " ", "json", "application/", "text/plain, text/html"])(
    "is no content type if it is %j",
    (value) => {
      const checked = checkCustomHeaders({ "Content-Type": value }, { ownContentType: true })
      expect(checked).toMatchObject({ ok: false, header: "Content-Type" })
    },
  )

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

describe("a delivery's content type", () => {
  it.each([
    "text/plain",
    "application/xml",
    "application/vnd.api+json; charset=utf-8",
    'multipart/mixed; boundary="a b"',
    `text/${"x".repeat(251)}`,
  ])("may be %s", (value) => {
    expect(isContentType(value)).toBe(true)
  })

  it.each([
    "",
    "text",
    "text/",
    "/plain",
    "text/plain\r\nx-evil: 1",
    "text/plain; a=\n",
    "text/pläin",
    "text/plain; name=ü",
    "te xt/plain",
    "text/plain extra",
    `text/${"x".repeat(252)}`,
  ])("may not be %j", (value) => {
    expect(isContentType(value)).toBe(false)
  })
})
