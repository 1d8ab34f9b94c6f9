const MINUTE_MS = 60_000

/** A delivery of a recent event, as it counts for the pace; times in epoch ms. */
export interface PacedDelivery {
  status: "pending" | "delivered" | "failed" | "canceled"
  attempts: number
  /** When its event came in. */
  publishedAt: number
  /** When its first attempt started; null: it was put off, and is no part of the lag. */
  attemptedAt: number | null
}

/** How fast events come in and go out, as the newest of them tell. */
export interface Pace {
  eventsPerMinute: number
  deliveriesPerMinute: number
  /** The share of what was attempted that has been taken; null: nothing was. */
  success: number | null
  /** From an event's coming in to its first attempt; null: none was made. */
  lagP50Ms: number | null
  lagP95Ms: number | null
}

/**
 * The pace at `now` of a sample: the newest events, each by when it came in, newest first, and their
 * deliveries. A sample that is `cut` and younger than a minute stands for the rest of its minute.
 */
export function paceOf(
  publishedAt: readonly number[],
  deliveries: readonly PacedDelivery[],
  { now, isCut }: { now: number; isCut: boolean },
): Pace {
  const since = now - MINUTE_MS
  const oldest = publishedAt.at(-1) ?? since
  const spanMs = isCut && oldest > since ? Math.max(1, now - oldest) : MINUTE_MS
  const perMinute = (times: readonly number[]) =>
    Math.round((times.filter((at) => at > since).length * MINUTE_MS) / spanMs)
  const made = deliveries.filter(({ attempts }) => attempts > 0)
  const lags = deliveries
    .flatMap(({ attemptedAt, publishedAt }) =>
      attemptedAt === null ? [] : [Math.max(0, attemptedAt - publishedAt)],
    )
    .toSorted((a, b) => a - b)
  return {
    eventsPerMinute: perMinute(publishedAt),
    deliveriesPerMinute: perMinute(deliveries.map(({ publishedAt }) => publishedAt)),
    success:
      made.length === 0 ? null : made.filter(({ status }) => status === "delivered").length / made.length,
    lagP50Ms: at(lags, 0.5),
    lagP95Ms: at(lags, 0.95),
  }
}

/** The value that so large a share of them, sorted, does not exceed; null: there is none. */
function at(sorted: readonly number[], share: number): number | null {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? null
}
