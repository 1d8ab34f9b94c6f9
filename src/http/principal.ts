import type { Sight } from "../engine/event-types/event-type.ts"
import type { Capability } from "./capabilities.ts"
import { Problem } from "./problem.ts"
import type { PortalToken } from "./tokens.ts"

/** Who asks: the one who runs this system, or an application with a token of its own. */
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
  if (holds(principal, capability)) return
  throw new Problem(403, "authorization", `This needs a token with the capability ${capability}`)
}

/** Names the principal where its requests must not be mistaken for another's. */
export function principalKey(principal: Principal): string {
  return principal.kind === "operator" ? "operator" : principal.token.applicationId
}
