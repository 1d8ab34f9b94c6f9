import type { Clock } from "../../src/platform/clock.ts"

export interface ManualClock extends Clock {
  /** Moves time, firing the timers that come due on the way. */
  advance(ms: number): void
  /** How many timers are set: a request that is under way has one. */
  timers(): number
  /** What happens while somebody sleeps; by default time just moves on. */
  whileAsleep: (ms: number) => Promise<void>
}

/** A clock that stands still until it is moved. Whoever sleeps moves it, so that no test waits. */
export function manualClock(start = Date.UTC(2026, 0, 15, 12)): ManualClock {
  let now = start
  const timers = new Set<{ at: number; callback: () => void }>()
  const clock: ManualClock = {
    now: () => now,
    advance(ms) {
      now += ms
      for (const timer of [...timers].sort((a, b) => a.at - b.at)) {
        if (timer.at <= now && timers.delete(timer)) timer.callback()
      }
    },
    timers: () => timers.size,
    whileAsleep: async (ms) => clock.advance(ms),
    sleep: (ms) => clock.whileAsleep(ms),
    after(ms, callback) {
      const timer = { at: now + ms, callback }
      timers.add(timer)
      return () => timers.delete(timer)
    },
  }
  return clock
}
