import type { Deps } from "../../platform/deps.ts"
import { getEndpoint } from "../endpoints/endpoint.ts"
import type { Sight } from "../event-types/event-type.ts"
import { exampleOf } from "../event-types/example.ts"
import { EngineError, notFound } from "../kit/errors.ts"
import type { Remember } from "../kit/idempotency.ts"
import { archived, findType, isPing } from "./check.ts"
import type { EventWithPayload } from "./event.ts"
import { publishChecked } from "./send.ts"

/**
 * Sends one endpoint an example of an event type, whatever the endpoint subscribes to: its `own`, which need
 * not fit the type's schema, or else one made from that. Refuses with `not_found`, `conflict` (endpoint
 * disabled), `invalid` (archived, nothing to make it from) or `payload_too_large`.
 */
export async function sendExample(
  deps: Deps,
  input: {
    applicationId: string
    endpoint: string
    eventType: string
    /** A payload as JSON. */
    own?: string | undefined
    sight: Sight
    remember?: Remember<EventWithPayload> | undefined
  },
): Promise<EventWithPayload> {
  const { applicationId, eventType, sight } = input
  const endpoint = await getEndpoint(deps, applicationId, input.endpoint)
  if (endpoint.disabledAt !== null)
    throw new EngineError("conflict", "The endpoint is disabled: enable it before sending it an example")
  const example = await getExample(deps, applicationId, eventType, sight)
  const payload = input.own ?? example
  if (payload === null)
    throw new EngineError(
      "invalid",
      `Event type '${eventType}' has no schema of an object to make an example from`,
      "eventType",
    )
  return publishChecked(deps, { ...input, payload }, { endpointId: endpoint.id })
}

/**
 * An example of an event type as JSON, made from its newest schema; null if that describes no object. Refuses
 * with `not_found`, and with `invalid` if the type is archived.
 */
export async function getExample(
  deps: Deps,
  applicationId: string,
  eventType: string,
  sight: Sight,
): Promise<string | null> {
  if (isPing(deps, eventType)) return deps.wire.ping.payload
  const type = await findType(deps, applicationId, eventType, sight)
  if (!type) throw notFound(`Event type '${eventType}'`)
  if (type.archived) throw archived(eventType)
  const example = type.schema && exampleOf(type.schema)
  return typeof example === "object" && example !== null ? JSON.stringify(example) : null
}
