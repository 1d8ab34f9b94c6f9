import { sign, verify } from "hono/jwt"
import { newId } from "../db/ids.ts"
import type { ApplicationToken } from "../engine/applications/tokens.ts"
import type { Config } from "../platform/config.ts"
import type { Deps } from "../platform/deps.ts"
import { allOf, type Capability } from "./capabilities.ts"

/** What an application's token begins with: nothing else is ever taken for one. */
const PREFIX = "appsk_"
const ALGORITHM = "HS256"
const ISSUER = "posthorn"
/** The key of open mode without secrets: everybody there may do everything without a token anyway. */
const OPEN_MODE_KEY = "open mode has no secrets"

/** A token with what it lets its bearer do and see. */
export interface PortalToken extends ApplicationToken {
  /** Those that others include, too. */
  capabilities: readonly Capability[]
  /** Event types behind these are shown to it. */
  featureFlags: readonly string[]
}

/** What a new token is asked for; the capabilities null: all there are. */
export interface Grant extends Pick<PortalToken, "sessionId" | "featureFlags"> {
  capabilities: readonly Capability[] | null
  lifetimeMs: number
}

export function isApplicationToken(text: string): boolean {
  return text.startsWith(PREFIX)
}

/** A new token, signed, that reaches this application alone, and for this long. */
export async function issueToken(
  deps: Deps,
  applicationId: string,
  { capabilities, featureFlags, sessionId, lifetimeMs }: Grant,
): Promise<string> {
  const now = deps.clock.now()
  const claims = {
    iss: ISSUER,
    sub: applicationId,
    jti: newId("token", now),
    // To the millisecond, as RFC 7519 allows it: it is held against the time at which all tokens were ended.
    iat: now / 1000,
    exp: Math.floor((now + lifetimeMs) / 1000),
    ...(sessionId === null ? {} : { sid: sessionId }),
    ...(capabilities === null ? {} : { caps: capabilities }),
    ...(featureFlags.length === 0 ? {} : { flags: featureFlags }),
  }
  const [material = OPEN_MODE_KEY] = keyMaterials(deps.config)
  return PREFIX + (await sign(claims, await signingKey(material), ALGORITHM))
}

/**
 * What a token says, if it is one of ours and its time is not over; whether it was ended, the engine knows.
 */
export async function readToken(deps: Deps, text: string): Promise<PortalToken | null> {
  for (const material of keyMaterials(deps.config)) {
    // Its times are checked below, by our own clock.
    const options = { alg: ALGORITHM, iss: ISSUER, exp: false, iat: false, nbf: false } as const
    const claims = await verify(text.slice(PREFIX.length), await signingKey(material), options).catch(
      () => null,
    )
    if (claims === null) continue
    const token = tokenOf(claims as unknown as Claims)
    return token.expiresAt > deps.clock.now() ? token : null
  }
  return null
}

/** What we have signed; times in seconds. */
interface Claims {
  sub: string
  jti: string
  iat: number
  exp: number
  sid?: string
  caps?: Capability[]
  flags?: string[]
}

function tokenOf({ sub, jti, iat, exp, sid, caps, flags = [] }: Claims): PortalToken {
  return {
    id: jti,
    applicationId: sub,
    sessionId: sid ?? null,
    issuedAt: Math.round(iat * 1000),
    expiresAt: exp * 1000,
    capabilities: allOf(caps ?? null),
    featureFlags: flags,
  }
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
