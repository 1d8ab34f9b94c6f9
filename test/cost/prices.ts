import deployed from "../../wrangler.toml?raw"
import type { Figures } from "./measure.ts"

/**
 * What Cloudflare takes for a million of each on the Workers Paid plan, behind the monthly allowances: the pages
 * "Pricing" of D1, Queues, Workers and Cloudflare Observability, read on 2026-11-25. Storage and CPU time ($0.02
 * per million milliseconds) are not in it.
 */
export const PRICES = {
  readOn: "2026-11-25",
  rowsWritten: 1,
  rowsRead: 0.001,
  queueOperations: 0.4,
  invocations: 0.3,
  /** Each line, and the entry of each invocation where it is not turned off. Until 2026-11-30. */
  logEvents: 0.6,
  /** From 2026-12-01 logs cost by size instead: a gigabyte taken in, and one kept for a month. */
  fromDecember2026: { logGigabytes: 0.25, logGigabyteMonths: 0.1, daysKept: 7 },
}

/** Entries that Workers Logs keep of an invocation besides our lines, as wrangler.toml has it. */
const ENTRIES_PER_INVOCATION = /^invocation_logs = false$/m.test(deployed) ? 0 : 1

type Counted = Omit<Figures, "dollarsPerMillion">

/**
 * Dollars for a million of a case, logs included, retention not: its rows are a figure of their own, and cost
 * `PRICES.rowsWritten` each.
 */
export function dollarsPerMillion(figures: Counted): number {
  const logEvents = figures.logLines + figures.invocations * ENTRIES_PER_INVOCATION
  return workDollars(figures) + logEvents * PRICES.logEvents
}

/** The same at the prices from 2026-12-01, for `logBytes` of lines; what Cloudflare adds to a line is left out. */
export function dollarsFromDecember(figures: Counted, logBytes: number): number {
  const { logGigabytes, logGigabyteMonths, daysKept } = PRICES.fromDecember2026
  const gigabytesPerMillion = (logBytes * 1e6) / 1e9
  return workDollars(figures) + gigabytesPerMillion * (logGigabytes + (logGigabyteMonths * daysKept) / 30)
}

function workDollars(figures: Counted): number {
  const { rowsWritten, rowsRead, queueOperations, invocations } = PRICES
  return (
    figures.rowsWritten * rowsWritten +
    figures.rowsRead * rowsRead +
    figures.queueOperations * queueOperations +
    figures.invocations * invocations
  )
}
