import { EngineError } from "../kit/errors.ts"
import { completeSecret } from "../rules/complete-secret.ts"
import { generateSecret, SECRET_BYTES } from "../rules/secret.ts"

/** The secret that was given, in full; a new one for null. Refuses with `invalid`. */
export async function secretOrNew(given: string | null, field: string): Promise<string> {
  if (given === null) return generateSecret(crypto.getRandomValues(new Uint8Array(SECRET_BYTES)))
  const secret = await completeSecret(given)
  if (secret !== null) return secret
  throw new EngineError(
    "invalid",
    "must be base64 of 24 to 64 bytes, with or without whsec_ in front, or an Ed25519 key behind whsk_",
    field,
  )
}
