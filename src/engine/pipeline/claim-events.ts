import { type SQL, sql } from "drizzle-orm"
import type { Db, Row } from "../../db/client.ts"
import type { Deps } from "../../platform/deps.ts"
import { lastStart, leaseMs } from "./budget.ts"
import {
  type ClaimedDelivery,
  endpointColumns,
  eventColumns,
  MAX_CLAIMS,
  readEndpoint,
  readEvent,
  SUSPECT_CLAIMS,
} from "./claim.ts"
import { candidates, DIRECT_LIMIT, isInterested } from "./interest.ts"
import { type EventKey, keysIn, readKey, toPairs } from "./jobs.ts"

/**
 * An event that has waited this long for its dispatch has waited for other batches, and
 * further ones wait behind it.
 */
const BEHIND_MS = 1_500

/** The column of the event `v` that says whether its application has a rate. */
const isRated = sql`EXISTS (
  SELECT 1 FROM applications a WHERE a.id = v.application_id AND a.throttle_rate IS NOT NULL) AS is_rated`

/** The events `v` with these keys, for a FROM clause; each is found by an index. */
function eventsNamed(keys: readonly EventKey[]): SQL {
  return sql`json_each(${toPairs(keys)}) j
    CROSS JOIN events v ON v.application_id = j.value->>0 AND v.id = j.value->>1`
}

/** What is owed of some events, and by what right: under a lease, or without one in their first minute. */
export interface Reading {
  token: string | null
  at: number
  events: EventKey[]
  deliveries: ClaimedDelivery[]
  /** Whether dispatch is behind: then nobody waits long for anybody. */
  isBehind: boolean
}

/** Reads what is owed of events in their first minute; the others that are undispatched are to be claimed. */
export async function readFresh(
  deps: Deps,
  db: Db,
  keys: readonly EventKey[],
): Promise<{ fresh: Reading; others: EventKey[] }> {
  const at = deps.clock.now()
  const isFresh = sql`v.lease_token IS NULL AND v.leased_until IS NULL AND v.claims = 0
    AND v.fanout_cursor IS NULL AND v.created_at > ${at - lastStart(deps, 0)}`
  const named = sql`${eventsNamed(keys)} AND v.dispatched_at IS NULL AND v.ping_id IS NULL`
  const { events, pairs } = await db.batch({
    events: sql`SELECT ${eventColumns}, ${isRated}, v.created_at, ${isFresh} AS fresh FROM ${named}`,
    pairs: sql`
      SELECT v.id AS event_id, ${isInterested} AS interested, 0 AS recorded, ${endpointColumns(at)}
      FROM ${named} AND ${isFresh} CROSS JOIN endpoints e ON e.id IN (SELECT id FROM (${candidates(DIRECT_LIMIT + 1)}))`,
  })
  const fresh = events.filter((event) => event.fresh === 1)
  const { small, large, deliveries } = sortOut(fresh, pairs, (event) =>
    lastStart(deps, event.created_at as number),
  )
  const others = events.filter((event) => event.fresh !== 1).map(readKey)
  const isBehind = areOld(fresh, at)
  return { fresh: { token: null, at, events: small, deliveries, isBehind }, others: [...others, ...large] }
}

export interface Claim extends Reading {
  token: string
  /** More candidates than are attempted at once: fanned out in steps. */
  large: EventKey[]
  /** Events left out because they are to be handled alone, the least claimed first. */
  suspects: EventKey[]
}

/** Takes a lease on the events and reads what is owed, payloads once per event. One batch. */
export function claimEvents(deps: Deps, db: Db, keys: readonly EventKey[]): Promise<Claim> {
  return claimBelow(deps, db, keys, SUSPECT_CLAIMS)
}

/** The same for one event, however often it was claimed without a result, as long as it is not given up. */
export function claimAlone(deps: Deps, db: Db, key: EventKey): Promise<Claim> {
  return claimBelow(deps, db, [key], MAX_CLAIMS)
}

async function claimBelow(deps: Deps, db: Db, keys: readonly EventKey[], most: number): Promise<Claim> {
  const at = deps.clock.now()
  const token = crypto.randomUUID()
  const claimable = sql`v.dispatched_at IS NULL AND v.ping_id IS NULL
    AND v.claims < ${MAX_CLAIMS} AND (v.leased_until IS NULL OR v.leased_until <= ${at})`
  const named = eventsNamed(keys)
  const { suspects, events, pairs } = await db.batch({
    suspects: sql`
      SELECT v.application_id, v.id FROM ${named} WHERE ${claimable} AND v.claims >= ${most} ORDER BY v.claims`,
    // The job that had the first minute has claimed it without a word: that counts as one.
    claimed: sql`
      UPDATE events AS v SET lease_token = ${token}, leased_until = ${at + leaseMs(deps)},
        claims = max(v.claims, 1) + 1
      WHERE (v.application_id, v.id) IN (${keysIn(keys)}) AND ${claimable} AND v.claims < ${most}`,
    events: sql`
      SELECT ${eventColumns}, ${isRated}, v.created_at, v.fanout_cursor FROM ${named} WHERE v.lease_token = ${token}`,
    pairs: sql`
      SELECT v.id AS event_id, ${isInterested} AS interested,
        EXISTS (SELECT 1 FROM deliveries d WHERE d.event_id = v.id AND d.endpoint_id = e.id) AS recorded,
        ${endpointColumns(at)}
      FROM ${named} CROSS JOIN endpoints e ON e.id IN (SELECT id FROM (${candidates(DIRECT_LIMIT + 1)}))
      WHERE v.lease_token = ${token} AND v.fanout_cursor IS NULL`,
  })
  const { small, large, deliveries } = sortOut(events, pairs, () => lastStart(deps, at))
  return {
    token,
    at,
    events: small,
    large,
    deliveries,
    isBehind: areOld(events, at),
    suspects: suspects.map(readKey),
  }
}

function areOld(events: readonly Row[], at: number): boolean {
  return events.some((event) => (event.created_at as number) < at - BEHIND_MS)
}

/**
 * The small events with the pairs that are owed, and the large ones. The 26th candidate is read only to
 * be recognised as too many, so one that is not interested, or has its delivery already, is counted
 * before it is left out.
 */
function sortOut(events: readonly Row[], pairs: readonly Row[], startBy: (event: Row) => number) {
  const pairsOf = Map.groupBy(pairs, (pair) => pair.event_id)
  const isLarge = (event: Row) =>
    (event.fanout_cursor ?? null) !== null || (pairsOf.get(event.id)?.length ?? 0) > DIRECT_LIMIT
  const small = events.filter((event) => !isLarge(event))
  const deliveries = small.flatMap((event) =>
    (pairsOf.get(event.id) ?? [])
      .filter((pair) => pair.interested === 1 && pair.recorded === 0)
      .map(
        (pair): ClaimedDelivery => ({
          event: readEvent(event),
          endpoint: readEndpoint(pair),
          attempts: 0,
          claims: 0,
          isRated: event.is_rated === 1,
          startBy: startBy(event),
        }),
      ),
  )
  return { small: small.map(readKey), large: events.filter(isLarge).map(readKey), deliveries }
}
