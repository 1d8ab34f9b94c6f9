import { createRouter } from "../http/router.ts"
import { applications } from "./applications.ts"
import { attempts } from "./attempts.ts"
import { authentication } from "./authentication.ts"
import { deliveries } from "./deliveries.ts"
import { endpointActions } from "./endpoint-actions.ts"
import { endpointHeaders } from "./endpoint-headers.ts"
import { endpointSecrets } from "./endpoint-secrets.ts"
import { endpoints } from "./endpoints.ts"
import { eventTypes } from "./event-types.ts"
import { createHealth } from "./health.ts"
import { messages } from "./messages.ts"
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
