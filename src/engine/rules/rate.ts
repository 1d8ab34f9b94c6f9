/**
 * What nobody made use of while something waited is made up for, as far back as this: we were
 * late, not the receiver.
 */
const MADE_UP_MS = 5_000

/**
 * How many deliveries a second an endpoint or an application takes, and until when what
 * was sent uses that up.
 */
export interface Rate {
  perSecond: number
  usedUntil: number | null
}

/**
 * Until when (epoch ms) `count` deliveries sent at `now` use up a rate. Counted from where the last ones
 * ended, so that waking up late costs nothing; but from no earlier than something has waited for it, `since`:
 * a rate is not saved up.
 */
export function usedUntil(rate: Rate, count: number, { since, now }: { since: number; now: number }): number {
  const from = Math.max(rate.usedUntil ?? 0, Math.min(since, now), now - MADE_UP_MS)
  return Math.round(from + (count * 1000) / rate.perSecond)
}
