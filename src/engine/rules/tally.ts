import type { ErrorClass } from "./outcome.ts"

export const HOUR_MS = 3600_000

/** How an attempt ended: the hundred of the status that came, or why none did. */
export type ResultClass = `${1 | 2 | 3 | 4 | 5}xx` | ErrorClass

/** One attempt as it is counted; `at` is when it started, epoch ms. */
export interface CountedAttempt {
  at: number
  statusCode: number | null
  error: ErrorClass | null
  durationMs: number
  /** Null: nobody knows any more. */
  eventType: string | null
}

/** Counts of some attempts, which can be added up. */
export interface Tally {
  results: Partial<Record<ResultClass, number>>
  /** Successes and failures by event type; those of no type, or of one too many, under the empty name. */
  types: [eventType: string, success: number, fail: number][]
  /** How many requests took how long, by the steps of `DURATION_STEPS_MS`. */
  durations: number[]
  lastSuccessAt: number | null
  lastFailureAt: number | null
}

/**
 * Each step ends below this many milliseconds, the last one nowhere: fine where answers are
 * quick, a third apart beyond.
 */
export const DURATION_STEPS_MS = [
  5, 10, 20, 30, 50, 75, 100, 150, 200, 300, 400, 550, 750, 1_000, 1_300, 1_700, 2_300, 3_000, 4_000, 5_500,
  7_500, 10_000, 13_000, 17_000, 30_000,
] as const

/** Event types that one tally tells apart. */
export const TALLIED_TYPES = 20
const OTHER_TYPES = ""

/** The hour in which a moment lies, as its first millisecond. */
export function hourOf(at: number): number {
  return at - (at % HOUR_MS)
}

/** The counts of these attempts. */
export function tallyOf(attempts: readonly CountedAttempt[]): Tally {
  return addTallies(attempts.map(tallyOfOne))
}

/** The counts of all of them together. */
export function addTallies(tallies: readonly Tally[]): Tally {
  const results: Tally["results"] = {}
  const types = new Map<string, [number, number]>()
  const durations: number[] = []
  for (const tally of tallies) {
    for (const [name, count] of Object.entries(tally.results) as [ResultClass, number][]) {
      results[name] = (results[name] ?? 0) + count
    }
    for (const [eventType, success, fail] of tally.types) {
      const fits = types.has(eventType) || eventType === OTHER_TYPES || named(types) < TALLIED_TYPES
      const name = fits ? eventType : OTHER_TYPES
      const [successes, failures] = types.get(name) ?? [0, 0]
      types.set(name, [successes + success, failures + fail])
    }
    for (const [step, count] of tally.durations.entries()) durations[step] = (durations[step] ?? 0) + count
  }
  return {
    results,
    types: [...types].map(([eventType, [success, fail]]) => [eventType, success, fail]),
    durations,
    lastSuccessAt: latest(tallies.map(({ lastSuccessAt }) => lastSuccessAt)),
    lastFailureAt: latest(tallies.map(({ lastFailureAt }) => lastFailureAt)),
  }
}

/** How many of the attempts were taken, and how many were not. */
export function outcomesOf({ results }: Tally): { success: number; fail: number } {
  const all = Object.values(results).reduce((sum, count) => sum + count, 0)
  const success = results["2xx"] ?? 0
  return { success, fail: all - success }
}

/**
 * What so large a share (0.5 is the median) of the requests took at most, in ms, estimated within the step
 * where it lies; null: none was made.
 */
export function durationOf({ durations }: Tally, share: number): number | null {
  const all = durations.reduce((sum, count) => sum + count, 0)
  if (all === 0) return null
  const wanted = share * all
  let before = 0
  for (const [step, count] of durations.entries()) {
    if (before + count >= wanted && count > 0) {
      const from = DURATION_STEPS_MS[step - 1] ?? 0
      const to = DURATION_STEPS_MS[step] ?? from
      return Math.round(from + ((wanted - before) / count) * (to - from))
    }
    before += count
  }
  return null
}

function tallyOfOne({ at, statusCode, error, durationMs, eventType }: CountedAttempt): Tally {
  const result = resultOf(statusCode, error)
  const success = result === "2xx"
  const durations = Array<number>(DURATION_STEPS_MS.length + 1).fill(0)
  // What was refused before it was sent has taken no time.
  if (result !== "refused-target" && result !== "internal") durations[stepOf(durationMs)] = 1
  return {
    results: { [result]: 1 },
    types: [[eventType ?? OTHER_TYPES, Number(success), Number(!success)]],
    durations,
    lastSuccessAt: success ? at : null,
    lastFailureAt: success ? null : at,
  }
}

/** How an attempt ended. */
export function resultOf(statusCode: number | null, error: ErrorClass | null): ResultClass {
  if (statusCode === null) return error ?? "internal"
  return `${Math.floor(statusCode / 100)}xx` as ResultClass
}

function stepOf(durationMs: number): number {
  const step = DURATION_STEPS_MS.findIndex((end) => durationMs < end)
  return step === -1 ? DURATION_STEPS_MS.length : step
}

function named(types: ReadonlyMap<string, unknown>): number {
  return types.size - Number(types.has(OTHER_TYPES))
}

function latest(times: readonly (number | null)[]): number | null {
  return times.reduce((last, at) => (last === null || (at !== null && at > last) ? at : last), null)
}
