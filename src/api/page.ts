import { z } from "@hono/zod-openapi"
import type { Page, PageRequest } from "../engine/kit/page.ts"
import { wholeNumber } from "../http/query.ts"

const DEFAULT_LIMIT = 50
const MAX_LIMIT = 250

export const Limit = wholeNumber(1, MAX_LIMIT).default(DEFAULT_LIMIT)
export const Iterator = z
  .string()
  .regex(/^-?[a-zA-Z0-9\-_.]{1,256}$/, "must be an iterator that a list has answered")
  .optional()
/** What is looked for in a list. */
export const Search = z.string().min(1).max(256)
export const Ordering = z.enum(["ascending", "descending"])

/** The page that a list's query asks for; an iterator that begins with `-` leads back. */
export function toPageRequest(
  query: { limit: number; iterator?: string | undefined; order?: "ascending" | "descending" | undefined },
  order: "ascending" | "descending",
): PageRequest {
  const { iterator } = query
  return {
    limit: query.limit,
    order: query.order ?? order,
    ...(iterator === undefined
      ? {}
      : { cursor: iterator.replace(/^-/, ""), backwards: iterator.startsWith("-") }),
  }
}

/** The schema of a list answer of `items`, named as in Svix's document. */
export function listOf<Item extends z.ZodType>(name: string, items: Item) {
  return z
    .object({
      data: z.array(items),
      done: z.boolean(),
      iterator: z.string().nullable(),
      prevIterator: z.string().nullable(),
    })
    .openapi(`ListResponse_${name}_`)
}

/** A page on the wire: iterators lead behind its last row and before its first. */
export function toList<Row, Out>(page: Page<Row>, idOf: (row: Row) => string, toWire: (row: Row) => Out) {
  const first = page.rows.at(0)
  const last = page.rows.at(-1)
  return {
    data: page.rows.map(toWire),
    done: page.done,
    iterator: last === undefined ? null : idOf(last),
    prevIterator: first === undefined ? null : `-${idOf(first)}`,
  }
}
