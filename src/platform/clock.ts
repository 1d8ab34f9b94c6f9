/** Time as the engine sees it, so that tests can move it. Epoch milliseconds. */
export interface Clock {
  now(): number
  sleep(ms: number): Promise<void>
  /** Calls back once after `ms` unless the returned function is called first. */
  after(ms: number, callback: () => void): () => void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  after(ms, callback) {
    const timer = setTimeout(callback, ms)
    return () => clearTimeout(timer)
  },
}
