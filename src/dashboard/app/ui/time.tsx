import { now } from "../live/now.ts"

const DAY_MS = 24 * 3600 * 1000
const UNITS: readonly [ms: number, letter: string][] = [
  [DAY_MS, "d"],
  [3600_000, "h"],
  [60_000, "m"],
  [1_000, "s"],
]

const clock = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
})
const dated = new Intl.DateTimeFormat(undefined, {
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
})

const longAgo = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric" })

/** When something was, by the reader's own clock; the exact UTC shows on hover. */
export function Time({ at }: { at: string }) {
  const date = new Date(at)
  const today = new Date(now.peek())
  const isToday = date.toDateString() === today.toDateString()
  const format = isToday ? clock : date.getFullYear() === today.getFullYear() ? dated : longAgo
  return (
    <time class="number" dateTime={at} title={at}>
      {format.format(date)}
    </time>
  )
}

/** When something was, for what holds a text alone. */
export function inText(at: string): string {
  return dated.format(new Date(at))
}

/** How long ago something was, or how long it will take until it is; it goes on counting. In a list one unit says enough. */
export function Ago({ at, isShort = false }: { at: string; isShort?: boolean }) {
  const ms = Date.parse(at) - now.value
  const units = isShort ? 1 : 2
  return (
    <time class="number" dateTime={at} title={at}>
      {ms > 0 ? `in ${duration(ms, units)}` : -ms < 1_000 ? "just now" : `${duration(-ms, units)} ago`}
    </time>
  )
}

/** `1 h 52 m`: two units at most, the larger first; under a second in milliseconds. */
export function duration(ms: number, units = 2): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`
  const first = UNITS.findIndex(([unit]) => ms >= unit)
  let rest = ms
  return UNITS.slice(first, first + units)
    .map(([unit, letter]) => {
      const count = Math.floor(rest / unit)
      rest %= unit
      return count === 0 ? "" : `${count} ${letter}`
    })
    .filter(Boolean)
    .join(" ")
}
