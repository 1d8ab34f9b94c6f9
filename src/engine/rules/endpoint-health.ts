import type { Farewell, Outcome } from "./outcome.ts"
import { MAX_RETRY_AFTER_MS } from "./retry-schedule.ts"

/** What we know of an endpoint from its latest attempts; times are epoch milliseconds. */
export interface Health {
  /** When it first took a delivery; null: it never has. */
  provenAt: number | null
  failingSince: number | null
  /** How slow its answers are; null: it is not slow. */
  slowMs: number | null
  pausedUntil: number | null
  /** When it first asked for no more deliveries since its last success. */
  goneAt: number | null
}

/** One finished attempt: started `at`, took `durationMs`; `retryAfterMs` counts from its answer. */
export interface AttemptResult {
  outcome: Outcome
  farewell: Farewell | null
  durationMs: number
  at: number
  retryAfterMs: number | null
}

/**
 * An answer that takes longer is slow. Less than a batch waits: of what was asked early in a batch and is
 * open at its end this much is known by then.
 */
export const SLOW_AFTER_MS = 1_500
/** One that has been slow is quick again when it counts as quicker than this. */
export const QUICK_BELOW_MS = 1_000
/** No answer counts as slower, so that after a timeout, too, a few quick ones will do. */
export const SLOWEST_MS = 4_000
const SLOWNESS_FORGOTTEN_SHARE = 1 / 4

const BREAKER_SHARE = 1 / 8
export const BREAKER_MAX_MS = 5 * 60 * 1_000

const FORGIVEN_AFTER = 2
const MAX_FAILURE_GAP_MS = 12 * 60 * 60 * 1_000
const FAILURE_GAP_SHARE = 1 / 10

/**
 * An endpoint's health after some attempts, and whether to disable it. Attempts refused by us say nothing
 * about the endpoint. One success ends a failing spell, and so does its age (`forgiveAfterMs`). Until then
 * the endpoint is left alone for an eighth of the time it has failed. `gone`: whether `hasGone` says so.
 */
export function afterAttempts(
  health: Health,
  results: readonly AttemptResult[],
  options: { disableAfterMs: number; forgiveAfterMs: number; now: number; gone: boolean },
): { health: Health; disable: Farewell | "failing" | null } {
  const counted = results.filter(({ outcome }) => outcome !== "refused").toSorted((a, b) => a.at - b.at)
  const first = counted[0]
  const last = counted.at(-1)
  if (!first || !last) return { health, disable: null }

  const delivered = counted.some(({ outcome }) => outcome === "delivered")
  const forgiven = first.at - options.forgiveAfterMs
  const spell =
    health.failingSince !== null && health.failingSince >= forgiven ? health.failingSince : first.at
  const failingSince = delivered ? null : spell
  // Measured between failures, not up to now: a single failure, however long it took, is not yet a spell.
  const failedForMs = failingSince === null ? 0 : last.at - failingSince
  const ends = counted.map(({ at, durationMs }) => at + durationMs)
  const pauses = [
    Math.max(...ends) + Math.min(failedForMs * BREAKER_SHARE, BREAKER_MAX_MS),
    ...counted.map(
      ({ at, durationMs, retryAfterMs }) => at + durationMs + Math.min(retryAfterMs ?? 0, MAX_RETRY_AFTER_MS),
    ),
    delivered ? 0 : (health.pausedUntil ?? 0),
  ]
  const pausedUntil = Math.ceil(Math.max(...pauses))

  return {
    health: {
      provenAt: health.provenAt ?? counted.find(({ outcome }) => outcome === "delivered")?.at ?? null,
      failingSince,
      slowMs: counted.reduce((slowMs, { durationMs }) => slownessAfter(slowMs, durationMs), health.slowMs),
      pausedUntil: pausedUntil > options.now ? pausedUntil : null,
      goneAt: goneSince(health, counted),
    },
    disable: options.gone
      ? (counted.findLast(({ farewell }) => farewell !== null)?.farewell ?? "gone")
      : failingSince !== null && hasFailedLongEnough(failingSince, failedForMs, options)
        ? "failing"
        : null,
  }
}

/**
 * The same for an endpoint that has let a request wait for so long, and has not answered it yet. One that has
 * never taken a delivery counts as slow until a quick answer comes.
 */
export function whileOpen(health: Health, waitedMs: number): Health {
  if (waitedMs > SLOW_AFTER_MS) return { ...health, slowMs: slownessAfter(health.slowMs, waitedMs) }
  return turnOf(health) === 1 ? { ...health, slowMs: QUICK_BELOW_MS } : health
}

/**
 * How slow an endpoint is after an answer that took `durationMs`; null: not slow. A slower answer counts at
 * once, a quicker one by a quarter: one quick answer among slow ones makes no endpoint quick, and none is
 * slow for ever after a single slow one. While it is quick there is nothing to remember.
 */
export function slownessAfter(slowMs: number | null, durationMs: number): number | null {
  const tookMs = Math.min(durationMs, SLOWEST_MS)
  if (slowMs === null) return tookMs > SLOW_AFTER_MS ? tookMs : null
  const quickerMs = Math.max(slowMs - tookMs, 0)
  const after = Math.max(tookMs, Math.floor(slowMs - quickerMs * SLOWNESS_FORGOTTEN_SHARE))
  return after < QUICK_BELOW_MS ? null : after
}

/**
 * Whom a batch asks first: who has taken a delivery before (0), then who has not yet
 * (1), then who is slow (2).
 */
export function turnOf({ provenAt, slowMs }: Health): 0 | 1 | 2 {
  if (slowMs !== null) return 2
  return provenAt === null ? 1 : 0
}

/**
 * Whether the attempts, made after `health` was read, say that the endpoint has gone for good. A farewell is
 * believed at once from one that has not been `answering` 2xx; from one that has, when a later attempt says
 * it again without a success between: on a connection that receivers share, bytes that one of them sent too
 * many can become the answer of another.
 */
export function hasGone(health: Health, results: readonly AttemptResult[], answering: boolean): boolean {
  const saysGone = results.some(({ farewell }) => farewell !== null)
  const staying = results.some(({ outcome, farewell }) => outcome === "delivered" && farewell === null)
  return saysGone && !staying && (!answering || health.goneAt !== null)
}

/** When the endpoint first asked for no more deliveries, if no success without such a wish came later. */
function goneSince(health: Health, results: readonly AttemptResult[]): number | null {
  return results.reduce<number | null>((goneAt, { outcome, farewell, at }) => {
    if (farewell !== null) return goneAt ?? at
    return outcome === "delivered" ? null : goneAt
  }, health.goneAt)
}

/**
 * After how long a failure is forgiven when the next one comes: nobody knows how the endpoint was in between.
 * That is twice the time that disables, but longer than the schedule itself leaves an endpoint alone, which
 * would else never be disabled.
 */
export function forgiveAfterMs(disableAfterMs: number, schedule: readonly number[]): number {
  return FORGIVEN_AFTER * Math.max(disableAfterMs, ...schedule.map((seconds) => seconds * 1_000))
}

/** How an endpoint is, in a word: what a person has to know first. */
export type EndpointState = "healthy" | "slow" | "failing" | "paused" | "disabled"

/** The state at `now` (epoch ms): disabled before paused, paused before failing, failing before slow. */
export function stateOf(
  health: Pick<Health, "failingSince" | "pausedUntil" | "slowMs"> & { disabledAt: number | null },
  now: number,
): EndpointState {
  if (health.disabledAt !== null) return "disabled"
  if (health.pausedUntil !== null && health.pausedUntil > now) return "paused"
  if (health.failingSince !== null) return "failing"
  return health.slowMs === null ? "healthy" : "slow"
}

/**
 * Whether an endpoint should get even its first attempts in the retry lane, so that nobody else waits for it.
 */
export function isImpaired(health: Health, now: number): boolean {
  return (
    health.failingSince !== null ||
    health.slowMs !== null ||
    (health.pausedUntil !== null && health.pausedUntil > now)
  )
}

/**
 * The two failures have to lie apart: one that took long must not disable an endpoint when the limit is
 * short.
 */
function hasFailedLongEnough(
  failingSince: number,
  failedForMs: number,
  { disableAfterMs, now }: { disableAfterMs: number; now: number },
): boolean {
  const gapMs = Math.min(MAX_FAILURE_GAP_MS, disableAfterMs * FAILURE_GAP_SHARE)
  return now - failingSince >= disableAfterMs && failedForMs >= gapMs
}
