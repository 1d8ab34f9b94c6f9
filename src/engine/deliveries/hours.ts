import { type SQL, sql } from "drizzle-orm"

import type { Row } from "../../db/client.ts"
import { idAt } from "../../db/ids.ts"
import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import { getEndpoint } from "../endpoints/endpoint.ts"
import { addTallies, type CountedAttempt, hourOf, type Tally, tallyOf } from "../rules/tally.ts"
import { KINDS, type Kind } from "./attempts.ts"
import { rangeOf } from "./range.ts"

const HOUR_MS = 3600_000
/** Attempts that are counted by whoever asks, because no sweep has yet: the newest ones. */
const UNCOUNTED_ATTEMPTS = 2_000

/** An attempt to be counted, and where it is found. */
export interface Uncounted extends CountedAttempt {
  id: string
  endpointId: string
}

/** What an endpoint's attempts came to in one hour; `countedTo` is the last attempt that is counted in it. */
export interface Hour {
  /** Its first millisecond. */
  hour: number
  countedTo: string
  tally: Tally
}

/**
 * What was attempted at an endpoint in each hour that has any attempts, pings left out, from the hour of `since` to that of
 * `until` (epoch ms): what is counted, and what the sweep has not counted yet. Refuses with `not_found` or `invalid_range`.
 */
export async function listHours(
  deps: Deps,
  applicationId: string,
  endpointIdOrUid: string,
  range: { since?: number | undefined; until?: number | undefined },
): Promise<{ since: number; until: number; hours: Hour[] }> {
  const given = rangeOf(deps, range)
  const since = hourOf(given.since)
  // Whoever names an hour's end does not mean the next one; now is in its own.
  const until = hourOf(range.until === undefined ? given.until : given.until - 1) + HOUR_MS
  const { id } = await getEndpoint(deps, applicationId, endpointIdOrUid)
  const { counted, uncounted } = await deps.shardOf(applicationId).readAll({
    counted: sql`
      SELECT h.hour, h.counted_to, h.tally FROM endpoint_hours h
      WHERE h.endpoint_id = ${id} AND h.hour >= ${since} AND h.hour < ${until} ORDER BY h.hour`,
    uncounted: selectUncounted(id, { since, until }),
  })
  const hours = addToHours(counted.map(readHour), readUncounted(uncounted))
  return { since, until, hours: hours.toSorted((a, b) => a.hour - b.hour) }
}

/** The hours with these attempts of one endpoint counted in them, each once; hours of which nothing is new are left out. */
export function addToHours(hours: readonly Hour[], attempts: readonly Uncounted[]): Hour[] {
  const known = new Map(hours.map((one) => [one.hour, one]))
  const isNew = ({ at, id }: Uncounted) => id > (known.get(hourOf(at))?.countedTo ?? "")
  for (const [hour, added] of Map.groupBy(attempts.filter(isNew), ({ at }) => hourOf(at))) {
    const before = known.get(hour)
    const ids = [...added.map(({ id }) => id), before?.countedTo ?? ""]
    known.set(hour, {
      hour,
      countedTo: ids.toSorted().at(-1) ?? "",
      tally: addTallies([...(before ? [before.tally] : []), tallyOf(added)]),
    })
  }
  return [...known.values()]
}

export function readHour(row: Row): Hour {
  return {
    hour: row.hour as number,
    countedTo: row.counted_to as string,
    tally: JSON.parse(row.tally as string) as Tally,
  }
}

/** Those of the rows that are attempts which count. */
export function readUncounted(rows: readonly Row[]): Uncounted[] {
  const counted = rows.filter(({ at }) => at !== null)
  return counted.map((row) => ({
    id: row.id as string,
    endpointId: row.endpoint_id as string,
    at: row.at as number,
    statusCode: row.status_code as number | null,
    error: row.error as Uncounted["error"],
    durationMs: row.duration_ms as number,
    eventType: row.event_type as string | null,
  }))
}

/**
 * Selects the attempts that a walk has found (`endpoint_id`, `event_id`, `id`), as `readUncounted` takes them; a null `at`
 * says that there is none, or that it does not count.
 */
export function countedColumns(kind: Kind, walk: SQL): SQL {
  const [event, place] = kind.place
  return sql`
    SELECT k.endpoint_id, k.id, CASE WHEN ${kind.isMade} THEN ${kind.at} END AS at, a.status_code, a.error, a.duration_ms,
      v.event_type
    FROM (${walk}) k CROSS JOIN ${kind.table} ON ${event} = k.event_id AND ${place} = k.place
    LEFT JOIN events v ON v.application_id = a.application_id AND v.id = k.event_id`
}

/** The columns of a walk through attempts for `countedColumns`. */
export function walkedColumns(kind: Kind): SQL {
  const [event, place] = kind.place
  return sql`a.endpoint_id, ${event} AS event_id, ${kind.id} AS id, ${place} AS place`
}

function selectUncounted(endpointId: string, { since, until }: { since: number; until: number }): SQL {
  const select = (kind: Kind) =>
    countedColumns(
      kind,
      sql`
        SELECT ${walkedColumns(kind)} FROM ${kind.table} INDEXED BY ${kind.byEndpoint}
        WHERE a.endpoint_id = ${endpointId} AND ${kind.id} < ${idAt("attempt", until)}
          AND ${kind.id} >= max(${idAt("attempt", since)}, coalesce((
            SELECT s.counted_to FROM system_state s WHERE s.key = 'sweep'), ''))
        ORDER BY ${kind.id} DESC LIMIT ${literal(UNCOUNTED_ATTEMPTS)}`,
    )
  return sql`${select(KINDS.first)} UNION ALL ${select(KINDS.later)}`
}
