import { z } from "@hono/zod-openapi"
import type { Context } from "hono"

import type { Page, PageRequest } from "../engine/kit/page.ts"
import type { AppEnv } from "./router.ts"

const PAGE_ROWS = 1000

/** Where a page begins: behind the row with this id. */
export const Cursor = z
  .string()
  .regex(/^[a-z]+_[0-9a-f]{32}$/, "must be the cursor of a Link header")
  .optional()

/** The first page of a list, oldest first, or the one behind a cursor. */
export function pageFrom(cursor: string | undefined): PageRequest {
  return { limit: PAGE_ROWS, order: "ascending", ...(cursor === undefined ? {} : { cursor }) }
}

/** A page's rows; the answer links to the next page if there is one. */
export function paged<Row extends { id: string }>(c: Context<AppEnv>, { rows, done }: Page<Row>): Row[] {
  const last = rows.at(-1)
  if (!done && last) {
    const next = new URL(c.req.url)
    next.searchParams.set("cursor", last.id)
    c.header("Link", `<${next.href}>; rel="next"`)
  }
  return rows
}
