import { createRouter } from "../http/router.ts"
import { applications } from "./application/application.ts"
import { authentication } from "./authentication/authentication.ts"
import { endpointActions } from "./endpoint/actions.ts"
import { endpoints } from "./endpoint/endpoint.ts"
import { endpointHeaders } from "./endpoint/headers.ts"
import { endpointSecrets } from "./endpoint/secrets.ts"
import { eventTypes } from "./event-type/event-type.ts"
import { createHealth } from "./health/health.ts"
import { messages } from "./message/message.ts"
import { attempts } from "./message-attempt/attempts.ts"
import { deliveries } from "./message-attempt/deliveries.ts"
import { dialect } from "./problems.ts"

const parts = [
  applications,
  eventTypes,
  endpoints,
  endpointHeaders,
  endpointSecrets,
  endpointActions,
  messages,
  deliveries,
  attempts,
  authentication,
]

/** The management API, at Svix's paths and in Svix's shapes. */
export function createApi() {
  const router = createRouter()
  for (const part of [...parts, createHealth()]) router.route("/", part)
  return { router, paths: /^\/api\/v1(\/|$)/, dialect }
}
