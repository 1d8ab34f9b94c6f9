import { type SQL, sql } from "drizzle-orm"

import type { Db, Row } from "../../db/client.ts"
import { inChunks } from "../../db/json.ts"
import type { Deps } from "../../deps.ts"
import { nudgeOperations } from "../operational-events.ts"
import type { Owed } from "./claimed.ts"
import { earliestDue, readDue, refreshDueAt } from "./due.ts"
import { goneEndpoints, type HealthChange, healthChanges, updateHealth } from "./health.ts"
import { tellNews } from "./news.ts"
import { type DeliveryState, type Handled, stateAfter } from "./state.ts"

const RECORD_TRIES = 5
const FIRST_PAUSE_MS = 50

export interface Recorded {
  /** The token of the claim under which all this happened. */
  token: string
  handled: readonly Handled[]
  /** Claimed, but not started: as if never claimed. */
  untouched?: readonly Owed[]
  /** Events whose every delivery is among `handled` or recorded before. */
  dispatched?: readonly string[]
  /** Endpoints whose lease ends with this batch. */
  released?: readonly string[]
}

/**
 * Writes everything that happened under a claim in one batch: attempts always, state only while the claim
 * still holds. What was sent must not be forgotten, so the batch is repeated, and then taken apart delivery by
 * delivery: one bad row cannot take its neighbours along. Never throws: what stays unrecorded is logged, and
 * found when its lease runs out. Answers when the endpoints concerned are next due (epoch ms), null: never.
 */
export async function record(deps: Deps, db: Db, recorded: Recorded): Promise<number | null> {
  const verdicts = await judgeAll(deps, db, recorded.handled)
  try {
    return await repeat(deps, db, recorded, verdicts)
  } catch (error) {
    deps.log({ unit: "fault", during: "record", deliveries: recorded.handled.length, error: String(error) })
    return recordOneByOne(deps, db, recorded, verdicts)
  }
}

/** What follows from what happened. Made once: a repeated batch must book the same times. */
interface Verdicts {
  states: ReadonlyMap<Handled, DeliveryState>
  gone: ReadonlySet<string>
}

async function judgeAll(deps: Deps, db: Db, handled: readonly Handled[]): Promise<Verdicts> {
  const gone = await goneEndpoints(db, handled).catch((error): ReadonlySet<string> => {
    // Who is really gone says so again.
    deps.log({ unit: "fault", during: "record", error: String(error) })
    return new Set()
  })
  const states = new Map(handled.map((one) => [one, stateAfter(deps, one, gone.has(one.owed.endpoint.id))]))
  return { states, gone }
}

async function repeat(deps: Deps, db: Db, recorded: Recorded, verdicts: Verdicts): Promise<number | null> {
  const { states, gone } = verdicts
  const now = deps.clock.now()
  const changes = healthChanges(deps, recorded.handled, gone, now)
  const told = tellNews(recorded.handled, states, changes, now)
  const results = await batchStubbornly(deps, db, [...statementsOf(recorded, states, changes, now), ...told])
  await nudgeOperations(deps, results.splice(results.length - told.length).flat())
  return readDue(results.at(-1))
}

/** A batch that tells what was sent: tried several times more than others, since it cannot be asked for again. */
export async function batchStubbornly(deps: Deps, db: Db, statements: readonly SQL[]): Promise<Row[][]> {
  for (let tries = 1; ; tries++) {
    try {
      return await db.batch(statements)
    } catch (error) {
      if (tries >= RECORD_TRIES) throw error
      await deps.clock.sleep(FIRST_PAUSE_MS * 2 ** tries * (0.5 + deps.random()))
    }
  }
}

async function recordOneByOne(
  deps: Deps,
  db: Db,
  recorded: Recorded,
  verdicts: Verdicts,
): Promise<number | null> {
  const { token, dispatched = [], released = [] } = recorded
  const lost = new Set<string>()
  for (const one of recorded.handled) {
    const { event, endpoint } = one.owed
    try {
      await repeat(deps, db, { token, handled: [one] }, verdicts)
    } catch (error) {
      lost.add(event.id).add(endpoint.id)
      deps.log({
        unit: "fault",
        during: "record",
        eventId: event.id,
        endpointId: endpoint.id,
        attemptId: one.attempt?.id,
        error: String(error),
      })
    }
  }
  // What has a lost result stays claimed until its lease runs out, and is handled again only then.
  const rest = {
    token,
    handled: [],
    untouched: recorded.untouched ?? [],
    dispatched: dispatched.filter((id) => !lost.has(id)),
    released: released.filter((id) => !lost.has(id)),
  }
  try {
    return await repeat(deps, db, rest, verdicts)
  } catch (error) {
    deps.log({ unit: "fault", during: "record", released: rest.released, error: String(error) })
    return null
  }
}

function statementsOf(
  recorded: Recorded,
  states: Verdicts["states"],
  changes: readonly HealthChange[],
  now: number,
): SQL[] {
  const { token, handled, untouched = [], dispatched = [], released = [] } = recorded
  const attempts = handled.flatMap(({ attempt }) => attempt ?? [])
  const deliveries = handled.flatMap((one) => {
    const state = states.get(one)
    if (!state) return []
    const { event, endpoint } = one.owed
    return { eventId: event.id, endpointId: endpoint.id, applicationId: event.applicationId, ...state }
  })
  const moved = deliveries.filter(({ status }) => status === "pending").map(({ endpointId }) => endpointId)
  const concerned = [...new Set([...moved, ...released, ...changes.map(({ id }) => id)])]
  return [
    ...inChunks(attempts).map(insertAttempts),
    ...inChunks(deliveries).map((rows) => upsertDeliveries(rows, token, now)),
    ...inChunks(pairsOf(untouched)).map((rows) => giveBack(rows, token)),
    ...inChunks(changes).map((rows) => updateHealth(rows, token, now)),
    ...(dispatched.length > 0 ? [markDispatched(dispatched, token, now)] : []),
    ...(released.length > 0 ? [releaseEndpoints(released, token)] : []),
    ...(concerned.length > 0 ? [refreshDueAt(idsIn(concerned)), earliestDue(idsIn(concerned))] : []),
  ]
}

function pairsOf(owed: readonly Owed[]) {
  return owed.map(({ event, endpoint }) => ({ eventId: event.id, endpointId: endpoint.id }))
}

/** Kept whatever became of the claim; not for an event that retention has deleted meanwhile. */
export function insertAttempts(rows: string): SQL {
  return sql`
    INSERT INTO attempts (event_id, id, endpoint_id, application_id, trigger, url, status_code, status_text,
      error, duration_ms, created_at, body_encoding, body_truncated, body)
    SELECT value->>'eventId', value->>'id', value->>'endpointId', value->>'applicationId', value->>'trigger',
      value->>'url', value->>'statusCode', value->>'statusText', value->>'error', value->>'durationMs',
      value->>'at', value->>'$.body.encoding', value->>'$.body.truncated', value->>'$.body.text'
    FROM json_each(${rows}) WHERE EXISTS (SELECT 1 FROM events v WHERE v.id = value->>'eventId')
    ON CONFLICT DO NOTHING`
}

/**
 * New for a delivery first attempted with its event, an update for one claimed later; in both cases only under
 * the token, so that a result that comes after the lease was lost never becomes state.
 */
function upsertDeliveries(rows: string, token: string, now: number): SQL {
  return sql`
    INSERT INTO deliveries (event_id, endpoint_id, application_id, status, reason, attempts, next_attempt_at,
      created_at, ended_at)
    SELECT value->>'eventId', value->>'endpointId', value->>'applicationId', value->>'status', value->>'reason',
      value->>'attempts', value->>'nextAttemptAt', ${now},
      CASE WHEN value->>'status' = 'pending' THEN NULL ELSE ${now} END
    FROM json_each(${rows})
    WHERE EXISTS (SELECT 1 FROM events v WHERE v.id = value->>'eventId' AND v.lease_token = ${token})
      OR EXISTS (SELECT 1 FROM deliveries d WHERE d.event_id = value->>'eventId'
        AND d.endpoint_id = value->>'endpointId' AND d.lease_token = ${token})
    ON CONFLICT (event_id, endpoint_id) DO UPDATE SET
      status = excluded.status, reason = excluded.reason, attempts = excluded.attempts,
      next_attempt_at = excluded.next_attempt_at, ended_at = excluded.ended_at,
      claims = 0, lease_token = NULL, leased_until = NULL
    WHERE deliveries.status = 'pending' AND (deliveries.lease_token = ${token} OR (
      -- A resend has put the row there while its event was being dispatched.
      deliveries.lease_token IS NULL AND deliveries.claims = 0 AND deliveries.attempts = 0
      AND EXISTS (SELECT 1 FROM events v WHERE v.id = deliveries.event_id AND v.lease_token = ${token})
    ))`
}

function giveBack(rows: string, token: string): SQL {
  return sql`
    UPDATE deliveries SET lease_token = NULL, leased_until = NULL, claims = max(claims - 1, 0)
    FROM json_each(${rows}) r
    WHERE event_id = r.value->>'eventId' AND endpoint_id = r.value->>'endpointId'
      AND lease_token = ${token} AND status = 'pending'`
}

function markDispatched(eventIds: readonly string[], token: string, now: number): SQL {
  return sql`
    UPDATE events SET dispatched_at = ${now}, lease_token = NULL, leased_until = NULL
    WHERE id IN (${idsIn(eventIds)}) AND lease_token = ${token}`
}

function releaseEndpoints(endpointIds: readonly string[], token: string): SQL {
  return sql`
    UPDATE endpoints SET lease_token = NULL, leased_until = NULL
    WHERE id IN (${idsIn(endpointIds)}) AND lease_token = ${token}`
}

function idsIn(list: readonly string[]): SQL {
  return sql`SELECT value FROM json_each(${JSON.stringify(list)})`
}
