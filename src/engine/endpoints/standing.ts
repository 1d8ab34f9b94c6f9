import { type SQL, sql } from "drizzle-orm"

import type { Row } from "../../db/client.ts"
import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import { KINDS } from "../deliveries/attempts.ts"
import { notFound } from "../kit/errors.ts"
import type { Page, PageRequest } from "../kit/page.ts"
import { scanPage } from "../kit/scan.ts"
import { type EndpointState, stateOf } from "../rules/endpoint-health.ts"
import type { ErrorClass } from "../rules/outcome.ts"
import { HOUR_MS, hourOf, type ResultClass, resultOf, type Tally } from "../rules/tally.ts"
import { type DisabledReason, type Endpoint, endpointsOf, isNamed } from "./endpoint.ts"

const HOURS = 24
/** Pending deliveries of an endpoint that are counted; one more says that there are more. */
export const COUNTED_PENDING = 100
/** The newest deliveries among which the last first attempt is looked for: behind them all is put off. */
const LOOKED_AT = 5

/** How an endpoint is right now, and why; times in epoch ms. */
export interface Standing {
  id: string
  applicationId: string
  uid: string | null
  url: string
  state: EndpointState
  disabledAt: number | null
  disabledReason: DisabledReason | null
  failingSince: number | null
  pausedUntil: number | null
  slowMs: number | null
  /** When the retry lane looks at it next. */
  dueAt: number | null
  /** Deliveries that it is owed, counted up to `COUNTED_PENDING` and one more. */
  pending: number
  last: { at: number; statusCode: number | null; error: ErrorClass | null; result: ResultClass } | null
}

/** The same with what its attempts came to in each of the last hours that are counted. */
export type StandingByHours = Standing & { hours: { hour: number; tally: Tally }[] }

/** How the application's endpoints are, in the order in which they were made, a page at a time. */
export async function listStandings(
  deps: Deps,
  applicationId: string,
  request: PageRequest,
): Promise<Page<StandingByHours>> {
  const { rows, done } = await scanPage(deps.shardOf(applicationId), request, {
    ...endpointsOf(applicationId),
    columns: sql`${standingColumns}, ${hourColumn(deps)}`,
  })
  return { rows: rows.map((row) => readWithHours(deps, row)), done }
}

/** How one endpoint is; refuses with `not_found`. */
export async function getStanding(
  deps: Deps,
  applicationId: string,
  endpointIdOrUid: Endpoint["id"],
): Promise<StandingByHours> {
  const [row] = await deps.shardOf(applicationId).read(sql`
    SELECT ${standingColumns}, ${hourColumn(deps)} FROM endpoints e WHERE ${isNamed(applicationId, endpointIdOrUid)}`)
  if (!row) throw notFound("Endpoint")
  return readWithHours(deps, row)
}

/** The last whole hours, oldest first, as their first milliseconds. */
export function lastHours(now: number): number[] {
  const end = hourOf(now)
  return Array.from({ length: HOURS }, (_, n) => end - (HOURS - n) * HOUR_MS)
}

const { first, later } = KINDS

/**
 * The columns of the endpoint `e` that `readStanding` takes: each a bounded look at what it is
 * owed, and at what was sent.
 */
export const standingColumns: SQL = sql`
  e.id, e.application_id, e.uid, e.url, e.disabled_at, e.disabled_reason, e.failing_since, e.paused_until, e.slow_ms, e.due_at, (
    SELECT count(*) FROM (
      SELECT 1 FROM deliveries d INDEXED BY deliveries_pending
      WHERE d.endpoint_id = e.id AND d.status = 'pending' LIMIT ${literal(COUNTED_PENDING + 1)}
    )
  ) AS pending, (
    SELECT json_array(a.attempt_id, ${first.at}, a.status_code, a.error) FROM (
      SELECT d.event_id, d.endpoint_id FROM deliveries d
      WHERE d.endpoint_id = e.id ORDER BY d.attempt_id DESC LIMIT ${literal(LOOKED_AT)}
    ) k CROSS JOIN ${first.table} ON a.event_id = k.event_id AND a.endpoint_id = k.endpoint_id
    WHERE ${first.isMade} ORDER BY a.attempt_id DESC LIMIT 1
  ) AS last_first, (
    SELECT json_array(a.id, ${later.at}, a.status_code, a.error) FROM ${later.table}
    WHERE a.endpoint_id = e.id ORDER BY a.id DESC LIMIT 1
  ) AS last_later`

/** The endpoint of a row of these columns, as it is at `now`. */
export function readStanding(row: Row, now: number): Standing {
  const health = {
    disabledAt: row.disabled_at as number | null,
    failingSince: row.failing_since as number | null,
    pausedUntil: row.paused_until as number | null,
    slowMs: row.slow_ms as number | null,
  }
  return {
    ...health,
    id: row.id as string,
    applicationId: row.application_id as string,
    uid: row.uid as string | null,
    url: row.url as string,
    state: stateOf(health, now),
    disabledReason: row.disabled_reason as DisabledReason | null,
    dueAt: row.due_at as number | null,
    pending: row.pending as number,
    last: readLast(row),
  }
}

type LastAttempt = [id: string, at: number, statusCode: number | null, error: ErrorClass | null]

function readLast(row: Row): Standing["last"] {
  const texts = [row.last_first, row.last_later].filter((text) => text !== null)
  const [last] = texts
    .map((text) => JSON.parse(text as string) as LastAttempt)
    .toSorted(([a], [b]) => (a < b ? 1 : -1))
  if (!last) return null
  const [, at, statusCode, error] = last
  return { at, statusCode, error, result: resultOf(statusCode, error) }
}

function hourColumn(deps: Deps): SQL {
  const [since = 0] = lastHours(deps.clock.now())
  return sql`(
    SELECT json_group_array(json_array(h.hour, json(h.tally))) FROM endpoint_hours h
    WHERE h.endpoint_id = e.id AND h.hour >= ${since}
  ) AS hours`
}

function readWithHours(deps: Deps, row: Row): StandingByHours {
  const hours = JSON.parse(row.hours as string) as [number, Tally][]
  return {
    ...readStanding(row, deps.clock.now()),
    hours: hours.map(([hour, tally]) => ({ hour, tally })),
  }
}
