/** What a receiver can ask for beside its answer. */
export type DeliveryControl = "disable" | "abort-message"

/**
 * Reads a `webhook-delivery` response header (https://docs.svix.com/receiving/delivery-control): no more of
 * this endpoint's deliveries at all, or no more attempts of this one. Null for anything else; of several
 * the larger wish counts.
 */
export function parseDeliveryControl(header: string | null): DeliveryControl | null {
  const wishes = (header ?? "").split(",").map((wish) => wish.trim().toLowerCase())
  if (wishes.includes("disable")) return "disable"
  return wishes.includes("abort-message") ? "abort-message" : null
}
