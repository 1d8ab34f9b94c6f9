import type { Schemas } from "../../api/client.ts"
import { State } from "../../ui/state.tsx"

type Task = Schemas["BackgroundTaskOut"]

/** How far a task is, in a word. */
export function TaskState({ task: { status, data } }: { task: Task }) {
  if (status === "running") return <State tone="busy">Running</State>
  if (status === "finished") return <State tone="good">Finished</State>
  return data.reason === "canceled" ? <State tone="idle">Canceled</State> : <State tone="bad">Failed</State>
}

/** What a task does. */
export function taskName({ task }: Pick<Task, "task">): string {
  return task === "endpoint.recover" ? "Recover an endpoint" : task
}
