/** What decides about an event's receivers; times are epoch milliseconds. */
export interface MatchedEvent {
  createdAt: number
  /** The one endpoint that it is owed to; null: to every endpoint that is interested. */
  endpointId: string | null
  channels: readonly string[] | null
}

/** What an endpoint of the event's application says of the events that it wants. */
export interface MatchedEndpoint {
  id: string
  createdAt: number
  removedAt: number | null
  disabledAt: number | null
  /** Since when it has had a subscription for the event's type; null: it has none. */
  subscribedAt: number | null
  /** Since when it has taken every type; null: it takes what it has subscriptions for. */
  allEventTypesSince: number | null
  /** Null: whatever channel an event is on, or none. */
  channels: readonly string[] | null
}

/** Why an endpoint does not get an event. */
export type Mismatch =
  | "removed"
  | "directed-elsewhere"
  | "created-later"
  | "not-subscribed"
  | "subscribed-later"
  | "channel-mismatch"
  | "disabled"

/**
 * Decides whether an endpoint, as it is now, gets an event: null, or the first reason why not. What the
 * endpoint is comes first, then what it asks for, then whether it is enabled; a directed event asks for none
 * of its filters. The dispatch decides the same in SQL, by index (`candidates` and `isInterested` in
 * pipeline/interest.ts); what no index can answer belongs here alone.
 */
export function match(event: MatchedEvent, endpoint: MatchedEndpoint): Mismatch | null {
  if (endpoint.removedAt !== null) return "removed"
  const filtered = event.endpointId === null ? filter(event, endpoint) : direct(event, endpoint)
  return filtered ?? (endpoint.disabledAt === null ? null : "disabled")
}

function direct(event: MatchedEvent, endpoint: MatchedEndpoint): Mismatch | null {
  return event.endpointId === endpoint.id ? null : "directed-elsewhere"
}

function filter(event: MatchedEvent, endpoint: MatchedEndpoint): Mismatch | null {
  const since = interestedSince(endpoint)
  if (since === null) return "not-subscribed"
  if (since > event.createdAt) {
    return endpoint.createdAt > event.createdAt ? "created-later" : "subscribed-later"
  }
  return sharesChannel(event.channels, endpoint.channels) ? null : "channel-mismatch"
}

/**
 * Since when an endpoint has asked for events of the type: by a subscription or by taking
 * all; null: it does not.
 */
export function interestedSince({
  subscribedAt,
  allEventTypesSince,
}: Pick<MatchedEndpoint, "subscribedAt" | "allEventTypesSince">): number | null {
  if (subscribedAt === null || allEventTypesSince === null) return subscribedAt ?? allEventTypesSince
  return Math.min(subscribedAt, allEventTypesSince)
}

function sharesChannel(event: readonly string[] | null, endpoint: readonly string[] | null): boolean {
  return endpoint === null || endpoint.some((channel) => event?.includes(channel) ?? false)
}

/**
 * Why an endpoint has no delivery of an event that is kept. `changed-since`: it would get the event today, so
 * something was different when the event was dispatched. `undispatched`: its delivery is still to be made.
 * `internal`: dispatching was given up.
 */
export type Absence = Mismatch | "changed-since" | "undispatched" | "internal"

/** What became of dispatching an event. */
export interface Dispatched {
  dispatchedAt: number | null
  failure: "internal" | null
}

/**
 * Explains why an event has made no delivery for an endpoint, by what the endpoint is now: one that was
 * disabled after the event had been dispatched has missed it for another reason, which is not known any more.
 */
export function explainAbsence(event: MatchedEvent & Dispatched, endpoint: MatchedEndpoint): Absence {
  const mismatch = match(event, endpoint)
  const { dispatchedAt } = event
  const wasEnabled =
    mismatch === "disabled" && dispatchedAt !== null && (endpoint.disabledAt ?? 0) > dispatchedAt
  if (mismatch !== null && !wasEnabled) return mismatch
  if (dispatchedAt === null) return "undispatched"
  return event.failure ?? "changed-since"
}
