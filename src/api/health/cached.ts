import { getSystemHealth, type SystemHealth } from "../../engine/upkeep/health.ts"
import type { Deps } from "../../platform/deps.ts"

const CACHED_MS = 5_000
/** A failure is looked at again soon, so that a repair shows. */
const FAILURE_CACHED_MS = 1_000

/** Answers the system's health, as of a moment ago. */
export type Look = (deps: Deps) => Promise<SystemHealth>

/** A look at the system's health with a memory: one every few seconds per isolate, however many ask. */
export function cachedHealth(): Look {
  let cached: { health: SystemHealth; until: number } | null = null
  return async (deps) => {
    const now = deps.clock.now()
    if (cached !== null && cached.until > now) return cached.health
    // Who comes during this look gets what the last one saw.
    if (cached !== null) cached.until = now + FAILURE_CACHED_MS
    const health = await getSystemHealth(deps)
    cached = { health, until: now + (health.status === "failing" ? FAILURE_CACHED_MS : CACHED_MS) }
    return health
  }
}
