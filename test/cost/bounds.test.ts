import { expect, it } from "vitest"

import { measureAll } from "./cases.ts"
import type { Figures } from "./measure.ts"

type Bound = Pick<
  Figures,
  "rowsWritten" | "rowsRead" | "rowsDeletedLater" | "transactions" | "statements" | "invocations" | "logLines"
>

/** The most that each case may cost; to be lowered with every change that makes it cheaper, never raised unseen. */
const BOUNDS: Record<string, Bound> = {
  "message-0": bound(2, 5, 1, 1, 1, 1, 1),
  "message-1": bound(6, 26, 2, 3, 6, 2, 2),
  "message-1-keyed": bound(9, 31, 2, 3, 7, 2, 2),
  "message-4": bound(12, 54, 5, 3, 6, 2, 2),
  "message-1-batch25": bound(6, 27, 2, 1.08, 1.2, 1.04, 1.04),
  // Each retry looks round whose turn it is, in rows that are read: one written costs as much as a thousand.
  "message-1-two-failures": bound(24, 258, 4, 9, 39, 5, 5),
  "user-1": bound(6, 26, 2, 3, 7, 2, 2),
  "idle-minute": bound(1, 26, 0, 2, 18, 1, 1),
}

/** Enough that reading what is stored, instead of what is asked for, would show. */
const STORED = 1000

it.each([0, STORED])("costs no more than it should, with %i events stored", async (stored) => {
  const measured = await measureAll(stored)
  expect(measured.map(({ name }) => name)).toEqual(Object.keys(BOUNDS))
  for (const { name, figures } of measured)
    expect({ name, over: excess(name, figures) }).toEqual({ name, over: {} })
})

it("tells which figure is over its bound", () => {
  expect(excess("message-1", { ...(BOUNDS["message-1"] as Figures), rowsWritten: 7 })).toEqual({
    rowsWritten: "7 > 6",
  })
})

function bound(
  rowsWritten: number,
  rowsRead: number,
  rowsDeletedLater: number,
  transactions: number,
  statements: number,
  invocations: number,
  logLines: number,
): Bound {
  return { rowsWritten, rowsRead, rowsDeletedLater, transactions, statements, invocations, logLines }
}

function excess(name: string, figures: Figures): Record<string, string> {
  const bounds = Object.entries(BOUNDS[name] ?? {}) as [keyof Bound, number][]
  return Object.fromEntries(
    bounds
      .filter(([figure, most]) => figures[figure] > most + 1e-9)
      .map(([figure, most]) => [figure, `${figures[figure]} > ${most}`]),
  )
}
