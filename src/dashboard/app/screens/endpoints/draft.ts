import type { Schemas } from "../../api/client.ts"
import { numberIn, wordsIn } from "../../ui/typed.ts"

/** An endpoint's settings as somebody fills them in. */
export interface Draft {
  url: string
  description: string
  /** Null: every type there is and will be. */
  eventTypes: readonly string[] | null
  /** Separated by commas. */
  channels: string
  /** Messages a second; empty: not limited. */
  throttleRate: string
}

export function toDraft(endpoint?: Schemas["EndpointOut"]): Draft {
  return {
    url: endpoint?.url ?? "",
    description: endpoint?.description ?? "",
    eventTypes: endpoint?.eventTypes ?? null,
    channels: endpoint?.channels?.join(", ") ?? "",
    throttleRate: String(endpoint?.throttleRate ?? ""),
  }
}

/** The settings that a draft stands for; what they may be the Worker says. Throws a Problem of a rate that is no number. */
export function fromDraft({ url, description, eventTypes, channels, throttleRate }: Draft) {
  const named = wordsIn(channels)
  return {
    url: url.trim(),
    description,
    eventTypes: eventTypes && [...eventTypes],
    channels: named.length === 0 ? null : named,
    throttleRate: throttleRate.trim() === "" ? null : numberIn(throttleRate, "throttleRate"),
  }
}
