import type { Schemas } from "../../api/client.ts"
import { State, type Tone } from "../../ui/state.tsx"

type Row = Schemas["Upload"]["data"]

const STATES: Record<Row["state"], readonly [Tone, string]> = {
  received: ["idle", "Received"],
  processing: ["busy", "Processing"],
  completed: ["good", "Completed"],
  failed: ["bad", "Failed"],
}

/** How far an upload is, in a word. */
export function UploadState({ upload: { state, failure } }: { upload: Row }) {
  const [tone, words] = STATES[state]
  return (
    <State tone={tone} {...(failure !== null && { title: failure })}>
      {words}
    </State>
  )
}
