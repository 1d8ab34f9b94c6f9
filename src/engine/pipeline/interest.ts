import { type SQL, sql } from "drizzle-orm"

import { literal } from "../../db/literal.ts"

// What an index answers of who gets an event. `match` (rules/match.ts) decides the same of one endpoint, and
// says why not; one table of cases holds both.

/** An event with more candidates than this is fanned out in steps instead of attempted at once. */
export const DIRECT_LIMIT = 25
/** Candidates that one step of a fan-out looks at. */
export const FANOUT_STEP = 2000

/**
 * The next `limit` endpoint ids, in order and behind the fan-out cursor, that the event `v` of the enclosing
 * query may be owed to: the one it is directed at; else those whose subscription is at least as old as the
 * event, and those that take every type. Costs `limit` rows, however many subscribe.
 */
export function candidates(limit: number): SQL {
  return sql`
    SELECT v.endpoint_id AS id WHERE v.endpoint_id > coalesce(v.fanout_cursor, '')
    UNION
    SELECT s.endpoint_id FROM subscriptions s
    WHERE v.endpoint_id IS NULL AND s.event_type_id = v.event_type_id
      AND s.application_id = v.application_id AND s.created_at <= v.created_at
      AND s.endpoint_id > coalesce(v.fanout_cursor, '')
    UNION
    SELECT a.id FROM endpoints a
    WHERE v.endpoint_id IS NULL AND a.application_id = v.application_id
      AND a.all_event_types_since <= v.created_at AND a.id > coalesce(v.fanout_cursor, '')
    ORDER BY 1 LIMIT ${literal(limit)}`
}

/**
 * The condition that the candidate `e` gets the event `v`: its own, enabled now, and either the one that the
 * event is directed at, or without channels, or sharing one.
 */
export const isInterested = sql`
  e.application_id = v.application_id AND e.removed_at IS NULL AND e.disabled_at IS NULL AND (
    v.endpoint_id IS NOT NULL OR e.channels IS NULL OR EXISTS (
      SELECT 1 FROM json_each(e.channels) mine JOIN json_each(v.channels) theirs ON mine.value = theirs.value
    )
  )`

/** When the event `v` counts as dispatched from the start: now, if nobody is interested; else null. */
export function doneAtOnce(now: number): SQL {
  const most = literal(DIRECT_LIMIT + 1)
  const subscribers = sql`
    SELECT s.endpoint_id FROM subscriptions s
    WHERE s.event_type_id = v.event_type_id AND s.application_id = v.application_id AND s.created_at <= v.created_at
    LIMIT ${most}`
  const takersOfAll = sql`
    SELECT e.application_id, e.removed_at, e.disabled_at, e.channels FROM endpoints e
    WHERE e.application_id = v.application_id AND e.all_event_types_since <= v.created_at LIMIT ${most}`
  // Where so many may be interested that they are not looked at one by one, somebody is taken to be.
  return sql`CASE WHEN v.endpoint_id IS NOT NULL AND EXISTS (
    SELECT 1 FROM endpoints e WHERE e.id = v.endpoint_id AND ${isInterested}
  ) OR v.endpoint_id IS NULL AND (
    EXISTS (SELECT 1 FROM (${takersOfAll}) e WHERE ${isInterested})
    -- CROSS JOIN keeps the planner from walking the application's endpoints.
    OR EXISTS (SELECT 1 FROM (${subscribers}) s CROSS JOIN endpoints e ON e.id = s.endpoint_id WHERE ${isInterested})
    OR (SELECT count(*) FROM (${takersOfAll})) > ${literal(DIRECT_LIMIT)}
    OR (SELECT count(*) FROM (${subscribers})) > ${literal(DIRECT_LIMIT)}
  ) THEN NULL ELSE ${now} END`
}
