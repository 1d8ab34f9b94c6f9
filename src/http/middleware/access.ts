import type { Context, MiddlewareHandler } from "hono"
import { createMiddleware } from "hono/factory"
import { matchedRoutes } from "hono/route"
import { findTokenOwner } from "../../engine/applications/tokens.ts"
import type { Sight } from "../../engine/event-types/event-type.ts"
import { isLoopbackHost, OWN_RECEIVER } from "../../engine/rules/target-url.ts"
import type { Capability } from "../capabilities.ts"
import { Problem } from "../problem.ts"
import type { AppEnv } from "../router.ts"
import { isApplicationToken, type PortalToken, readToken } from "../tokens.ts"

/**
 * Who may call a route: whoever runs this system (`operator`); the token of an application as well, for what is
 * its own (`application`); or `anybody`, without a token. A route that says nothing is the operator's.
 */
export type Access = "operator" | "application" | "anybody"

interface Rule {
  who: Access
  needs: Capability
}

const markers = new WeakMap<object, Rule>()
const UNSAID: Rule = { who: "operator", needs: "ManageEndpoint" }

/**
 * The middleware by which a route says who may call it, and which capability an application's token needs for it; it
 * does nothing else.
 */
export function access(who: Access, needs = UNSAID.needs): MiddlewareHandler<AppEnv> {
  const marker: MiddlewareHandler<AppEnv> = (_c, next) => next()
  markers.set(marker, { who, needs })
  return marker
}

/** Who may call the route that the request has come to. */
function accessOf(c: Context<AppEnv>): Rule {
  const said = matchedRoutes(c).map(({ handler }) => markers.get(handler))
  return said.find((rule) => rule !== undefined) ?? UNSAID
}

/**
 * Refuses a delivery of our own that came back to us: an endpoint that points here would loop for ever. A test inbox takes
 * it, for it sends nothing on.
 */
export const refuseLoops = createMiddleware<AppEnv>(async (c, next) => {
  const isDelivery = c.req.header("webhook-id") !== undefined
  const isOurs = c.req.header("user-agent")?.startsWith("Posthorn/") ?? false
  if (isDelivery && isOurs && !OWN_RECEIVER.test(c.req.path)) {
    throw new Problem(
      508,
      "loop_detected",
      "This is a delivery of Posthorn itself: an endpoint must not point back here",
    )
  }
  await next()
})

/** Set by the door of `npm start` alone (scripts/dev-server/front-door.mjs), which lets no client's value through. */
const OPEN_SECRET_HEADER = "posthorn-open-secret"

/**
 * Open mode has no token, so nobody but this machine may reach it: the Host must be loopback (a DNS name bound
 * to 127.0.0.1 by a stranger is not), and no web page of another origin may use a developer's browser. What the
 * Host was is certain only behind the door of `npm start`, for wrangler dev lets whoever asks choose it.
 */
export const guardOpenMode = createMiddleware<AppEnv>(async (c, next) => {
  const { authMode, openSecret } = c.var.deps.config
  if (authMode === "open") {
    const given = c.req.header(OPEN_SECRET_HEADER) ?? ""
    if (openSecret !== null && !(await isAmong(given, [openSecret]))) {
      throw new Problem(
        421,
        "misdirected",
        "Open mode answers at the address that `npm start` shows, no other",
      )
    }
    if (!isLoopbackHost(new URL(c.req.url).hostname)) {
      throw new Problem(
        421,
        "misdirected",
        "Open mode answers on localhost alone; set AUTH_MODE=token and API_TOKEN to be reached by others",
      )
    }
    if (c.req.header("sec-fetch-site") === "cross-site" || !isLoopbackOrigin(c.req.header("origin"))) {
      throw new Problem(403, "cross_site", "Open mode takes no requests from pages of other origins")
    }
  }
  await next()
})

/** True for no Origin at all, and for one on this machine. */
export function isLoopbackOrigin(origin: string | undefined): boolean {
  if (origin === undefined) return true
  const url = URL.parse(origin)
  return url !== null && isLoopbackHost(url.hostname)
}

/** Who asks: whoever runs this system, or an application with a token of its own. */
export type Principal = { kind: "operator" } | { kind: "application"; token: PortalToken }

/** A type behind a feature flag is there for the operator, and for tokens that have the flag. */
export function sightOf(principal: Principal): Sight {
  return principal.kind === "operator" ? {} : { flags: principal.token.featureFlags }
}

/** Whether it may do this: the operator may do everything. */
export function holds(principal: Principal, capability: Capability): boolean {
  return principal.kind === "operator" || principal.token.capabilities.includes(capability)
}

/** Refuses what asks for more than its route does. */
export function requireCapability(principal: Principal, capability: Capability): void {
  if (!holds(principal, capability)) throw lacks(capability)
}

/** Names the principal where its requests must not be mistaken for another's. */
export function principalKey(principal: Principal): string {
  return principal.kind === "operator" ? "operator" : principal.token.applicationId
}

/**
 * Lets in who may call the route: everybody where it says so, the operator with one of the API tokens, an
 * application's token where the route takes it and the token has the capability. Open mode asks for no token, but whoever sends an application's is
 * held to it.
 */
export const requireToken = createMiddleware<AppEnv>(async (c, next) => {
  const { deps } = c.var
  const { authMode, apiTokens } = deps.config
  c.set("principal", { kind: "operator" })
  const { who, needs } = accessOf(c)
  if (c.req.method === "OPTIONS" || who === "anybody") return next()
  const given = /^Bearer +(\S+) *$/i.exec(c.req.header("authorization") ?? "")?.[1]
  if (given !== undefined && isApplicationToken(given)) {
    const token = await readToken(deps, given)
    if (!token || !(await findTokenOwner(deps, token))) {
      throw unauthorized("The token is wrong, expired or ended")
    }
    if (who !== "application") throw outOfReach()
    c.set("principal", { kind: "application", token })
    if (!holds(c.var.principal, needs)) throw lacks(needs)
    return next()
  }
  if (authMode === "open") return next()
  if (apiTokens.length === 0) {
    throw new Problem(
      503,
      "not_configured",
      "No API token is set yet: run `npx wrangler secret put API_TOKEN`, or `npm run deploy`, which makes one",
    )
  }
  if (given === undefined || !(await isAmong(given, apiTokens))) {
    throw unauthorized("Send `Authorization: Bearer <API_TOKEN>`")
  }
  await next()
})

/** Said of whatever an application's token does not reach, whether it exists or not. */
export function outOfReach(): Problem {
  return new Problem(403, "authorization", "The token of an application reaches that application alone")
}

function lacks(capability: Capability): Problem {
  return new Problem(403, "authorization", `This needs a token with the capability ${capability}`)
}

function unauthorized(detail: string): Problem {
  return new Problem(401, "unauthorized", detail, {
    headers: { "www-authenticate": 'Bearer realm="Posthorn"' },
  })
}

/** Compares digests, and all of them, so that the time taken tells nothing about a token. */
async function isAmong(given: string, tokens: readonly string[]): Promise<boolean> {
  const digest = await sha256(given)
  let found = false
  for (const token of tokens) {
    if (crypto.subtle.timingSafeEqual(digest, await sha256(token))) found = true
  }
  return found
}

function sha256(text: string): Promise<ArrayBuffer> {
  return crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))
}
