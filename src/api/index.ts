import { receiveHere } from "../engine/inboxes/receive.ts"
import { plainDialect } from "../http/dialects/plain.ts"
import type { Family } from "../http/family.ts"
import { createRouter } from "../http/router.ts"
import { applications } from "./application/application.ts"
import { expireAll } from "./authentication/expire-all.ts"
import { portalAccess } from "./authentication/portal-access.ts"
import { session } from "./authentication/session.ts"
import { backgroundTasks } from "./background-task/background-task.ts"
import { endpointActions } from "./endpoint/actions.ts"
import { endpoints } from "./endpoint/endpoint.ts"
import { endpointHeaders } from "./endpoint/headers.ts"
import { endpointHealth } from "./endpoint/health.ts"
import { endpointHistory } from "./endpoint/history.ts"
import { endpointSecrets } from "./endpoint/secrets.ts"
import { eventTypes } from "./event-type/event-type.ts"
import { cachedHealth } from "./health/cached.ts"
import { inboxes } from "./inbox/inbox.ts"
import { receiver } from "./inbox/receive.ts"
import { messages } from "./message/message.ts"
import { progress } from "./message/progress.ts"
import { verdicts } from "./message/verdicts.ts"
import { attempts } from "./message-attempt/attempts.ts"
import { deliveries } from "./message-attempt/deliveries.ts"
import { exchanges } from "./message-attempt/exchange.ts"
import { operationalEvents } from "./operational-events.ts"
import { activity } from "./overview/activity.ts"
import { createAttention } from "./overview/attention.ts"
import { dialect } from "./problems.ts"
import { shards } from "./shard/shard.ts"

const parts = [
  applications,
  eventTypes,
  endpoints,
  endpointHeaders,
  endpointSecrets,
  endpointActions,
  endpointHistory,
  endpointHealth,
  messages,
  verdicts,
  progress,
  deliveries,
  attempts,
  exchanges,
  inboxes,
  backgroundTasks,
  shards,
  activity,
]

/** The management API, at Svix's paths and in Svix's shapes. */
export const management: Family = {
  receives: receiveHere,
  wire: {
    operational: operationalEvents,
    ping: { eventType: "svix.ping", payload: JSON.stringify({ success: true }) },
  },
  parts: () => [
    {
      router: createRouter(...parts, createAttention(cachedHealth()), portalAccess, expireAll, session),
      dialect,
    },
    // A part of its own: what lies beside it is nobody's, and said in nobody's shape.
    { router: receiver, dialect: plainDialect },
  ],
  tags: [
    { name: "Application", description: "Management: owners of endpoints and messages" },
    { name: "Event Type", description: "Management: the kinds of event that applications share" },
    { name: "Endpoint", description: "Management: receivers, their secrets, headers and health" },
    { name: "Message", description: "Management: what is sent" },
    { name: "Message Attempt", description: "Management: what became of it, and sending it again" },
    { name: "Background Task", description: "Management: long work, how far it is, and ending it" },
    { name: "Authentication", description: "Management: tokens that reach one application" },
    { name: "Overview", description: "Management: all applications at once" },
    { name: "Inbox", description: "Management: receivers to try deliveries with, kept for a day" },
  ],
}
