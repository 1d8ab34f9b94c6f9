import type { Deps } from "../../platform/deps.ts"
import { SLOW_AFTER_MS } from "../rules/endpoint-health.ts"
import type { Attempt } from "./attempt.ts"
import type { Owed } from "./claim.ts"

/** The runtime lets six requests wait for response headers; a seventh would queue with its timer running. */
const LANES = 6

/**
 * Attempts what is owed in six lanes, at most `perEndpoint` of them for one endpoint, so that whoever hangs
 * keeps nobody else waiting. Starts nothing after its `startBy`, and nothing more for an endpoint that has let one
 * attempt wait too long, or asks for a pause. What is not in the answer was not started.
 */
export async function attemptAll(
  deps: Deps,
  owed: readonly Owed[],
  perEndpoint: number,
  send: (owed: Owed) => Promise<Attempt>,
): Promise<Map<Owed, Attempt>> {
  const waiting = [...owed]
  const running = new Map<string, number>()
  const stalled = new Set<string>()
  const made = new Map<Owed, Attempt>()

  function next(): Owed | undefined {
    const now = deps.clock.now()
    const index = waiting.findIndex(
      ({ endpoint, startBy }) =>
        now <= startBy && !stalled.has(endpoint.id) && (running.get(endpoint.id) ?? 0) < perEndpoint,
    )
    return index < 0 ? undefined : waiting.splice(index, 1)[0]
  }

  // A lane ends when all that waits is for endpoints with their share of lanes; those lanes go on with it.
  async function lane(): Promise<void> {
    for (let one = next(); one; one = next()) {
      const { id } = one.endpoint
      running.set(id, (running.get(id) ?? 0) + 1)
      const attempt = await send(one)
      running.set(id, (running.get(id) ?? 1) - 1)
      const asksForPause = (attempt.retryAfterMs ?? 0) > 0
      if (attempt.durationMs > SLOW_AFTER_MS || asksForPause) stalled.add(id)
      made.set(one, attempt)
    }
  }

  await Promise.all(Array.from({ length: Math.min(LANES, owed.length) }, lane))
  return made
}

/** An endpoint that is alone in its batch may use all lanes; of several, each gets a third. */
export function fairShare(owed: readonly Owed[]): number {
  return new Set(owed.map(({ endpoint }) => endpoint.id)).size === 1 ? LANES : LANES / 3
}
