import { Webhook } from "standardwebhooks"
import { describe, expect, it } from "vitest"
import { decodeSecret, generateSecret } from "../../src/engine/rules/secret.ts"
import { sign, signatureHeader } from "../../src/engine/rules/signature.ts"

const VECTOR = {
  id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
  timestamp: 1614265330,
  body: '{"test": 2432232314}',
}
const SYMMETRIC = {
  secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  signature: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
const ED25519 = {
  secret: "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==",
  signature: "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==",
}
const ED25519_SEED_ONLY = "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc="

describe("signing (Standard Webhooks, “Signature scheme”)", () => {
  it("gives the known HMAC-SHA256 signature", async () => {
    expect(await sign({ ...VECTOR, secret: SYMMETRIC.secret })).toBe(SYMMETRIC.signature)
  })

  it("gives the known Ed25519 signature", async () => {
    expect(await sign({ ...VECTOR, secret: ED25519.secret })).toBe(ED25519.signature)
  })

  it("needs only the seed of an Ed25519 key", async () => {
    expect(await sign({ ...VECTOR, secret: ED25519_SEED_ONLY })).toBe(ED25519.signature)
  })

  it("makes Ed25519 signatures that the public key verifies", async () => {
    const key = decodeSecret(ED25519.secret)
    if (key?.kind !== "v1a" || !key.publicKey) throw new Error("not an Ed25519 key pair")
    const publicKey = await crypto.subtle.importKey("raw", key.publicKey, { name: "Ed25519" }, false, [
      "verify",
    ])
    const signature = Uint8Array.from(atob(ED25519.signature.slice(4)), (char) => char.charCodeAt(0))
    const content = new TextEncoder().encode(`${VECTOR.id}.${VECTOR.timestamp}.${VECTOR.body}`)
    expect(await crypto.subtle.verify({ name: "Ed25519" }, publicKey, signature, content)).toBe(true)
  })

  it.each([
    ["plain text", "hello"],
    ["nothing", ""],
    ["text beyond ASCII", "žluťoučký kůň 🐎"],
    ["text with dots and line breaks", "a.b\r\n.c"],
  ])("signs %s alike as a string and as bytes, as the reference library does", async (_case, body) => {
    const secret = generateSecret(new Uint8Array(32).fill(7))
    const signature = await sign({ ...VECTOR, body, secret })
    expect(await sign({ ...VECTOR, body: new TextEncoder().encode(body), secret })).toBe(signature)
    expect(new Webhook(secret).sign(VECTOR.id, new Date(VECTOR.timestamp * 1_000), body)).toBe(signature)
  })

  it("signs bytes that are no text as they are", async () => {
    const secret = SYMMETRIC.secret
    const invalid = await sign({ ...VECTOR, body: Uint8Array.of(0xff), secret })
    const replaced = await sign({ ...VECTOR, body: "\u{fffd}", secret })
    expect(invalid).not.toBe(replaced)
  })

  it.each([
    ["the id", { id: "msg_other" }],
    ["the time", { timestamp: VECTOR.timestamp + 1 }],
    ["the body", { body: '{"test":2432232314}' }],
  ])("covers %s", async (_part, change) => {
    expect(await sign({ ...VECTOR, ...change, secret: SYMMETRIC.secret })).not.toBe(SYMMETRIC.signature)
  })

  it("refuses a malformed secret without showing it", async () => {
    const secret = "whsec_thisIsNotSecretEnough"
    const error: unknown = await sign({ ...VECTOR, secret }).catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(TypeError)
    expect(String(error)).not.toContain("thisIsNotSecretEnough")
  })
})

describe("the webhook-signature header", () => {
  it("holds one signature per secret, in the order given", async () => {
    const header = await signatureHeader([ED25519.secret, SYMMETRIC.secret], VECTOR)
    expect(header).toBe(`${ED25519.signature} ${SYMMETRIC.signature}`)
  })

  it("verifies with the old and with the new secret while a rotation lasts", async () => {
    const [newer, older] = [1, 2].map((seed) => generateSecret(new Uint8Array(32).fill(seed))) as [
      string,
      string,
    ]
    const timestamp = Math.floor(Date.now() / 1_000)
    const headers = {
      "webhook-id": "evt_1",
      "webhook-timestamp": String(timestamp),
      "webhook-signature": await signatureHeader([newer, older], { id: "evt_1", timestamp, body: '{"a":1}' }),
    }
    expect(new Webhook(newer).verify('{"a":1}', headers)).toEqual({ a: 1 })
    expect(new Webhook(older).verify('{"a":1}', headers)).toEqual({ a: 1 })
    const stranger = new Webhook(generateSecret(new Uint8Array(32).fill(3)))
    expect(() => stranger.verify('{"a":1}', headers)).toThrow("No matching signature found")
  })

  it("fails as a whole when one of the secrets is malformed", async () => {
    await expect(signatureHeader([SYMMETRIC.secret, "whsec_"], VECTOR)).rejects.toThrow(TypeError)
  })
})
