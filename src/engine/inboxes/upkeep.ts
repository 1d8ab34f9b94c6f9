import { sql } from "drizzle-orm"

import { literal } from "../../db/literal.ts"
import type { Upkeep } from "../upkeep/contribution.ts"
import { MAX_INBOXES } from "./inbox.ts"

/** Takes away the inboxes whose day is over. */
export const inboxUpkeep: Upkeep = {
  look: (_deps, at) => ({
    inboxes: sql`SELECT id FROM inboxes WHERE expires_at <= ${at} LIMIT ${literal(MAX_INBOXES)}`,
  }),
  async work({ db, budget }, { inboxes = [] }) {
    if (!budget.affords(2)) return {}
    const ids = sql`(SELECT value FROM json_each(${JSON.stringify(inboxes.map(({ id }) => id))}))`
    await db.batch({
      requests: sql`DELETE FROM inbox_requests WHERE inbox_id IN ${ids}`,
      inboxes: sql`DELETE FROM inboxes WHERE id IN ${ids}`,
    })
    return { expiredInboxes: inboxes.length }
  },
}
