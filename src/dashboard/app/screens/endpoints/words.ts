import type { Schemas } from "../../api/client.ts"

const MOST_SHOWN = 2

/** What an endpoint listens to, in a few words. */
export function typesOf({ eventTypes }: Pick<Schemas["EndpointOut"], "eventTypes">): string {
  if (!eventTypes) return "All types"
  const rest = eventTypes.length - MOST_SHOWN
  return eventTypes.slice(0, MOST_SHOWN).join(", ") + (rest > 0 ? ` and ${rest} more` : "")
}

const BECAUSE: Readonly<Record<string, string>> = {
  manual: "It was disabled by hand.",
  gone: "It was disabled because it answered 410 Gone.",
  asked: "It was disabled because it asked for it, with the header `webhook-delivery: disable`.",
  failing: "It was disabled because it had only failed for too long.",
}

/** Why an endpoint is disabled, and what enabling it does. */
export function disabledBecause({ disabledReason }: Pick<Schemas["EndpointOut"], "disabledReason">): string {
  const why = BECAUSE[disabledReason ?? ""] ?? "It is disabled."
  return `${why} New messages pass it by. Once its receiver works, enable it, then recover what it has missed.`
}
