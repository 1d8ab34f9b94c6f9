import type { Schemas } from "../../api/client.ts"
import { State } from "../../ui/state.tsx"

/** Whether a type can be sent, in a word. */
export function TypeState({
  type: { archived, deprecated },
}: {
  type: Pick<Schemas["EventTypeOut"], "archived" | "deprecated">
}) {
  if (archived) return <State tone="idle">Archived</State>
  return deprecated ? <State tone="warn">Deprecated</State> : <State tone="good">In use</State>
}
