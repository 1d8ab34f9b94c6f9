import { type SQL, sql } from "drizzle-orm"

import type { Row } from "../../db/client.ts"
import type { Health } from "../rules/endpoint-health.ts"
import type { Rate } from "../rules/rate.ts"
import type { AttemptedEndpoint, AttemptedEvent } from "./attempt.ts"

/** From this many claims without a result on, an event or what is due at an endpoint is handled alone. */
export const SUSPECT_CLAIMS = 3
/** After this many it ends as failed with the reason `internal`. */
export const MAX_CLAIMS = 8

/** One event owed to one endpoint, as a claim read it. */
export interface ClaimedDelivery {
  event: AttemptedEvent
  endpoint: ClaimedEndpoint
  /** Attempts made before. */
  attempts: number
  /** Claims of this delivery alone that ended without a result. */
  claims: number
  /** Whether its application has a rate. */
  isRated?: boolean
  /** The last moment (epoch ms) at which its attempt may start. */
  startBy: number
}

export interface ClaimedEndpoint extends AttemptedEndpoint {
  health: Health
  /** Its own; null: none. */
  rate: Rate | null
  /** Guards what is written about the endpoint's health: enabling it or giving it a new URL starts afresh. */
  enabledAt: number
}

/** The columns of the endpoint `e` that `readEndpoint` takes. */
export function endpointColumns(now: number): SQL {
  return sql`
    e.id AS endpoint_id, e.url, e.headers, e.throttle_rate, e.throttled_until, e.enabled_at, e.proven_at, e.failing_since, e.slow_ms, e.paused_until, e.gone_at,
    (SELECT json_group_array(sealed) FROM (
      SELECT s.sealed FROM secrets s
      WHERE s.endpoint_id = e.id AND (s.expires_at IS NULL OR s.expires_at > ${now})
      ORDER BY s.id DESC
    )) AS secrets`
}

export function readEndpoint(row: Row): ClaimedEndpoint {
  return {
    id: row.endpoint_id as string,
    url: row.url as string,
    headers: row.headers as string | null,
    secrets: JSON.parse(row.secrets as string) as string[],
    rate: readRate(row.throttle_rate, row.throttled_until),
    enabledAt: row.enabled_at as number,
    health: {
      provenAt: row.proven_at as number | null,
      failingSince: row.failing_since as number | null,
      slowMs: row.slow_ms as number | null,
      pausedUntil: row.paused_until as number | null,
      goneAt: row.gone_at as number | null,
    },
  }
}

/** A rate from the columns `throttle_rate` and `throttled_until`; null: none. */
export function readRate(perSecond: unknown, usedUntil: unknown): Rate | null {
  return perSecond === null ? null : { perSecond: perSecond as number, usedUntil: usedUntil as number | null }
}

/** The columns of the event `v` that `readEvent` takes. */
export const eventColumns = sql`v.id, v.application_id, v.payload, v.content_type`

export function readEvent(row: Row): AttemptedEvent {
  return {
    id: row.id as string,
    applicationId: row.application_id as string,
    payload: row.payload as string | null,
    contentType: row.content_type as string | null,
  }
}
