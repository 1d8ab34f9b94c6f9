const ROUNDS = 1_000_000

/**
 * Milliseconds that a fixed piece of work takes here and now, by the wall. What takes so many times as long and no longer
 * does so on a slow machine as on a quick one.
 */
export function pace(): number {
  const started = performance.now()
  let sum = 0
  for (let round = 0; round < ROUNDS; round++) sum = (sum * 31 + round) % 65_521
  if (sum < 0) throw new Error("It counts upward")
  return Math.max(1, performance.now() - started)
}
