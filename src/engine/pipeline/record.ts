import type { Db, Row } from "../../db/client.ts"
import { newId } from "../../db/ids.ts"
import { inChunks } from "../../db/json.ts"
import type { Deps } from "../../platform/deps.ts"
import { nudgeOperations } from "../events/operational.ts"
import type { ClaimedDelivery } from "./claim.ts"
import { readDue } from "./due.ts"
import {
  type EndpointUpdate,
  goneEndpoints,
  type HealthChange,
  healthChanges,
  updateEndpoints,
} from "./endpoint-health.ts"
import type { Held } from "./held.ts"
import type { EventKey } from "./jobs.ts"
import { operationalEvents } from "./operational.ts"
import { giveBack, isOfFirsts, markDispatched, recordFirst, recordLater } from "./record-statements.ts"
import { type DeliveryResult, type DeliveryState, stateAfter } from "./state.ts"

export interface Recorded {
  held: Held
  results: readonly DeliveryResult[]
  /** Requests of a ping that were claimed, but not started: as if never claimed. */
  untouched?: readonly ClaimedDelivery[]
  /** Events whose every delivery is among `results` or recorded before. */
  dispatched?: readonly EventKey[]
  /** Endpoints whose lease ends with this batch. */
  released?: readonly string[]
  /** Until when what was sent uses up the rates of endpoints, by id. */
  throttled?: ReadonlyMap<string, number>
  /** Those of them where something suspect was left for later: their claims stay counted. */
  suspect?: readonly string[]
}

/**
 * Writes everything that happened in one batch: attempts always, state only while the work is still held.
 * What was sent must not be forgotten, so the batch is repeated, and then taken apart delivery by delivery:
 * one bad row cannot take its neighbours along. Never throws: what stays unrecorded is logged, and found when
 * its lease runs out. Answers when the endpoints concerned are next due (epoch ms), null: never.
 */
export async function record(deps: Deps, db: Db, recorded: Recorded): Promise<number | null> {
  const consequences = await consequencesOf(deps, db, recorded.results)
  try {
    return await recordTogether(deps, db, recorded, consequences)
  } catch (error) {
    deps.observe({
      unit: "fault",
      during: "record",
      deliveries: recorded.results.length,
      error: String(error),
    })
    return recordOneByOne(deps, db, recorded, consequences)
  }
}

/** What follows from what happened. Made once: a repeated batch must book the same times. */
interface Consequences {
  states: ReadonlyMap<DeliveryResult, DeliveryState>
  gone: ReadonlySet<string>
}

async function consequencesOf(deps: Deps, db: Db, results: readonly DeliveryResult[]): Promise<Consequences> {
  const gone = await goneEndpoints(db, results).catch((error): ReadonlySet<string> => {
    // Who is really gone says so again.
    deps.observe({ unit: "fault", during: "record", deliveries: results.length, error: String(error) })
    return new Set()
  })
  const states = new Map(
    results.map((one) => [one, stateAfter(deps, one, gone.has(one.delivery.endpoint.id))]),
  )
  return { states, gone }
}

async function recordTogether(
  deps: Deps,
  db: Db,
  recorded: Recorded,
  { states, gone }: Consequences,
): Promise<number | null> {
  const { held, results, untouched = [], dispatched = [] } = recorded
  const now = deps.clock.now()
  const changes = healthChanges(deps, results, gone, now)
  const deliveries = inChunks(rowsOf(recorded, states, now))
  const { due, operational } = await db.batch(
    {
      ...(isOfFirsts(held) ? recordFirst(deliveries, held, now) : recordLater(deliveries, held, now)),
      untouched:
        held.by === "ping" ? inChunks(pairsOf(untouched)).map((rows) => giveBack(rows, held.token)) : null,
      due: inChunks(endpointUpdates(recorded, states, changes)).map((rows) =>
        updateEndpoints(rows, held, now),
      ),
      operational: operationalEvents(deps, db, results, states, changes, now),
      // Last: what stands before it asks whether its event is still held.
      dispatched:
        held.by === "event" && dispatched.length > 0 ? markDispatched(dispatched, held.token, now) : null,
    },
    "stubborn",
  )
  await nudgeOperations(deps, db, operational)
  return readDue(withoutOpen(due, states))
}

/**
 * The times at which endpoints are due, but for those until which a request is open: by then it is recorded,
 * and what follows from that has a job of its own; if nobody is left to record it, the sweep finds it.
 */
function withoutOpen(due: readonly Row[], states: Consequences["states"]): Row[] {
  const openUntil = new Set(
    Array.from(states).flatMap(([{ open }, { nextAttemptAt }]) => (open ? [nextAttemptAt] : [])),
  )
  return due.filter((row) => !openUntil.has(row.due_at as number | null))
}

async function recordOneByOne(
  deps: Deps,
  db: Db,
  recorded: Recorded,
  consequences: Consequences,
): Promise<number | null> {
  const { held, dispatched = [], released = [] } = recorded
  const lost = new Set<string>()
  for (const one of recorded.results) {
    const { event, endpoint } = one.delivery
    try {
      await recordTogether(deps, db, { held, results: [one] }, consequences)
    } catch (error) {
      lost.add(event.id).add(endpoint.id)
      deps.observe({
        unit: "fault",
        during: "record-one",
        eventId: event.id,
        endpointId: endpoint.id,
        attemptId: one.attempt?.id ?? null,
        error: String(error),
      })
    }
  }
  // What has a lost result stays claimed until its lease runs out, and is handled again only then.
  const rest = {
    held,
    results: [],
    untouched: recorded.untouched ?? [],
    dispatched: dispatched.filter(({ eventId }) => !lost.has(eventId)),
    released: released.filter((id) => !lost.has(id)),
    throttled: recorded.throttled ?? new Map(),
  }
  try {
    return await recordTogether(deps, db, rest, consequences)
  } catch (error) {
    deps.observe({ unit: "fault", during: "record", deliveries: 0, error: String(error) })
    return null
  }
}

/**
 * A delivery and what was attempted for it, as JSON for the statements; without an
 * attempt it has no `at`.
 */
function rowsOf({ held, results }: Recorded, states: Consequences["states"], now: number) {
  return results.flatMap((one) => {
    const state = states.get(one)
    // Where a lease goes on, it covers what is still open.
    if (!state || (one.open && !isOfFirsts(held))) return []
    const { event, endpoint } = one.delivery
    const key = { eventId: event.id, endpointId: endpoint.id, applicationId: event.applicationId }
    return one.attempt
      ? { ...one.attempt, ...key, ...state }
      : { ...key, ...state, id: one.open?.attemptId ?? newId("attempt", now) }
  })
}

/**
 * The endpoints of which something follows: their health has changed, something is due
 * there, or they are released.
 */
function endpointUpdates(
  { held, results, released = [], throttled = new Map(), suspect = [] }: Recorded,
  states: Consequences["states"],
  changes: readonly HealthChange[],
): EndpointUpdate[] {
  // A request that was open had its end booked: now that it has ended, its endpoint waits for something else.
  const due = results.filter((one) => held.by === "delivery" || states.get(one)?.status === "pending")
  const changeOf = new Map(changes.map((change) => [change.id, change]))
  const ids = new Set([
    ...due.map(({ delivery }) => delivery.endpoint.id),
    ...changeOf.keys(),
    ...released,
    ...throttled.keys(),
  ])
  return [...ids].map((id) => ({
    ...changeOf.get(id),
    id,
    released: Number(released.includes(id)),
    suspect: Number(suspect.includes(id)),
    throttledUntil: throttled.get(id) ?? null,
  }))
}

function pairsOf(deliveries: readonly ClaimedDelivery[]) {
  return deliveries.map(({ event, endpoint }) => ({ eventId: event.id, endpointId: endpoint.id }))
}
