import { sign, verify } from "hono/jwt"
import { newId } from "../db/ids.ts"
import type { ApplicationToken } from "../engine/applications/tokens.ts"
import type { Config } from "../platform/config.ts"
import type { Deps } from "../platform/deps.ts"

/** What an application's token begins with: nothing else is ever taken for one. */
const PREFIX = "appsk_"
const ALGORITHM = "HS256"
const ISSUER = "posthorn"
/** Open mode without secrets: whoever is let in there may do everything without a token anyway. */
const OPEN_MODE_KEY = "open mode has no secrets"

export function isApplicationToken(text: string): boolean {
  return text.startsWith(PREFIX)
}

/** A new token, signed, that reaches this application alone, and for this long. */
export async function issueToken(
  deps: Deps,
  applicationId: string,
  { featureFlags, lifetimeMs }: { featureFlags: readonly string[]; lifetimeMs: number },
): Promise<string> {
  const now = deps.clock.now()
  const claims = {
    iss: ISSUER,
    sub: applicationId,
    jti: newId("token", now),
    iat: Math.floor(now / 1000),
    exp: Math.floor((now + lifetimeMs) / 1000),
    ...(featureFlags.length === 0 ? {} : { flags: featureFlags }),
  }
  const [material = OPEN_MODE_KEY] = keyMaterials(deps.config)
  return PREFIX + (await sign(claims, await signingKey(material), ALGORITHM))
}

/** What a token says, if it is one of ours and its time is not over; whether it was revoked, the engine knows. */
export async function readToken(deps: Deps, text: string): Promise<ApplicationToken | null> {
  for (const material of keyMaterials(deps.config)) {
    // Its times are checked below, by our own clock.
    const options = { alg: ALGORITHM, iss: ISSUER, exp: false, iat: false, nbf: false } as const
    const claims = await verify(text.slice(PREFIX.length), await signingKey(material), options).catch(
      () => null,
    )
    const { sub, jti, exp, flags = [] } = claims ?? {}
    if (typeof sub !== "string" || typeof jti !== "string" || typeof exp !== "number") continue
    const expiresAt = exp * 1000
    if (expiresAt <= deps.clock.now()) return null
    return { id: jti, applicationId: sub, featureFlags: flags as string[], expiresAt }
  }
  return null
}

/** The first signs, all of them verify, so that a key can be rotated. */
function keyMaterials(config: Config): readonly string[] {
  if (config.encryptionKeys.length > 0) return config.encryptionKeys
  if (config.apiTokens.length > 0) return config.apiTokens
  return config.authMode === "open" ? [OPEN_MODE_KEY] : []
}

async function signingKey(material: string): Promise<CryptoKey> {
  const secret = await crypto.subtle.importKey("raw", new TextEncoder().encode(material), "HKDF", false, [
    "deriveKey",
  ])
  return crypto.subtle.deriveKey(
    {
      name: "HKDF",
      hash: "SHA-256",
      salt: new Uint8Array(),
      info: new TextEncoder().encode("posthorn/application-token/v1"),
    },
    secret,
    { name: "HMAC", hash: "SHA-256", length: 256 },
    false,
    ["sign", "verify"],
  )
}
