import type { OperationalWire } from "../platform/wire.ts"

const ENDPOINT = {
  appId: "applicationId",
  appUid: "applicationUid",
  endpointId: "endpointId",
  endpointUid: "endpointUid",
} as const

/** Svix's operational webhooks. Their event types are in a migration of seeds. */
export const operationalEvents: OperationalWire = {
  types: {
    "endpoint.created": "endpoint.created",
    "endpoint.updated": "endpoint.updated",
    "endpoint.deleted": "endpoint.deleted",
    "endpoint.disabled": "endpoint.disabled",
    "delivery.failing": "message.attempt.failing",
    "delivery.exhausted": "message.attempt.exhausted",
    "delivery.recovered": "message.attempt.recovered",
  },
  endpoint: ENDPOINT,
  disabled: { ...ENDPOINT, failSince: "failingSince" },
  delivery: {
    appId: "applicationId",
    appUid: "applicationUid",
    endpointId: "endpointId",
    msgId: "eventId",
    msgEventId: "eventUid",
    lastAttempt: {
      id: "attemptId",
      // 0: there was no answer.
      responseStatusCode: ["statusCode", 0],
      timestamp: "attemptedAt",
    },
  },
}
