import { z } from "@hono/zod-openapi"
import type { Context } from "hono"

import type { AppEnv } from "./router.ts"

const PAGE_ROWS = 1000
/** What a store is asked for: a page, and one row more to see whether there is another. */
export const ROWS_TO_READ = PAGE_ROWS + 1

/** Where a page begins: behind the row with this id. */
export const Cursor = z
  .string()
  .regex(/^[a-z]+_[0-9a-f]{32}$/, "must be the cursor of a Link header")
  .optional()

/** Cuts a list that was read one row too far, and links to the next page if there is one. */
export function paged<Row extends { id: string }>(c: Context<AppEnv>, rows: readonly Row[]): readonly Row[] {
  const page = rows.slice(0, PAGE_ROWS)
  const last = page.at(-1)
  if (rows.length > PAGE_ROWS && last) {
    const next = new URL(c.req.url)
    next.searchParams.set("cursor", last.id)
    c.header("Link", `<${next.href}>; rel="next"`)
  }
  return page
}
