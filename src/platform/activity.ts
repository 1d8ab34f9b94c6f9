import type { Deps } from "./deps.ts"

/** Something that happens, as it is shown to those who watch the whole system; times in epoch ms. */
export interface Activity {
  kind: "event" | "attempt" | "task" | "upload"
  /** Its own id, unique within its kind. */
  id: string
  applicationId: string
  /** What it is called: an event's type, a kind of task, a file. */
  name: string
  state: string
  /** When what it is about came in, when the work began, and how long it took; null: not yet. */
  receivedAt: number
  startedAt: number | null
  runtimeMs: number | null
  tries: number
  /** A status code, why none came, why it failed; null: there is nothing to say. */
  result: string | null
  eventId: string | null
  endpointId: string | null
  url: string | null
}

/** What has happened since a time (epoch ms), newest first, a bounded number of it. */
export type ActivitySource = (deps: Deps, since: number) => Promise<Activity[]>
