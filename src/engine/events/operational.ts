import { type SQL, sql } from "drizzle-orm"

import type { Db, Row } from "../../db/client.ts"
import { newId } from "../../db/ids.ts"
import type { Deps } from "../../platform/deps.ts"
import type { DeliveryEventKind, EndpointEventKind } from "../../platform/wire.ts"
import { OPERATIONS } from "../applications/built-in.ts"
import { isDirectory } from "../applications/copies.ts"
import { doneAtOnce } from "../pipeline/interest.ts"
import { enqueue, enqueueDispatch } from "../pipeline/jobs.ts"
import type { Farewell } from "../rules/outcome.ts"
import { fillIn } from "./template.ts"

const APPLICATION = { applicationId: sql`a.id`, applicationUid: sql`a.uid` }

/** Of the endpoint `e` and its application `a`. */
const ENDPOINT = { ...APPLICATION, endpointId: sql`e.id`, endpointUid: sql`e.uid` }

/** Of the delivery `d` of the event `v`, and of the row `r` with its last attempt. */
const DELIVERY = {
  ...APPLICATION,
  endpointId: sql`d.endpoint_id`,
  eventId: sql`v.id`,
  eventUid: sql`v.uid`,
  attemptId: sql`r.value->>'$.attempt.id'`,
  attemptedAt: isoTime(sql`r.value->>'$.attempt.at'`),
  statusCode: sql`r.value->>'$.attempt.statusCode'`,
}

/**
 * The statement that records an operational event about an endpoint, if the condition on the endpoint `e`
 * holds. It belongs into the batch of the change: behind it, or ahead of a removal, which takes the uid away.
 * Give what it returned to `nudgeOperations`. The endpoints of `operations` itself make none.
 */
export function endpointEvent(
  deps: Deps,
  db: Db,
  kind: Exclude<EndpointEventKind, "endpoint.disabled">,
  endpointId: string,
  onlyIf: SQL,
): SQL {
  const now = deps.clock.now()
  const { types, endpoint } = deps.wire.operational
  return insert(
    db,
    now,
    sql`
      SELECT ${newId("event", now)} AS id, ${types[kind]} AS name, ${fillIn(endpoint, ENDPOINT)} AS data
      FROM endpoints e JOIN applications a ON a.id = e.application_id
      WHERE e.id = ${endpointId} AND e.application_id <> ${OPERATIONS} AND (${onlyIf})`,
  )
}

export interface DisabledEndpoint {
  endpointId: string
  reason: Farewell | "failing"
}

/** The same about those of the endpoints that were disabled for this reason at this very time. */
export function disabledEvents(deps: Deps, db: Db, endpoints: readonly DisabledEndpoint[], now: number): SQL {
  const { types, disabled } = deps.wire.operational
  const rows = JSON.stringify(endpoints.map((one) => ({ ...one, id: newId("event", now) })))
  const facts = { ...ENDPOINT, failingSince: isoTime(sql`coalesce(e.failing_since, ${now})`) }
  return insert(
    db,
    now,
    sql`
      SELECT r.value->>'id' AS id, ${types["endpoint.disabled"]} AS name, ${fillIn(disabled, facts)} AS data
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

interface NotableDelivery extends Pair {
  kind: DeliveryEventKind
  attempt: { id: string; statusCode: number | null; at: number }
}

/** A delivery as an attempt has left it: the event happens only where this is what was recorded. */
export interface RecordedDelivery extends NotableDelivery {
  status: string
  attempts: number
  nextAttemptAt: number | null
}

/** The same about those of the deliveries that became what they are at this very time. */
export function deliveryEvents(
  deps: Deps,
  db: Db,
  deliveries: readonly RecordedDelivery[],
  now: number,
): SQL {
  return eventsOf(
    deps,
    db,
    deliveries,
    sql`d.status = r.value->>'status' AND d.attempts = r.value->>'attempts'
      AND d.next_attempt_at IS r.value->>'nextAttemptAt' AND (d.ended_at IS NULL OR d.ended_at = ${now})`,
    now,
  )
}

/**
 * The same about a delivery `d` that an attempt by hand is about to end, if the condition on it
 * holds; ahead of its record.
 */
export function recoveryEvent(
  deps: Deps,
  db: Db,
  attempt: NotableDelivery["attempt"] & Pair,
  onlyIf: SQL,
  now: number,
): SQL {
  const { applicationId, eventId, endpointId } = attempt
  return eventsOf(
    deps,
    db,
    [{ kind: "delivery.recovered", applicationId, eventId, endpointId, attempt }],
    sql`d.status <> 'delivered' AND ${onlyIf}`,
    now,
  )
}

/** The condition is one on the delivery `d`. */
function eventsOf(deps: Deps, db: Db, deliveries: readonly NotableDelivery[], onlyIf: SQL, now: number): SQL {
  const { types, delivery } = deps.wire.operational
  const rows = JSON.stringify(
    deliveries.map(({ kind, attempt: { id, statusCode, at }, ...one }) => ({
      ...one,
      id: newId("event", now),
      type: types[kind],
      attempt: { id, statusCode, at },
    })),
  )
  return insert(
    db,
    now,
    sql`
      SELECT r.value->>'id' AS id, r.value->>'type' AS name, ${fillIn(delivery, DELIVERY)} AS data
      FROM json_each(${rows}) r
      JOIN deliveries d ON d.event_id = r.value->>'eventId' AND d.endpoint_id = r.value->>'endpointId'
      JOIN events v ON v.application_id = r.value->>'applicationId' AND v.id = d.event_id
      JOIN applications a ON a.id = v.application_id
      WHERE v.application_id <> ${OPERATIONS} AND ${onlyIf}`,
  )
}

/**
 * Sends the jobs for what such statements have returned in this shard; without them the sweep
 * would find the events.
 */
export async function nudgeOperations(deps: Deps, db: Db, events: readonly Row[] | undefined): Promise<void> {
  if (!isDirectory(db)) {
    if (events?.length) await enqueue(deps, db, { kind: "forward" })
    return
  }
  const undispatched = (events ?? []).filter((row) => row.dispatched_at === null)
  await enqueueDispatch(
    deps,
    db,
    undispatched.map((row) => ({ applicationId: OPERATIONS, eventId: row.id as string })),
  )
}

function isoTime(epochMs: SQL): SQL {
  return sql`strftime('%Y-%m-%dT%H:%M:%fZ', (${epochMs}) / 1000.0, 'unixepoch')`
}

/**
 * Inserts what `happened` selects (id, name, data): in the shard of `operations` at once, in any
 * other into its outbox.
 */
function insert(db: Db, now: number, happened: SQL): SQL {
  if (isDirectory(db))
    return insertOperational(sql`SELECT n.*, ${now} AS created_at FROM (${happened}) n`, now)
  return sql`
    INSERT INTO outbox (id, event_type, data, created_at)
    SELECT n.id, n.name, n.data, ${now} FROM (${happened}) n RETURNING id`
}

/**
 * Inserts what `happened` selects (id, name, data, created_at) as events of `operations`, in its shard;
 * returns them, also when a repeated batch finds them there. Nothing is written as long as `operations` has
 * no endpoint: nobody would get it, and rows cost.
 */
export function insertOperational(happened: SQL, now: number): SQL {
  return sql`
    INSERT INTO events (id, application_id, event_type_id, event_type, created_at, dispatched_at, payload)
    SELECT v.id, v.application_id, v.event_type_id, v.event_type, v.created_at, ${doneAtOnce(now)}, v.payload
    FROM (
      SELECT n.id, t.application_id, t.id AS event_type_id, t.name AS event_type, NULL AS endpoint_id,
        NULL AS channels, NULL AS fanout_cursor, n.created_at,
        json_object('type', t.name, 'data', json(n.data)) AS payload
      FROM (${happened}) n CROSS JOIN event_types t ON t.application_id = ${OPERATIONS} AND t.name = n.name
    ) v
    WHERE EXISTS (SELECT 1 FROM endpoints WHERE application_id = ${OPERATIONS} AND removed_at IS NULL)
    ON CONFLICT (application_id, id) DO UPDATE SET dispatched_at = events.dispatched_at
    RETURNING id, dispatched_at`
}
