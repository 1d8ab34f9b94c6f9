/**
 * What a portal's token may do in its application, by Svix's names. Which of them an operation needs, it
 * declares as `needs`; what they mean to people is in api/authentication/portal-access.ts.
 */
export const CAPABILITIES = [
  "ViewBase",
  "ViewEndpointSecret",
  "ManageEndpointSecret",
  "ManageTransformations",
  "CreateAttempts",
  "ManageEndpoint",
] as const

export type Capability = (typeof CAPABILITIES)[number]

/** Capabilities that come with others: what may be changed may be seen, too. */
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
