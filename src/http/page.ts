import { z } from "@hono/zod-openapi"
import type { Context } from "hono"

import type { Page, PageRequest } from "../engine/kit/page.ts"
import { wholeNumber } from "./query.ts"
import type { AppEnv } from "./router.ts"

const PAGE_ROWS = 1000

/** What the query of a list may say: where a page begins, in which order, and how long it is at most. */
export const pageQuery = {
  cursor: z
    .string()
    .regex(/^[a-z]+_[0-9a-f]{32}$/, "must be the cursor of a Link header")
    .optional(),
  order: z
    .enum(["ascending", "descending"])
    .optional()
    .openapi({ description: "Descending: the newest first" }),
  limit: wholeNumber(1, PAGE_ROWS).optional(),
}

type PageQuery = { [Name in keyof typeof pageQuery]?: z.infer<(typeof pageQuery)[Name]> }

/** The first page of a list, or the one behind a cursor: the oldest first, unless asked otherwise. */
export function pageFrom({ cursor, order = "ascending", limit = PAGE_ROWS }: PageQuery): PageRequest {
  return { limit, order, ...(cursor === undefined ? {} : { cursor }) }
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
