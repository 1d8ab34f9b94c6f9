/** One wide line per unit of work; ids and durations, never a secret, a header value or a payload. */
export interface LogLine {
  unit:
    | "request"
    | "dispatch"
    | "attempt"
    | "drain"
    | "ping"
    | "recover"
    | "upload"
    | "sweep"
    | "retention"
    | "job"
    | "fault"
  [field: string]: unknown
}

export type Log = (line: LogLine) => void

/** Writes the line as JSON, which Workers observability indexes by field. */
export const consoleLog: Log = (line) => {
  console.log(JSON.stringify({ at: new Date().toISOString(), ...line }))
}
