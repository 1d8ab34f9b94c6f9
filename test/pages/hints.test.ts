import { describe, expect, it } from "vitest"

import { hintFor } from "../../src/dashboard/app/screens/delivery/hints.ts"
import { describeError, type ErrorClass } from "../../src/engine/rules/outcome.ts"

type Known = Parameters<typeof hintFor>[0]

const HOOK = "https://receiver.example/hook"
const NAME = /resolves/
const CERTIFICATE = /certificate/

/** A failed attempt at this URL, as far as a hint goes by it. */
function failed(rest: Partial<Known>, url = HOOK, status: Known["attempt"]["status"] = 2): Known {
  return {
    attempt: { status } as Known["attempt"],
    request: { method: "POST", url, headers: [], body: "{}" },
    response: null,
    error: null,
    ...rest,
  }
}

function answered(status: number, headers: Record<string, string> = {}): Known {
  const kept = Object.entries(headers).map(([name, value]) => ({ name, value }))
  const response = {
    status,
    statusText: null,
    headers: kept,
    body: "",
    bodyEncoding: "utf8",
    bodyCut: false,
  } as const
  return failed({ response })
}

function without(error: ErrorClass, url = HOOK): Known {
  return failed({ error: describeError(error) }, url)
}

describe("the hint on a failure without an answer", () => {
  it.each<[ErrorClass, RegExp]>([
    ["timeout", /Answer with 2xx first/],
    ["connection", /Nobody listens/],
    ["malformed", /does not speak HTTP/],
    ["refused-target", /public addresses alone/],
  ])("of the kind %s is its own", (error, hint) => expect(hintFor(without(error))).toMatch(hint))

  it("is none where it was our fault", () => expect(hintFor(without("internal"))).toBeNull())

  it.each([
    ["of the name and of the certificate where it may be either", HOOK, true, true],
    ["of the name where there is no TLS", "http://receiver.example/hook", true, false],
    ["of the certificate where there is no name", "https://203.0.114.7/hook", false, true],
    ["of the certificate where there is no name, in IPv6", "https://[2606:4700::1]:8443/hook", false, true],
  ])("is %s", (_, url, ofName, ofCertificate) => {
    const hint = hintFor(without("name-or-tls", url)) ?? ""
    expect([NAME.test(hint), CERTIFICATE.test(hint)]).toEqual([ofName, ofCertificate])
  })
})

describe("the hint on an answer", () => {
  it.each([
    [400, /compare them with what it expects/],
    [401, /set them as headers/],
    [404, /check the endpoint’s URL/],
    [410, /gone for good/],
    [429, /a rate that it can bear/],
    [500, /its own log says why/],
    [503, /its own log says why/],
    [520, /its own log says why/],
    [521, /Nobody listens/],
    [522, /Nobody listens/],
    [523, NAME],
    [524, /Answer with 2xx first/],
    [525, CERTIFICATE],
    [526, CERTIFICATE],
    [530, NAME],
  ])("of %i is its own", (status, hint) => expect(hintFor(answered(status))).toMatch(hint))

  it.each([525, 526])("of %i is not of the name", (status) =>
    expect(hintFor(answered(status))).not.toMatch(NAME),
  )
  it.each([523, 530])("of %i is not of the certificate", (status) => {
    expect(hintFor(answered(status))).not.toMatch(CERTIFICATE)
  })

  it("says where a redirect points", () => {
    expect(hintFor(answered(308, { Location: "https://new.example/" }))).toMatch(
      /points to https:\/\/new.example\//,
    )
    expect(hintFor(answered(302))).toMatch(/^redirects are not followed/)
  })

  it.each([418, 200])("is none for %i, of which nothing is known", (status) => {
    expect(hintFor(answered(status))).toBeNull()
  })

  it("is none where it was taken", () => expect(hintFor(failed({}, HOOK, 0))).toBeNull())
})
