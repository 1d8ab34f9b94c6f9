import { type SQL, sql } from "drizzle-orm"

import type { Db } from "../../db/client.ts"
import { type Rate, usedUntil } from "../rules/rate.ts"
import type { ClaimedDelivery } from "./claim.ts"

// An endpoint or an application with a rate gets what it is owed in portions, of a second's worth at most, each of which
// uses the rate up for a while: until then the retry lane leaves it alone. Attempts by hand and pings do not count.

/** Whether the application `a` has room at `at`. */
export function hasRoom(at: number): SQL {
  return sql`(a.throttle_rate IS NULL OR coalesce(a.throttled_until, 0) <= ${at})`
}

/** A delivery that is due, and since when. */
export interface Due {
  delivery: ClaimedDelivery
  since: number
}

/** What the rates of applications leave of some deliveries. */
export interface Portion {
  due: Due[]
  /** Until when each application's rate is used up by them. */
  usedUntil: ReadonlyMap<string, number>
}

/**
 * Takes what may be sent at `now` out of the rates of applications, which several passes may do at once: of an
 * application that another one has been faster at, nothing. Asks D1 only where one has a rate.
 */
export async function takePortion(
  db: Db,
  due: readonly Due[],
  rates: ReadonlyMap<string, Rate>,
  now: number,
): Promise<Portion> {
  const applicationOf = ({ delivery }: Due) => delivery.event.applicationId
  const portions = [...Map.groupBy(due, applicationOf)].flatMap(([id, all]) => {
    const rate = rates.get(id)
    if (!rate) return []
    const taken = all.slice(0, rate.perSecond)
    return { id, before: rate.usedUntil, taken, until: used(rate, taken, now) }
  })
  if (portions.length === 0) return { due: [...due], usedUntil: new Map() }
  const asked = portions.map(({ id, before, until }) => [id, before, until])
  const { granted } = await db.batch({
    granted: sql`
      UPDATE applications SET throttled_until = j.value->>2 FROM json_each(${JSON.stringify(asked)}) j
      WHERE applications.id = j.value->>0 AND applications.throttled_until IS j.value->>1 RETURNING applications.id`,
  })
  const ids = new Set(granted.map((row) => row.id))
  const sent = new Set(portions.flatMap(({ id, taken }) => (ids.has(id) ? taken : [])))
  return {
    due: due.filter((one) => sent.has(one) || !rates.has(applicationOf(one))),
    usedUntil: new Map(portions.flatMap(({ id, until }) => (ids.has(id) ? [[id, until]] : []))),
  }
}

/** Until when the rates of each endpoint, its own and its application's, are used up by what was sent. */
export function throttledUntil(
  sent: readonly Due[],
  ofApplication: Portion["usedUntil"],
  now: number,
): ReadonlyMap<string, number> {
  const byEndpoint = Map.groupBy(sent, ({ delivery }) => delivery.endpoint)
  return new Map(
    [...byEndpoint].flatMap(([endpoint, all]) => {
      const rate = endpoint.rate
      const own = rate ? used(rate, all, now) : null
      const shared = ofApplication.get(all[0]?.delivery.event.applicationId ?? "") ?? null
      return own === null && shared === null ? [] : [[endpoint.id, Math.max(own ?? 0, shared ?? 0)]]
    }),
  )
}

function used(rate: Rate, sent: readonly Due[], now: number): number {
  return usedUntil(rate, sent.length, { since: Math.min(...sent.map(({ since }) => since)), now })
}
