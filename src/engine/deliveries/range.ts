import type { Deps } from "../../platform/deps.ts"
import { EngineError } from "../kit/errors.ts"

const DAY_MS = 24 * 3600 * 1000
const MAX_DAYS = 28
/** So that nobody has to mind how clocks differ who asks for the last 28 days. */
const CLOCKS_DIFFER_MS = 5 * 60 * 1000

/**
 * The time from `since` until `until` (epoch ms) that is asked about: the last 28 days if nothing is said.
 * Refuses with `invalid_range` what is longer, or in the future.
 */
export function rangeOf(
  deps: Deps,
  range: { since?: number | undefined; until?: number | undefined },
): { since: number; until: number } {
  const now = deps.clock.now()
  const { until = now, since = until - MAX_DAYS * DAY_MS } = range
  if (until > now + CLOCKS_DIFFER_MS)
    throw new EngineError("invalid_range", "until must not be in the future", "until")
  if (since < until - MAX_DAYS * DAY_MS - CLOCKS_DIFFER_MS)
    throw new EngineError("invalid_range", `since must be at most ${MAX_DAYS} days before until`, "since")
  return { since, until }
}
