import { describe, expect, it } from "vitest"
import {
  classifyFetchError,
  describeError,
  describeStatus,
  type ErrorClass,
  explainStatus,
  farewellOf,
  judge,
} from "../../src/engine/rules/outcome.ts"

describe("judging an attempt", () => {
  it.each([200, 201, 202, 204, 226, 299])("takes %i as delivered", (statusCode) => {
    expect(judge({ statusCode, error: null })).toBe("delivered")
  })

  it.each([100, 199, 300, 301, 304, 308, 400, 401, 404, 409, 411, 422, 429, 499, 500, 503, 521, 530, 599])(
    "tries again after %i",
    (statusCode) => {
      expect(judge({ statusCode, error: null })).toBe("retry")
    },
  )

  it("takes 410 as the receiver's farewell", () => {
    expect(judge({ statusCode: 410, error: null })).toBe("gone")
  })

  it.each([
    [200, "delivered"],
    [299, "delivered"],
    [302, "aborted"],
    [410, "aborted"],
    [422, "aborted"],
    [503, "aborted"],
  ] as const)("ends a delivery whose %i asks for no more attempts: %s", (statusCode, outcome) => {
    expect(judge({ statusCode, error: null, control: "abort-message" })).toBe(outcome)
  })

  it.each([
    [200, "delivered"],
    [410, "gone"],
    [500, "retry"],
  ] as const)("judges a %i that asks to be disabled as any other: %s", (statusCode, outcome) => {
    expect(judge({ statusCode, error: null, control: "disable" })).toBe(outcome)
  })

  it.each([
    [410, null, "gone"],
    [410, "abort-message", "gone"],
    [410, "disable", "asked"],
    [200, "disable", "asked"],
    [500, "disable", "asked"],
    [200, null, null],
    [500, "abort-message", null],
    [null, null, null],
  ] as const)("hears in a %s with %s the farewell %s", (statusCode, control, farewell) => {
    expect(farewellOf({ statusCode, control })).toBe(farewell)
  })

  it.each(["connection", "name-or-tls", "timeout", "internal"] as const)(
    "tries again after a %s error",
    (error) => {
      expect(judge({ statusCode: null, error })).toBe("retry")
    },
  )

  it("does not try again when we refused the target", () => {
    expect(judge({ statusCode: null, error: "refused-target" })).toBe("refused")
  })

  it("believes the status when the body broke off after it", () => {
    expect(judge({ statusCode: 200, error: "timeout" })).toBe("delivered")
    expect(judge({ statusCode: 500, error: "connection" })).toBe("retry")
  })

  it("tries again when there is neither status nor error", () => {
    expect(judge({ statusCode: null, error: null })).toBe("retry")
  })
})

describe("classifying what fetch threw", () => {
  it.each<[string, unknown, ErrorClass]>([
    ["an abort", new DOMException("The operation was aborted", "AbortError"), "timeout"],
    ["a timeout", new DOMException("The operation was aborted due to timeout", "TimeoutError"), "timeout"],
    ["a timeout by wording", new Error("connect ETIMEDOUT: connection timed out"), "timeout"],
    ["a lost connection", new Error("Network connection lost."), "connection"],
    ["a refused connection", new TypeError("Connection refused"), "connection"],
    ["a reset connection", new Error("read ECONNRESET"), "connection"],
    ["a connection reset by its peer", new Error("connection was reset by peer"), "connection"],
    ["a connection reset in the TLS handshake", new Error("TLS handshake: connection reset"), "connection"],
    ["the runtime's internal error", new Error("internal error; reference = abc123"), "name-or-tls"],
    ["a DNS failure", new Error("DNS lookup failed."), "name-or-tls"],
    ["an unknown name", new Error("getaddrinfo ENOTFOUND example.invalid"), "name-or-tls"],
    ["a TLS failure", new Error("TLS peer's certificate is not trusted"), "name-or-tls"],
    ["an expired certificate", new Error("certificate has expired"), "name-or-tls"],
    ["a failed handshake", new Error("SSL handshake failed"), "name-or-tls"],
    ["an unknown error", new Error("something new"), "connection"],
    ["a thrown string", "Network connection lost.", "connection"],
    ["a thrown string about DNS", "DNS failure", "name-or-tls"],
    ["undefined", undefined, "connection"],
    ["a length that is none", new Error("invalid Content-Length header value; cl = abc"), "malformed"],
  ])("knows %s", (_case, error, expected) => {
    expect(classifyFetchError(error, new URL("https://example.com/"))).toBe(expected)
  })

  it.each<[string, ErrorClass]>([
    ["https://example.com/", "name-or-tls"],
    ["https://127.0.0.1/", "name-or-tls"],
    ["http://example.com/", "name-or-tls"],
    ["http://redis:6379/", "name-or-tls"],
    ["http://127.0.0.1:9000/", "malformed"],
    ["http://[2606:4700::1111]/", "malformed"],
    ["http://1.1.1.1/", "malformed"],
    ["http://localhost:9000/", "malformed"],
  ])("takes an internal error at %s for %s: what is not used cannot fail", (url, expected) => {
    expect(classifyFetchError(new Error("internal error; reference = abc123"), new URL(url))).toBe(expected)
  })

  it("goes by the name when an abort's message mentions the connection", () => {
    const error = new DOMException("Network connection lost.", "AbortError")
    expect(classifyFetchError(error, new URL("https://example.com/"))).toBe("timeout")
  })
})

describe("words for people", () => {
  it.each([
    [200, "OK"],
    [301, "Moved Permanently"],
    [404, "Not Found"],
    [410, "Gone"],
    [418, "I'm a Teapot"],
    [422, "Unprocessable Entity"],
    [429, "Too Many Requests"],
    [503, "Service Unavailable"],
    [599, "Unknown status"],
    [299, "Unknown status"],
    [0, "Unknown status"],
  ])("calls %i %s", (statusCode, phrase) => {
    expect(describeStatus(statusCode)).toBe(phrase)
  })

  it.each([520, 521, 522, 523, 524, 525, 526, 527, 530])(
    "explains Cloudflare's %i in one sentence",
    (code) => {
      expect(explainStatus(code)).toMatch(/^[A-Z][^.]+\.$/)
    },
  )

  it.each([100, 101, 103, 199])("explains the interim %i in one sentence", (code) => {
    expect(explainStatus(code)).toMatch(/^The receiver answered with an interim status[^.]+\.$/)
  })

  it("explains it in place of a phrase, where there is none", () => {
    expect(describeStatus(521)).toBe(explainStatus(521))
  })

  it.each([200, 404, 500, 519, 528, 529, 531])("has no explanation for %i", (code) => {
    expect(explainStatus(code)).toBeNull()
  })

  it.each<[ErrorClass, string]>([
    ["connection", "Connection refused"],
    ["name-or-tls", "Name or TLS error"],
    ["malformed", "Malformed answer"],
    ["timeout", "Timed out"],
    ["refused-target", "Target refused"],
    ["internal", "Internal error"],
  ])("calls %s “%s”", (error, phrase) => {
    expect(describeError(error)).toBe(phrase)
  })
})
