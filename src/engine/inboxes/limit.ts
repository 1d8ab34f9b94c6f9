const WINDOW_MS = 1_000
const REQUESTS_PER_INBOX = 20
const REQUESTS_IN_ALL = 200

/**
 * How many requests an isolate takes a second, of each inbox and of all together, so that a stranger's flood
 * stops before it reaches D1. It is a bound, not a promise: other isolates count for themselves.
 */
export function createLimit() {
  let window = 0
  let total = 0
  let counts = new Map<string, number>()
  return (inbox: string, now: number): boolean => {
    const current = Math.floor(now / WINDOW_MS)
    if (current !== window) [window, total, counts] = [current, 0, new Map()]
    const count = (counts.get(inbox) ?? 0) + 1
    if (count > REQUESTS_PER_INBOX || ++total > REQUESTS_IN_ALL) return false
    counts.set(inbox, count)
    return true
  }
}
