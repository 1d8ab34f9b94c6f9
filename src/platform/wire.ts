/**
 * The words in which the engine speaks to customers in its own name. The family whose API they belong to
 * declares them; the engine knows what happened, and fills it in.
 */
export interface Wire {
  operational: OperationalWire
  /** The event type that nobody has to make, for trying an endpoint, and the payload of its example. */
  ping: { eventType: string; payload: string }
}

/**
 * How operational events say what happened: the names of their types, and templates of the
 * data in their payloads.
 */
export interface OperationalWire {
  types: Readonly<Record<EndpointEventKind | DeliveryEventKind, string>>
  endpoint: Template<EndpointFact>
  disabled: Template<EndpointFact | "failingSince">
  delivery: Template<DeliveryFact>
}

export type EndpointEventKind =
  | "endpoint.created"
  | "endpoint.updated"
  | "endpoint.deleted"
  | "endpoint.disabled"
/**
 * It has failed several times and is still retried; has failed for good; or was delivered
 * after it had been failing.
 */
export type DeliveryEventKind = "delivery.failing" | "delivery.exhausted" | "delivery.recovered"

/** Times are ISO 8601 in UTC, with milliseconds. */
export type EndpointFact = "applicationId" | "applicationUid" | "endpointId" | "endpointUid"
export type DeliveryFact =
  | "applicationId"
  | "applicationUid"
  | "endpointId"
  | "eventId"
  | "eventUid"
  | "attemptId"
  | "attemptedAt"
  | "statusCode"

/**
 * A JSON object with facts in place of its values. A fact that there is not is left out together with its
 * field, unless a number stands in for it.
 */
export interface Template<Fact extends string> {
  readonly [field: string]: Fact | readonly [fact: Fact, orElse: number] | Template<Fact>
}
