export const DEFAULT_RETRY_SCHEDULE_SECONDS: readonly number[] = [
  5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400,
]
export const MAX_RETRY_AFTER_MS = 24 * 60 * 60 * 1_000

const MAX_ENTRIES = 20
const MAX_DELAY_SECONDS = 7 * 24 * 60 * 60
/** Deliveries that failed together, in one outage, should not all come back in the same second. */
const JITTER_SHARE = 0.1

/** The three forms of an HTTP date that a recipient has to accept (RFC 9110 §5.6.7), and the day in each. */
const HTTP_DATES = [
  /^[A-Z][a-z]{2}, (\d{2}) [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]{5,8}, (\d{2})-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/,
  /^[A-Z][a-z]{2} [A-Z][a-z]{2} ([ \d]\d) \d{2}:\d{2}:\d{2} \d{4}$/,
]

/**
 * Reads comma separated delays in seconds, decimals allowed: 1 to 20 of them, each at most 7 days. Null if
 * malformed.
 */
export function parseRetrySchedule(text: string): number[] | null {
  const entries = text.split(",").map((entry) => entry.trim())
  if (entries.length > MAX_ENTRIES || !entries.every((entry) => /^\d+(\.\d+)?$/.test(entry))) return null
  const delays = entries.map(Number)
  return delays.every((seconds) => seconds <= MAX_DELAY_SECONDS) ? delays : null
}

/**
 * When to try again, in epoch milliseconds, after `attempts` (≥ 1) failed attempts; null once the schedule is
 * used up. Jitter (`random` in [0, 1)) and a Retry-After of at most 24 hours only ever make it later.
 */
export function nextAttemptAt(input: {
  schedule: readonly number[]
  attempts: number
  now: number
  random: number
  retryAfterMs?: number | null
}): number | null {
  const seconds = input.schedule[input.attempts - 1]
  if (seconds === undefined) return null
  const scheduledMs = seconds * 1_000 * (1 + input.random * JITTER_SHARE)
  const askedMs = Math.min(input.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS)
  return Math.ceil(input.now + Math.max(scheduledMs, askedMs))
}

/**
 * Milliseconds from now that a Retry-After header asks for (RFC 9110 §10.2.3), from 0 to 24 hours; null if
 * absent or invalid. Decimals, which the RFC does not know but servers send, are rounded up to a second.
 */
export function parseRetryAfter(header: string | null, now: number): number | null {
  const value = header?.trim() ?? ""
  const delayMs = /^\d+(\.\d+)?$/.test(value) ? Math.ceil(Number(value)) * 1_000 : parseHttpDate(value) - now
  return Number.isNaN(delayMs) ? null : Math.min(Math.max(delayMs, 0), MAX_RETRY_AFTER_MS)
}

function parseHttpDate(text: string): number {
  const [, day] = HTTP_DATES.map((form) => form.exec(text)).find((found) => found !== null) ?? []
  if (day === undefined) return Number.NaN
  // Only the asctime form lacks its zone, and Date.parse would read it as local time.
  const time = Date.parse(text.endsWith("GMT") ? text : `${text} GMT`)
  // Date.parse makes March of the 30th of February.
  return new Date(time).getUTCDate() === Number(day) ? time : Number.NaN
}
