import { type SQL, sql } from "drizzle-orm"

import type { Db, Row } from "../../db/client.ts"
import { behindAll, idAt } from "../../db/ids.ts"
import { inChunks } from "../../db/json.ts"
import { literal } from "../../db/literal.ts"
import type { Deps } from "../../platform/deps.ts"
import { KINDS, type Kind } from "../deliveries/attempts.ts"
import {
  addToHours,
  countedColumns,
  type Hour,
  readHour,
  readUncounted,
  type Uncounted,
  walkedColumns,
} from "../deliveries/hours.ts"
import { leaseMs } from "../pipeline/budget.ts"
import { hourOf } from "../rules/tally.ts"
import type { Found, Sweep, Upkeep } from "./contribution.ts"
import { keptMs } from "./retention.ts"

// When an hour is over, a round walks the attempts of all endpoints since the last round, endpoint by
// endpoint along the indexes that lists walk, and adds them up: a row for each endpoint and hour, and none
// for an endpoint that got nothing.

/** One step of a round looks at so many endpoints, and at so many attempts of each kind. */
const ENDPOINTS_PER_STEP = 500
const ATTEMPTS_PER_STEP = 5_000
const STEPS_PER_SWEEP = 4
/** What a step asks of D1: what was counted before, and its batch. */
const STATEMENTS_PER_STEP = 6
/** An attempt is recorded when its lease is over, if not long before. */
const RECORDED_AFTER_MS = 60_000
const OLD_HOURS_PER_STEP = 2_000

/** Counts attempts by endpoint and hour, and forgets the hours that are past retention. */
export const countingUpkeep: Upkeep = {
  look: (deps, at) => selectStep(deps, at),
  async work(sweep, first) {
    const { deps, db, at, budget } = sweep
    let countedAttempts = 0
    let found: Found = first
    for (let steps = 1; ; steps++) {
      const rows = found.counting ?? []
      const [round] = rows.map(readRound)
      if (!round) break
      const { counted, ends } = await count(
        sweep,
        round,
        rows.filter(({ kind }) => kind !== null),
      )
      countedAttempts += counted
      if (ends || steps >= STEPS_PER_SWEEP || !budget.affords(STATEMENTS_PER_STEP)) break
      found = await db.readAll(selectStep(deps, at))
    }
    return { countedAttempts }
  },
}

/** A round under way. */
interface Round {
  since: string
  until: string
  /** The place behind which the step begins, as it is stored; null: at the beginning. */
  reached: string | null
  /** The last endpoint that the step looks at; null: all the rest. */
  last: string | null
}

function readRound(row: Row): Round {
  return {
    since: row.since as string,
    until: row.until as string,
    reached: row.reached as string | null,
    last: row.last as string | null,
  }
}

/** What the next step looks at; nothing while all that is settled is counted. */
function selectStep(deps: Deps, at: number) {
  const settled = idAt("attempt", hourOf(at - leaseMs(deps) - RECORDED_AFTER_MS))
  const round = sql`round AS MATERIALIZED (
    SELECT s.counted_to AS since, coalesce(s.counting_to, ${settled}) AS until, s.counting_at AS at,
      coalesce(s.counting_at->>0, '') AS endpoint, s.counting_at->>1 AS attempt, (
        SELECT e.id FROM endpoints e WHERE e.id >= coalesce(s.counting_at->>0, '') ORDER BY e.id
        LIMIT 1 OFFSET ${literal(ENDPOINTS_PER_STEP - 1)}
      ) AS last
    FROM system_state s WHERE s.key = 'sweep' AND s.counted_to < ${settled})`
  // One value each: of a join with the round the planner does not know that it comes in order.
  const of = (column: "since" | "until" | "endpoint" | "attempt" | "last") =>
    sql`(SELECT r.${sql.raw(column)} FROM round r)`
  const walk = (kind: Kind) =>
    countedColumns(
      kind,
      sql`
        SELECT ${walkedColumns(kind)}
        FROM endpoints e CROSS JOIN ${kind.table} INDEXED BY ${kind.byEndpoint}
          ON a.endpoint_id = e.id AND ${kind.id} < ${of("until")}
          AND ${kind.id} > CASE WHEN e.id = ${of("endpoint")} THEN ${of("attempt")} ELSE ${of("since")} END
        WHERE e.id >= ${of("endpoint")} AND e.id <= coalesce(${of("last")}, ${behindAll("endpoint")})
        ORDER BY e.id, ${kind.id} LIMIT ${literal(ATTEMPTS_PER_STEP)}`,
    )
  return {
    counting: sql`
      WITH ${round}
      SELECT r.since, r.until, r.at AS reached, r.last, w.* FROM round r LEFT JOIN (
        SELECT 'first' AS kind, * FROM (${walk(KINDS.first)}) UNION ALL
        SELECT 'later' AS kind, * FROM (${walk(KINDS.later)})
      ) w`,
  }
}

/** Counts the attempts as far as both kinds have been looked at, and moves the round there, in one batch. */
async function count(
  { deps, db, at }: Sweep,
  round: Round,
  rows: readonly Row[],
): Promise<{ counted: number; ends: boolean }> {
  const horizon = horizonOf(rows)
  const known = rows.filter((row) => horizon === null || compare(placeOf(row), horizon) <= 0)
  const attempts = readUncounted(known)
  const place = horizon ?? (round.last === null ? null : [round.last, round.until])
  const hours = await addUp(db, attempts)
  const isHere = sql`EXISTS (
    SELECT 1 FROM system_state WHERE key = 'sweep' AND counted_to = ${round.since} AND counting_at IS ${round.reached})`
  const cutoff = hourOf(at - keptMs(deps, db))
  const [first = ""] = round.reached === null ? [] : (JSON.parse(round.reached) as string[])
  await db.batch({
    hours: inChunks(hours).map((chunk) => upsertHours(chunk, isHere)),
    old: sql`
      DELETE FROM endpoint_hours WHERE (endpoint_id, hour) IN (
        SELECT h.endpoint_id, h.hour FROM endpoints e CROSS JOIN endpoint_hours h ON h.endpoint_id = e.id
        WHERE e.id >= ${first} AND e.id <= ${place?.[0] ?? behindAll("endpoint")} AND h.hour < ${cutoff}
        LIMIT ${literal(OLD_HOURS_PER_STEP)}
      )`,
    // Last: what stands before it asks whether the round is still here.
    moved: sql`
      UPDATE system_state SET ${
        place === null
          ? sql`counted_to = ${round.until}, counting_to = NULL, counting_at = NULL`
          : sql`counting_to = ${round.until}, counting_at = ${JSON.stringify(place)}`
      }
      WHERE key = 'sweep' AND counted_to = ${round.since} AND counting_at IS ${round.reached}`,
  })
  return { counted: attempts.length, ends: place === null }
}

/** The hours that these attempts change, each with its endpoint. */
async function addUp(db: Db, attempts: readonly Uncounted[]) {
  if (attempts.length === 0) return []
  const keys = new Set(attempts.map(({ endpointId, at }) => JSON.stringify([endpointId, hourOf(at)])))
  const rows = await db.read(sql`
    SELECT h.endpoint_id, h.hour, h.counted_to, h.tally
    FROM json_each(${`[${[...keys].join(",")}]`}) k
    CROSS JOIN endpoint_hours h ON h.endpoint_id = k.value->>0 AND h.hour = k.value->>1`)
  const known = Map.groupBy(rows, (row) => row.endpoint_id as string)
  return [...Map.groupBy(attempts, ({ endpointId }) => endpointId)].flatMap(([endpointId, own]) => {
    const before: Hour[] = (known.get(endpointId) ?? []).map(readHour)
    return addToHours(before, own).map((hour) => ({ endpointId, ...hour }))
  })
}

function upsertHours(rows: string, onlyIf: SQL): SQL {
  return sql`
    INSERT INTO endpoint_hours (endpoint_id, hour, counted_to, tally)
    SELECT value->>'endpointId', value->>'hour', value->>'countedTo', value->>'tally'
    FROM json_each(${rows}) WHERE ${onlyIf}
    ON CONFLICT (endpoint_id, hour) DO UPDATE SET counted_to = excluded.counted_to, tally = excluded.tally`
}

type Place = readonly [endpointId: string, attemptId: string]

function placeOf(row: Row): Place {
  return [row.endpoint_id as string, row.id as string]
}

/** Up to where both kinds have been looked at; null: as far as the step goes. */
function horizonOf(rows: readonly Row[]): Place | null {
  const ends = [...Map.groupBy(rows, ({ kind }) => kind).values()].flatMap((ofKind) =>
    ofKind.length < ATTEMPTS_PER_STEP ? [] : [ofKind.map(placeOf).toSorted(compare).at(-1) ?? []],
  )
  return (ends as Place[]).toSorted(compare)[0] ?? null
}

function compare(a: Place, b: Place): number {
  const [one, other] = a[0] === b[0] ? [a[1], b[1]] : [a[0], b[0]]
  return one < other ? -1 : one > other ? 1 : 0
}
