import type { Config } from "../../platform/config.ts"
import { EngineError } from "./errors.ts"

const IV_BYTES = 12
const PLAIN_KEY_ID = "0"

/**
 * Encrypts a secret for storage as `keyId:ciphertext` (AES-256-GCM, a fresh IV in front). Without a key it
 * answers `0:plaintext` in open mode and refuses with `not_configured` in token mode.
 */
export async function seal(config: Config, text: string): Promise<string> {
  const [encoded] = config.encryptionKeys
  if (encoded === undefined) {
    if (config.authMode === "open") return `${PLAIN_KEY_ID}:${text}`
    throw new EngineError(
      "not_configured",
      "Signing secrets cannot be stored yet: set the key with `openssl rand -base64 32 | npx wrangler secret put ENCRYPTION_KEY`",
    )
  }
  const { id, key } = await importKey(encoded)
  const iv = crypto.getRandomValues(new Uint8Array(IV_BYTES))
  const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, new TextEncoder().encode(text))
  return `${id}:${new Uint8Array([...iv, ...new Uint8Array(sealed)]).toBase64()}`
}

/** The text that `seal` was given. Throws when its key is no longer among the ENCRYPTION_KEYs. */
export async function unseal(config: Config, sealed: string): Promise<string> {
  // What has no key id was never sealed and may be a secret itself: the fault must not repeat it.
  const [, keyId, rest = ""] = /^([0-9a-f]{8}|0):(.*)$/s.exec(sealed) ?? []
  if (keyId === undefined) throw new Error("a stored secret has no key id")
  if (keyId === PLAIN_KEY_ID) return rest
  for (const encoded of config.encryptionKeys) {
    const { id, key } = await importKey(encoded)
    if (id !== keyId) continue
    const bytes = Uint8Array.fromBase64(rest)
    const opened = await crypto.subtle.decrypt(
      { name: "AES-GCM", iv: bytes.subarray(0, IV_BYTES) },
      key,
      bytes.subarray(IV_BYTES),
    )
    return new TextDecoder().decode(opened)
  }
  throw new Error(`the encryption key ${keyId} is not among ENCRYPTION_KEY`)
}

// Imported once per isolate: a key never changes, and importing costs more than decrypting.
const imported = new Map<string, Promise<{ id: string; key: CryptoKey }>>()

function importKey(encoded: string): Promise<{ id: string; key: CryptoKey }> {
  let entry = imported.get(encoded)
  if (!entry) {
    entry = (async () => {
      const bytes = Uint8Array.fromBase64(encoded)
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))
      const id = digest.subarray(0, 4).toHex()
      return {
        id,
        key: await crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]),
      }
    })()
    imported.set(encoded, entry)
  }
  return entry
}
