import { type SQL, sql } from "drizzle-orm"

import type { Db, Row } from "../../db/client.ts"
import { newId } from "../../db/ids.ts"
import type { Deps } from "../../platform/deps.ts"
import { OPERATIONS } from "../applications/built-in.ts"
import { isDirectory } from "../applications/copies.ts"
import { doneAtOnce } from "../pipeline/interest.ts"
import { enqueue, enqueueDispatch } from "../pipeline/jobs.ts"
import type { Farewell } from "../rules/outcome.ts"

/**
 * The statement that tells of an endpoint as an event of the application `operations`, if the condition on the
 * endpoint `e` holds. It belongs into the batch of the change: behind it, or ahead of a removal, which takes the
 * uid away. Give what it returned to `nudgeOperations`. Endpoints of `operations` itself are not told of.
 */
export function operationalEvent(
  deps: Deps,
  db: Db,
  type: "endpoint.created" | "endpoint.updated" | "endpoint.deleted",
  endpointId: string,
  onlyIf: SQL,
): SQL {
  const now = deps.clock.now()
  return tell(
    db,
    now,
    sql`
      SELECT ${newId("event", now)} AS id, ${type} AS name, ${endpointData()} AS data
      FROM endpoints e JOIN applications a ON a.id = e.application_id
      WHERE e.id = ${endpointId} AND e.application_id <> ${OPERATIONS} AND (${onlyIf})`,
  )
}

export interface DisabledEndpoint {
  endpointId: string
  reason: Farewell | "failing"
}

/** Tells of those of the endpoints that were disabled for this reason at this very time. */
export function tellDisabled(db: Db, disabled: readonly DisabledEndpoint[], now: number): SQL {
  const rows = JSON.stringify(disabled.map((one) => ({ ...one, id: newId("event", now) })))
  const failSince = sql`json_object('failSince', ${isoTime(sql`coalesce(e.failing_since, ${now})`)})`
  return tell(
    db,
    now,
    sql`
      SELECT r.value->>'id' AS id, 'endpoint.disabled' AS name, json_patch(${endpointData()}, ${failSince}) AS data
      FROM json_each(${rows}) r
      JOIN endpoints e ON e.id = r.value->>'endpointId'
      JOIN applications a ON a.id = e.application_id
      WHERE e.application_id <> ${OPERATIONS} AND e.disabled_at = ${now}
        AND e.disabled_reason = r.value->>'reason'`,
  )
}

interface Pair {
  applicationId: string
  eventId: string
  endpointId: string
}

interface NewsOfAttempt extends Pair {
  type: "message.attempt.exhausted" | "message.attempt.failing" | "message.attempt.recovered"
  attempt: { id: string; statusCode: number | null; at: number }
}

/** What an attempt made of its delivery: the news is true only where this is what was recorded. */
export interface AttemptNews extends NewsOfAttempt {
  status: string
  attempts: number
  nextAttemptAt: number | null
}

/** Tells of those of the attempts whose result became the state of their delivery at this very time. */
export function tellAttempts(db: Db, news: readonly AttemptNews[], now: number): SQL {
  return tellOf(
    db,
    news,
    sql`d.status = r.value->>'status' AND d.attempts = r.value->>'attempts'
      AND d.next_attempt_at IS r.value->>'nextAttemptAt' AND (d.ended_at IS NULL OR d.ended_at = ${now})`,
    now,
  )
}

/** Tells of a delivery that an attempt by hand is about to end, if it has failed so often; ahead of its record. */
export function tellResent(
  db: Db,
  attempt: NewsOfAttempt["attempt"] & Pair,
  leastAttempts: number,
  now: number,
): SQL {
  const { applicationId, eventId, endpointId } = attempt
  return tellOf(
    db,
    [{ type: "message.attempt.recovered", applicationId, eventId, endpointId, attempt }],
    sql`d.status <> 'delivered' AND d.attempts >= ${leastAttempts}`,
    now,
  )
}

/** The condition is one on the delivery `d`. */
function tellOf(db: Db, news: readonly NewsOfAttempt[], onlyIf: SQL, now: number): SQL {
  const rows = JSON.stringify(
    news.map(({ attempt: { id, statusCode, at }, ...one }) => ({
      ...one,
      id: newId("event", now),
      attempt: { id, statusCode, at },
    })),
  )
  return tell(
    db,
    now,
    sql`
      SELECT r.value->>'id' AS id, r.value->>'type' AS name, json_patch('{}', json_object(
        'appId', a.id, 'appUid', a.uid, 'endpointId', d.endpoint_id, 'msgId', v.id, 'msgEventId', v.uid,
        'lastAttempt', json_object(
          'id', r.value->>'$.attempt.id',
          'responseStatusCode', coalesce(r.value->>'$.attempt.statusCode', 0),
          'timestamp', ${isoTime(sql`r.value->>'$.attempt.at'`)}
        ))) AS data
      FROM json_each(${rows}) r
      JOIN deliveries d ON d.event_id = r.value->>'eventId' AND d.endpoint_id = r.value->>'endpointId'
      JOIN events v ON v.application_id = r.value->>'applicationId' AND v.id = d.event_id
      JOIN applications a ON a.id = v.application_id
      WHERE v.application_id <> ${OPERATIONS} AND ${onlyIf}`,
  )
}

/** Sends the jobs for what such statements have returned in this shard; without them the sweep would find the events. */
export async function nudgeOperations(deps: Deps, db: Db, told: readonly Row[] | undefined): Promise<void> {
  if (!isDirectory(db)) {
    if (told?.length) await enqueue(deps, db, { kind: "forward" })
    return
  }
  const undispatched = (told ?? []).filter((row) => row.dispatched_at === null)
  await enqueueDispatch(
    deps,
    db,
    undispatched.map((row) => ({ applicationId: OPERATIONS, eventId: row.id as string })),
  )
}

/** Of the endpoint `e` and its application `a`; what has no uid has no such field. */
function endpointData(): SQL {
  return sql`json_patch('{}', json_object(
    'appId', a.id, 'appUid', a.uid, 'endpointId', e.id, 'endpointUid', e.uid))`
}

function isoTime(epochMs: SQL): SQL {
  return sql`strftime('%Y-%m-%dT%H:%M:%fZ', (${epochMs}) / 1000.0, 'unixepoch')`
}

/** Tells what `told` selects (id, name, data): in the shard of `operations` at once, in any other by its outbox. */
function tell(db: Db, now: number, told: SQL): SQL {
  if (isDirectory(db)) return insertOperational(sql`SELECT n.*, ${now} AS created_at FROM (${told}) n`, now)
  return sql`
    INSERT INTO outbox (id, event_type, data, created_at)
    SELECT n.id, n.name, n.data, ${now} FROM (${told}) n RETURNING id`
}

/**
 * Inserts what `told` selects (id, name, data, created_at) as events of `operations`, in its shard; returns them, also
 * when a repeated batch finds them there. Nothing is told as long as `operations` has no endpoint: nobody could hear it,
 * and rows cost.
 */
export function insertOperational(told: SQL, now: number): SQL {
  return sql`
    INSERT INTO events (id, application_id, event_type_id, event_type, created_at, dispatched_at, payload)
    SELECT v.id, v.application_id, v.event_type_id, v.event_type, v.created_at, ${doneAtOnce(now)}, v.payload
    FROM (
      SELECT n.id, t.application_id, t.id AS event_type_id, t.name AS event_type, NULL AS endpoint_id,
        NULL AS channels, NULL AS fanout_cursor, n.created_at,
        json_object('type', t.name, 'data', json(n.data)) AS payload
      FROM (${told}) n CROSS JOIN event_types t ON t.application_id = ${OPERATIONS} AND t.name = n.name
    ) v
    WHERE EXISTS (SELECT 1 FROM endpoints WHERE application_id = ${OPERATIONS} AND removed_at IS NULL)
    ON CONFLICT (application_id, id) DO UPDATE SET dispatched_at = events.dispatched_at
    RETURNING id, dispatched_at`
}
