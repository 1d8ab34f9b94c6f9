import type { Clock } from "./clock.ts"
import type { Config } from "./config.ts"
import type { AttemptObserved, Observation, Sink } from "./observations.ts"

/** Attempts that one line shows, those that failed before the others; a batch of the queue makes up to 40. */
const ATTEMPTS_SHOWN = 25

/**
 * Writes each observation as a line. Deployed, it is JSON, which Workers Logs index by field; in open mode,
 * on somebody's own machine, it is short, and JSON only for what went wrong.
 */
export function logSink({ authMode }: Pick<Config, "authMode">, clock: Pick<Clock, "now">): Sink {
  const toLine = authMode === "open" ? shortLine : jsonLine
  return (observation) => console.log(toLine(observation, clock.now()))
}

/** The observation as JSON on one line, with its time (epoch ms) in front. */
export function jsonLine(observation: Observation, at: number): string {
  return JSON.stringify({ at: new Date(at).toISOString(), ...observation, ...attemptsShown(observation) })
}

/** `18:02:11 POST /users 200 4ms`, in UTC. */
export function shortLine(observation: Observation, at: number): string {
  const text = shortText(observation)
  return text === null ? jsonLine(observation, at) : `${new Date(at).toISOString().slice(11, 19)} ${text}`
}

function attemptsShown(observation: Observation) {
  if (!("attempts" in observation) || observation.attempts.length <= ATTEMPTS_SHOWN) return {}
  const failedFirst = observation.attempts.toSorted((a, b) => Number(isDelivered(a)) - Number(isDelivered(b)))
  return {
    attempts: failedFirst.slice(0, ATTEMPTS_SHOWN),
    attemptsLeftOut: observation.attempts.length - ATTEMPTS_SHOWN,
  }
}

function isDelivered({ outcome }: AttemptObserved): boolean {
  return outcome === "delivered"
}

/** Null for what went wrong on our side: that is worth all that is known. */
function shortText(observation: Observation): string | null {
  switch (observation.unit) {
    case "request": {
      const { method, path, status, durationMs, error } = observation
      return error === undefined ? `${method} ${path} ${status} ${durationMs}ms` : null
    }
    case "dispatch":
    case "stragglers":
    case "drain":
    case "ping":
    case "resend": {
      const { unit, attempts, durationMs } = observation
      const answers = attempts.map(({ status, error }) => status ?? error)
      return [unit, ...shortened(answers), `${durationMs}ms`].join(" ")
    }
    case "fan-out":
      return `fan-out ${observation.deliveries} deliveries ${observation.durationMs}ms`
    case "task":
      return `task ${observation.kind} ${observation.status} ${observation.processed} ${observation.durationMs}ms`
    case "upload":
      return `upload ${observation.uploadId} ${observation.state} ${observation.durationMs}ms`
    case "sweep":
      return `sweep ${counts({ ...observation.found, ...observation.done })}${observation.durationMs}ms`
    case "job":
    case "fault":
      return null
  }
}

/** `200 ×3 timeout`: what there is, and how often. */
function shortened(answers: readonly (string | number | null)[]): string[] {
  return [...Map.groupBy(answers, (answer) => answer)].map(([answer, { length }]) =>
    length === 1 ? `${answer}` : `${answer} ×${length}`,
  )
}

function counts(found: Readonly<Record<string, number>>): string {
  return Object.entries(found)
    .map(([name, count]) => `${name} ${count} `)
    .join("")
}
