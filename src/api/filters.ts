import { z } from "@hono/zod-openapi"
import type { Context } from "hono"

import type { PageRequest } from "../engine/kit/page.ts"
import type { ScannedPage } from "../engine/kit/scan.ts"
import { fromZod, invalidInput } from "../http/problem.ts"
import { toList, toPageRequest } from "./page.ts"
import { Channel, DateTime, EventTypeName } from "./wire.ts"

const MAX_NAMES = 1000

/** `?with_content=true`. */
export const WithContent = z.preprocess(
  (text) => (text === "true" ? true : text === "false" ? false : text),
  z.boolean().default(true),
)

const Names = z.array(EventTypeName).max(MAX_NAMES)

/** Names separated by commas, or the parameter several times. */
export const EventTypesFilter = z
  .preprocess((value) => (value === undefined ? undefined : [value].flat().flatMap(split)), Names.optional())
  .openapi({
    type: "array",
    items: { type: "string", maxLength: 256, pattern: "^[a-zA-Z0-9\\-_.]+$" },
    uniqueItems: true,
  })

export const TimeFilters = { before: DateTime.optional(), after: DateTime.optional() }
export const ChannelFilter = Channel.optional()

interface TimeQuery {
  limit: number
  iterator?: string | undefined
  before?: number | undefined
  after?: number | undefined
}

/**
 * The page that a list asks for that can begin at a time: newest first, but with `after` alone the page next
 * to that time. What is from that very time is in it; nothing is that is from `before`. Behind an iterator
 * `before` says nothing any more.
 */
export function toTimedPage(query: TimeQuery): {
  request: PageRequest
  since: number | undefined
  before: number | undefined
} {
  const { iterator, before, after } = query
  const request = toPageRequest({ limit: query.limit, iterator }, "descending")
  const oldestFirst = iterator === undefined && before === undefined && after !== undefined
  return {
    request: oldestFirst ? { ...request, backwards: true } : request,
    since: after,
    before: iterator === undefined ? before : undefined,
  }
}

/** The event types to filter by, also as frameworks write lists: `event_types[]=a&event_types[1]=b`. */
export function eventTypesOf(c: Context, plain: string[] | undefined): string[] | undefined {
  const bracketed = Object.entries(c.req.queries())
    .filter(([name]) => /^event_types\[\d*\]$/.test(name))
    .flatMap(([, values]) => values.flatMap(split))
  if (bracketed.length === 0) return plain
  const parsed = Names.safeParse([...(plain ?? []), ...bracketed])
  if (!parsed.success) throw fromZod("query", parsed.error)
  return parsed.data
}

/** Refuses `before` and `after` at once, for lists that take either. */
export function refuseBoth({ iterator, before, after }: TimeQuery): void {
  if (iterator !== undefined || before === undefined || after === undefined) return
  throw invalidInput([
    { loc: ["query", "after"], msg: "before and after cannot be used together", type: "value_error" },
  ])
}

/**
 * A page that may be short of its limit: the iterators lead to where the list has
 * looked, not to its last row.
 */
export function toScannedList<Row, Out>(
  request: PageRequest,
  page: ScannedPage<Row>,
  idOf: (row: Row) => string,
  toWire: (row: Row) => Out,
) {
  const list = toList(page, idOf, toWire)
  if (page.reached === null) return list
  return request.backwards
    ? { ...list, prevIterator: `-${page.reached}` }
    : { ...list, iterator: page.reached }
}

function split(value: unknown): unknown[] {
  return typeof value === "string" ? value.split(",") : [value]
}
