import type { Context, MiddlewareHandler } from "hono"
import { createMiddleware } from "hono/factory"
import { matchedRoutes } from "hono/route"
import { findTokenOwner } from "../../engine/applications/tokens.ts"
import type { Config } from "../../platform/config.ts"
import type { Deps } from "../../platform/deps.ts"
import type { Capability } from "../capabilities.ts"
import { isAmong } from "../constant-time.ts"
import { type Principal, requireCapability } from "../principal.ts"
import { Problem } from "../problem.ts"
import type { AppEnv } from "../router.ts"
import { isApplicationToken, readToken } from "../tokens.ts"

/**
 * Who may call a route: the one who runs this system (`operator`); the token of an application as
 * well, for what is its own (`application`); or `anybody`, without a token. A route that says
 * nothing is the operator's.
 */
export type Access = "operator" | "application" | "anybody"

interface Rule {
  who: Access
  needs: Capability
}

const markers = new WeakMap<object, Rule>()
const UNSAID: Rule = { who: "operator", needs: "ManageEndpoint" }

/**
 * The middleware by which a route says who may call it, and which capability an application's token needs for
 * it; it does nothing else.
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
 * Lets in who may call the route: everybody where it says so, the operator with one of the API tokens, an
 * application's token where the route takes it and the token has the capability. Open mode asks for no token,
 * but an application's token, if one is sent, limits what its bearer may do.
 */
export const requireToken = createMiddleware<AppEnv>(async (c, next) => {
  const rule = accessOf(c)
  const isOpen = c.req.method === "OPTIONS" || rule.who === "anybody"
  c.set("principal", isOpen ? { kind: "operator" } : await principalOf(c, rule))
  await next()
})

async function principalOf(c: Context<AppEnv>, rule: Rule): Promise<Principal> {
  const { deps } = c.var
  const given = /^Bearer +(\S+) *$/i.exec(c.req.header("authorization") ?? "")?.[1]
  if (given !== undefined && isApplicationToken(given)) return applicationOf(deps, given, rule)
  if (deps.config.authMode === "token") await requireApiToken(deps.config, given)
  return { kind: "operator" }
}

async function applicationOf(deps: Deps, given: string, { who, needs }: Rule): Promise<Principal> {
  const token = await readToken(deps, given)
  if (!token || !(await findTokenOwner(deps, token))) {
    throw unauthorized("The token is wrong, expired or ended")
  }
  if (who !== "application") throw outOfReach()
  const principal = { kind: "application", token } as const
  requireCapability(principal, needs)
  return principal
}

async function requireApiToken({ apiTokens }: Config, given: string | undefined): Promise<void> {
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
}

/** Said of whatever an application's token does not reach, whether it exists or not. */
export function outOfReach(): Problem {
  return new Problem(403, "authorization", "The token of an application reaches that application alone")
}

function unauthorized(detail: string): Problem {
  return new Problem(401, "unauthorized", detail, {
    headers: { "www-authenticate": 'Bearer realm="Posthorn"' },
  })
}
