import { Webhook } from "standardwebhooks"
import { describe, expect, it } from "vitest"
import {
  decodeSecret,
  generateSecret,
  publicKeyOf,
  SECRET_BYTES,
  shownSecret,
} from "../../src/engine/rules/secret.ts"

const bytes = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 7 + 251) % 256)
const base64 = (length: number) => generateSecret(bytes(length)).slice("whsec_".length)
const VECTOR_KEY_PAIR =
  "6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
const ED25519_SEED = "6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbc="

describe("generating a secret", () => {
  it("writes exactly the given bytes as base64 after whsec_", () => {
    expect(generateSecret(new Uint8Array(24).fill(255))).toBe(`whsec_${"/".repeat(32)}`)
  })

  it.each([24, 32, 64])("takes %i bytes", (length) => {
    expect(decodeSecret(generateSecret(bytes(length)))).toEqual({ kind: "v1", key: bytes(length) })
  })

  it.each([0, 16, 23, 65])("refuses %i bytes", (length) => {
    expect(() => generateSecret(bytes(length))).toThrow(RangeError)
  })

  it("makes secrets that the reference library takes", () => {
    expect(() => new Webhook(generateSecret(bytes(SECRET_BYTES)))).not.toThrow()
  })
})

describe("decoding a secret", () => {
  it("reads an Ed25519 key pair as seed and public key", () => {
    const key = decodeSecret(`whsk_${VECTOR_KEY_PAIR}`)
    expect(key).toMatchObject({ kind: "v1a", seed: { length: 32 }, publicKey: { length: 32 } })
    expect(key).toMatchObject({ seed: { 0: 0xe9, 31: 0xb7 }, publicKey: { 0: 0xd5, 31: 0xbe } })
  })

  it("reads a bare Ed25519 seed", () => {
    const key = decodeSecret(`whsk_${ED25519_SEED}`)
    expect(key).toMatchObject({ kind: "v1a", seed: { length: 32, 0: 0xe9, 31: 0xb7 }, publicKey: null })
  })

  it.each([
    ["nothing", ""],
    ["a bare prefix", "whsec_"],
    ["no prefix", base64(32)],
    ["an unknown prefix", `whpk_${base64(32)}`],
    ["an upper-case prefix", `WHSEC_${base64(32)}`],
    ["23 bytes", `whsec_${btoa("x".repeat(23))}`],
    ["65 bytes", `whsec_${btoa("x".repeat(65))}`],
    ["missing padding", `whsec_${base64(32).replace("=", "")}`],
    ["white space inside", `whsec_${base64(24).slice(0, 8)} ${base64(24).slice(8)}`],
    ["white space after", `whsec_${base64(24)}\n`],
    ["the URL-safe alphabet", `whsec_${"-_".repeat(16)}`],
    ["other characters", `whsec_${"ä!".repeat(16)}`],
    ["an Ed25519 key of 31 bytes", `whsk_${btoa("x".repeat(31))}`],
    ["an Ed25519 key of 33 bytes", `whsk_${btoa("x".repeat(33))}`],
    ["an Ed25519 key of 63 bytes", `whsk_${btoa("x".repeat(63))}`],
    ["an empty Ed25519 key", "whsk_"],
  ])("refuses %s", (_case, secret) => {
    expect(decodeSecret(secret)).toBeNull()
  })
})

describe("the public key of a secret", () => {
  it("is the second half of an Ed25519 key pair", () => {
    expect(publicKeyOf(`whsk_${VECTOR_KEY_PAIR}`)).toBe("whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=")
  })

  it.each([
    ["a bare seed", `whsk_${ED25519_SEED}`],
    ["a symmetric secret of 64 bytes", `whsec_${VECTOR_KEY_PAIR}`],
    ["a malformed secret", "whsk_nonsense"],
  ])("is unknown for %s", (_case, secret) => {
    expect(publicKeyOf(secret)).toBeNull()
  })
})

describe("what is shown of a secret", () => {
  it("is all of a symmetric one, and of an Ed25519 key what verifies", () => {
    expect(shownSecret(`whsec_${base64(32)}`)).toBe(`whsec_${base64(32)}`)
    expect(shownSecret(`whsk_${VECTOR_KEY_PAIR}`)).toBe(publicKeyOf(`whsk_${VECTOR_KEY_PAIR}`))
  })

  it("is nothing of an Ed25519 key without its public half, not even in the fault", () => {
    expect(() => shownSecret(`whsk_${ED25519_SEED}`)).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining(ED25519_SEED) }),
    )
  })
})
