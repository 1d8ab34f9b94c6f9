import { newId } from "../../db/ids.ts"
import type { attempts } from "../../db/schema/deliveries.ts"
import type { Deps } from "../../platform/deps.ts"
import type { AttemptObserved } from "../../platform/observations.ts"
import { type Farewell, farewellOf, judge, type Outcome } from "../rules/outcome.ts"
import { type Answer, send } from "./send.ts"

export type Trigger = (typeof attempts.$inferSelect)["trigger"]

/** What an attempt needs to know of its event. */
export interface AttemptedEvent {
  id: string
  applicationId: string
  /** Null once expunged: then there is nothing to send. */
  payload: string | null
  /** What the payload is; null: JSON. */
  contentType?: string | null
}

/** What an attempt needs to know of its endpoint; headers and secrets are sealed, newest secret first. */
export interface AttemptedEndpoint {
  id: string
  url: string
  headers: string | null
  secrets: readonly string[]
}

export interface Attempt extends Omit<Answer, "control"> {
  id: string
  eventId: string
  endpointId: string
  applicationId: string
  trigger: Trigger
  url: string
  outcome: Outcome
  /** Whether the receiver wants no more deliveries at all, and how it said so. */
  farewell: Farewell | null
  durationMs: number
  /** When it started, epoch ms. */
  at: number
}

/**
 * When an attempt was over, epoch ms: what follows from it counts from here, not from the end of its batch.
 */
export function endOf({ at, durationMs }: { at: number; durationMs: number }): number {
  return at + durationMs
}

/**
 * Makes one HTTP request for a delivery and judges what came of it. Never throws: whatever goes wrong is an
 * attempt with an error class. Records nothing.
 */
export async function attempt(
  deps: Deps,
  event: AttemptedEvent,
  endpoint: AttemptedEndpoint,
  trigger: Trigger,
  timeoutMs = deps.config.attemptTimeoutMs,
): Promise<Attempt> {
  const at = deps.clock.now()
  const { control, ...answer } = await send(deps, {
    eventId: event.id,
    payload: event.payload,
    contentType: event.contentType ?? null,
    endpointId: endpoint.id,
    url: endpoint.url,
    headers: endpoint.headers,
    secrets: endpoint.secrets,
    at,
    timeoutMs,
    isPing: trigger === "ping",
  })
  return {
    id: newId("attempt", at),
    eventId: event.id,
    endpointId: endpoint.id,
    applicationId: event.applicationId,
    trigger,
    url: endpoint.url,
    ...answer,
    outcome: judge({ ...answer, control }),
    farewell: farewellOf({ ...answer, control }),
    durationMs: deps.clock.now() - at,
    at,
  }
}

/** Attempts as they are observed: neither where they went nor what was answered. */
export function observed(attempts: Iterable<Attempt>): AttemptObserved[] {
  return Array.from(attempts, (made) => ({
    attemptId: made.id,
    eventId: made.eventId,
    endpointId: made.endpointId,
    applicationId: made.applicationId,
    status: made.statusCode,
    error: made.error,
    outcome: made.outcome,
    durationMs: made.durationMs,
  }))
}
