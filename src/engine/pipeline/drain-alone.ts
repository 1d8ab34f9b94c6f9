import { sql } from "drizzle-orm"

import type { Db } from "../../db/client.ts"
import type { Deps } from "../../platform/deps.ts"
import type { Attempt } from "./attempt.ts"
import { attemptDue } from "./attempt-due.ts"
import type { Budget } from "./budget.ts"
import { type ClaimedDelivery, SUSPECT_CLAIMS } from "./claim.ts"
import type { Pooled } from "./pool.ts"
import { record } from "./record.ts"

/** What attempting and recording one suspect delivery asks of D1. */
const STATEMENTS_PER_SUSPECT = 8

/** What was attempted of suspects, what of it is open still, and the endpoints that have some left. */
export interface Alone {
  made: Attempt[]
  open: Pooled["open"]
  unmade: string[]
}

/**
 * Attempts suspects one at a time, the least claimed first, each with its claim counted before its attempt: one that
 * kills whoever attempts it meets nobody but itself.
 */
export async function drainAlone(
  deps: Deps,
  db: Db,
  token: string,
  suspects: readonly ClaimedDelivery[],
  budget: Budget,
): Promise<Alone> {
  const waiting = suspects.toSorted((a, b) => a.claims - b.claims)
  const made: Attempt[] = []
  let open: Pooled["open"] = new Map()
  const mayStart = ({ startBy }: ClaimedDelivery) => deps.clock.now() <= startBy && budget.freeLanes() > 0
  // Whether one that is open kills is not known yet: nobody else is to be near.
  for (let next = waiting[0]; next && mayStart(next) && open.size === 0; next = waiting[0]) {
    if (!budget.affords(STATEMENTS_PER_SUSPECT) || !budget.take()) break
    waiting.shift()
    await countClaim(db, next)
    const pooled = await attemptDue(deps, budget, [next])
    open = pooled.open
    const answered = pooled.made.get(next)
    if (!answered) break
    made.push(answered)
    await record(deps, db, {
      held: { by: "endpoint", token },
      results: [{ delivery: next, attempt: answered }],
    })
  }
  return { made, open, unmade: waiting.map(({ endpoint }) => endpoint.id) }
}

/** The claims of its endpoint that have brought it here count too. */
async function countClaim(db: Db, { event, endpoint, claims }: ClaimedDelivery): Promise<void> {
  await db.batch({
    claimed: sql`
      UPDATE deliveries SET claims = ${Math.max(claims, SUSPECT_CLAIMS) + 1}
      WHERE event_id = ${event.id} AND endpoint_id = ${endpoint.id} AND status = 'pending'`,
  })
}
