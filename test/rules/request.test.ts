import { Webhook } from "standardwebhooks"
import { describe, expect, it } from "vitest"
import { buildRequest } from "../../src/engine/rules/request.ts"
import { generateSecret } from "../../src/engine/rules/secret.ts"

const SECRET = generateSecret(new Uint8Array(32).fill(1))
const BODY = '{"name":"žluťoučký kůň 🐎"}'

const build = (changes: Partial<Parameters<typeof buildRequest>[0]> = {}) =>
  buildRequest({
    id: "evt_1",
    timestampMs: 1_614_265_330_999,
    body: BODY,
    secrets: [SECRET],
    headers: {},
    userAgent: "Posthorn/0.1.0",
    ...changes,
  })

describe("the request of an attempt", () => {
  it("carries the headers of Standard Webhooks, a user agent and a content type", async () => {
    const { headers } = await build()
    expect(Object.fromEntries(headers)).toEqual({
      "content-type": "application/json",
      "user-agent": "Posthorn/0.1.0",
      "webhook-id": "evt_1",
      "webhook-signature": expect.stringMatching(/^v1,[A-Za-z0-9+/]{43}=$/),
      "webhook-timestamp": "1614265330",
    })
  })

  it("carries copies under Svix's names only if asked, and no header of the endpoint replaces one", async () => {
    const { headers } = await build({
      olderHeaders: true,
      headers: { "svix-id": "forged", "Svix-Signature": "x" },
    })
    for (const name of ["id", "timestamp", "signature"]) {
      expect(headers.get(`svix-${name}`)).toBe(headers.get(`webhook-${name}`))
    }
    expect([...(await build({ olderHeaders: false })).headers.keys()].join()).not.toContain("svix-")
  })

  it("verifies with the reference library over the very bytes sent", async () => {
    const { headers, body } = await build({ timestampMs: Date.now() })
    const sent = new TextDecoder().decode(body)
    expect(sent).toBe(BODY)
    expect(new Webhook(SECRET).verify(sent, Object.fromEntries(headers))).toEqual({
      name: "žluťoučký kůň 🐎",
    })
  })

  it("carries a signature per secret, in order", async () => {
    const newer = generateSecret(new Uint8Array(32).fill(2))
    const [first, second, both] = await Promise.all([
      build({ secrets: [newer] }),
      build({ secrets: [SECRET] }),
      build({ secrets: [newer, SECRET] }),
    ])
    const signature = ({ headers }: { headers: Headers }) => headers.get("webhook-signature")
    expect(signature(both)).toBe(`${signature(first)} ${signature(second)}`)
  })

  it("carries the endpoint's own headers", async () => {
    const { headers } = await build({ headers: { Authorization: "Bearer abc", "x-tenant": "7" } })
    expect(headers.get("authorization")).toBe("Bearer abc")
    expect(headers.get("x-tenant")).toBe("7")
  })

  it("lets the endpoint replace the content type", async () => {
    const { headers } = await build({ headers: { "Content-Type": "application/cloudevents+json" } })
    expect(headers.get("content-type")).toBe("application/cloudevents+json")
  })

  it.each([
    ["webhook-id", "forged"],
    ["Webhook-Signature", "v1,forged"],
    ["USER-AGENT", "forged"],
    ["expect", "100-continue"],
    ["x-forwarded-for", "10.0.0.1"],
    ["not a token", "value"],
    ["x-split", "a\r\nwebhook-id: forged"],
    ["x-wide", "🐎"],
  ])("drops a stored header that is not allowed: %s", async (name, value) => {
    const [plain, built] = await Promise.all([
      build(),
      build({ headers: { [name]: value, "x-tenant": "7" } }),
    ])
    expect([...built.headers]).toEqual([...plain.headers, ["x-tenant", "7"]])
  })

  it("fails for a malformed secret without showing it", async () => {
    const error: unknown = await build({ secrets: ["whsec_t0psecret"] }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(TypeError)
    expect(String(error)).not.toContain("t0psecret")
  })

  it("may have an empty body", async () => {
    expect((await build({ body: "" })).body).toHaveLength(0)
  })
})
