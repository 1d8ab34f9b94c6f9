import { decodeSecret } from "./secret.ts"
import { importEd25519 } from "./signature.ts"

/**
 * A secret as people give it, in full: `whsec_` may be missing, and of an Ed25519 key its public half. Null
 * if it is malformed, or if the halves of a key do not belong together.
 */
export async function completeSecret(given: string): Promise<string | null> {
  const secret = /^wh[a-z]*_/.test(given) ? given : `whsec_${given}`
  const key = decodeSecret(secret)
  if (key === null || key.kind === "v1") return key && secret
  const publicKey = await publicKeyOfSeed(key.seed)
  if (key.publicKey !== null && key.publicKey.toBase64() !== publicKey.toBase64()) return null
  return `whsk_${Uint8Array.from([...key.seed, ...publicKey]).toBase64()}`
}

async function publicKeyOfSeed(seed: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  const exported = await crypto.subtle.exportKey("jwk", await importEd25519(seed, true))
  if (exported instanceof ArrayBuffer || exported.x === undefined) throw new TypeError("no public key")
  return Uint8Array.fromBase64(exported.x, { alphabet: "base64url" })
}
