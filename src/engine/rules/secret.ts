import { decodeBase64 } from "./base64.ts"

/** A signing secret of either scheme of Standard Webhooks, taken apart. */
export type SigningKey =
  | { kind: "v1"; key: Uint8Array<ArrayBuffer> }
  | { kind: "v1a"; seed: Uint8Array<ArrayBuffer>; publicKey: Uint8Array<ArrayBuffer> | null }

export const SECRET_BYTES = 32

const MIN_SECRET_BYTES = 24
const MAX_SECRET_BYTES = 64
const ED25519_SEED_BYTES = 32
const ED25519_KEY_PAIR_BYTES = 64

const SYMMETRIC_PREFIX = "whsec_"
const PRIVATE_KEY_PREFIX = "whsk_"
const PUBLIC_KEY_PREFIX = "whpk_"

/**
 * A new symmetric secret made of exactly these bytes; RangeError unless there are 24 to 64 (Standard
 * Webhooks).
 */
export function generateSecret(randomBytes: Uint8Array): string {
  if (!isSymmetricLength(randomBytes.length)) {
    throw new RangeError(`A secret is made of ${MIN_SECRET_BYTES} to ${MAX_SECRET_BYTES} bytes`)
  }
  return SYMMETRIC_PREFIX + randomBytes.toBase64()
}

/**
 * Reads `whsec_…` (24 to 64 bytes) as an HMAC key, and `whsk_…` as an Ed25519 key: a 32-byte seed, alone or
 * followed by its 32-byte public key. Null if malformed; the base64 has to be canonical, since receivers'
 * libraries differ in what else they take.
 */
export function decodeSecret(secret: string): SigningKey | null {
  if (secret.startsWith(SYMMETRIC_PREFIX)) {
    const key = decodeBase64(secret.slice(SYMMETRIC_PREFIX.length))
    return key && isSymmetricLength(key.length) ? { kind: "v1", key } : null
  }
  if (secret.startsWith(PRIVATE_KEY_PREFIX)) {
    const bytes = decodeBase64(secret.slice(PRIVATE_KEY_PREFIX.length))
    if (bytes?.length === ED25519_SEED_BYTES) return { kind: "v1a", seed: bytes, publicKey: null }
    if (bytes?.length !== ED25519_KEY_PAIR_BYTES) return null
    const seed = bytes.slice(0, ED25519_SEED_BYTES)
    return { kind: "v1a", seed, publicKey: bytes.slice(ED25519_SEED_BYTES) }
  }
  return null
}

/**
 * The `whpk_…` key that a receiver verifies with, if the secret is an Ed25519 key that carries its public
 * half; else null.
 */
export function publicKeyOf(secret: string): string | null {
  const key = decodeSecret(secret)
  return key?.kind === "v1a" && key.publicKey ? PUBLIC_KEY_PREFIX + key.publicKey.toBase64() : null
}

/**
 * What of a secret may be shown: all of a symmetric one, of an Ed25519 key what verifies, never what signs.
 */
export function shownSecret(secret: string): string {
  if (!secret.startsWith(PRIVATE_KEY_PREFIX)) return secret
  const publicKey = publicKeyOf(secret)
  if (publicKey === null) throw new TypeError("An Ed25519 key is kept with its public half")
  return publicKey
}

function isSymmetricLength(bytes: number): boolean {
  return bytes >= MIN_SECRET_BYTES && bytes <= MAX_SECRET_BYTES
}
