import { sql } from "drizzle-orm"

import { fromUuid, newId } from "../../../db/ids.ts"
import { createEndpoint } from "../../../engine/endpoints/create.ts"
import type { Deps } from "../../../platform/deps.ts"
import { APPLICATION } from "./uploads.ts"

export interface NewRegistration {
  eventType: string
  userId: number
  url: string
  customHeaders: Readonly<Record<string, string>>
  /** A JSON object, as its text was sent. */
  customPayload: string | null
  ownOrigin: string
}

/** Registers a URL as an endpoint of its own; refuses like `createEndpoint`. */
export async function createRegistration(deps: Deps, registration: NewRegistration) {
  const { userId, url, ownOrigin, customPayload } = registration
  const createdAt = deps.clock.now()
  const endpointId = newId("endpoint", createdAt)
  const { secret } = await createEndpoint(deps, {
    applicationId: APPLICATION,
    endpointId,
    url,
    keepSpelling: true,
    headers: registration.customHeaders,
    ownContentType: true,
    eventTypes: [registration.eventType],
    ownOrigin,
    statements: [
      sql`
        INSERT INTO upload_registrations (endpoint_id, user_id, custom_payload, created_at, updated_at)
        SELECT id, ${userId}, ${customPayload}, ${createdAt}, ${createdAt} FROM endpoints WHERE id = ${endpointId}
        ON CONFLICT DO NOTHING`,
    ],
  })
  return { endpointId, secret, createdAt }
}

/** The endpoint of a webhook id as C shows it; null when there is none, or when it was removed. */
export async function findEndpoint(deps: Deps, webhookId: string): Promise<string | null> {
  const endpointId = fromUuid("endpoint", webhookId)
  if (endpointId === null) return null
  const found = await deps.shardOf(APPLICATION).read(sql`
    SELECT 1 FROM upload_registrations r JOIN endpoints e ON e.id = r.endpoint_id
    WHERE r.endpoint_id = ${endpointId} AND e.removed_at IS NULL`)
  return found.length === 0 ? null : endpointId
}
