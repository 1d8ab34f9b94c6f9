import { sql } from "drizzle-orm"

import type { Deps } from "../../platform/deps.ts"

/** What people call an application. */
export interface Named {
  id: string
  uid: string | null
  name: string
}

/** The applications with these ids, by id; one that is gone meanwhile is named by its id. */
export async function namesOf(deps: Deps, ids: Iterable<string>): Promise<(id: string) => Named> {
  const wanted = [...new Set(ids)]
  const rows =
    wanted.length === 0
      ? []
      : await deps.directory.read(sql`
          SELECT a.id, a.uid, a.name FROM json_each(${JSON.stringify(wanted)}) k
          CROSS JOIN applications a ON a.id = k.value`)
  const known = new Map(
    rows.map(({ id, uid, name }) => [id as string, { id, uid, name } as unknown as Named]),
  )
  return (id) => known.get(id) ?? { id, uid: null, name: id }
}
