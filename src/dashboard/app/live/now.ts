import { signal } from "@preact/signals"

const TICK_MS = 1_000

/** The time, to the second, for whatever counts down or says how long ago something was. */
export const now = signal(Date.now())

setInterval(() => {
  if (!document.hidden) now.value = Date.now()
}, TICK_MS)
