/** What the token of an application may do there, by the names that Svix has for it. */
export const CAPABILITIES = [
  "ViewBase",
  "ViewEndpointSecret",
  "ManageEndpointSecret",
  "ManageTransformations",
  "CreateAttempts",
  "ManageEndpoint",
] as const

export type Capability = (typeof CAPABILITIES)[number]

/** Whoever may change something may look at it, too. */
const INCLUDED: Partial<Record<Capability, readonly Capability[]>> = {
  ManageEndpointSecret: ["ViewEndpointSecret"],
  ManageEndpoint: ["ViewEndpointSecret", "ManageEndpointSecret"],
}

/** The capabilities that these come to, each once; null stands for all of them. */
export function allOf(named: readonly Capability[] | null): readonly Capability[] {
  if (named === null) return CAPABILITIES
  const all = new Set(named.flatMap((capability) => [capability, ...(INCLUDED[capability] ?? [])]))
  return CAPABILITIES.filter((capability) => all.has(capability))
}

/** What an operation needs that does not say it: reading needs the least, and changing something the most. */
export function usualFor(method: string): Capability {
  return method.toUpperCase() === "GET" ? "ViewBase" : "ManageEndpoint"
}
