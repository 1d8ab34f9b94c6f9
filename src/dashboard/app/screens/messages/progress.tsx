import type { Schemas } from "../../api/client.ts"
import { State, type Tone } from "../../ui/state.tsx"

export type Progress = Schemas["MessageProgressOut"]["data"][number]

/** `3/4 delivered`: of the endpoints that the message was made deliveries for. */
export function ProgressState({ progress }: { progress: Progress }) {
  const { delivered, pending, retrying, failed, canceled } = progress
  const owed = delivered + pending + retrying + failed + canceled
  if (owed === 0) return <State tone="idle">Nobody</State>
  const words = `${delivered} delivered, ${retrying} retrying, ${pending} pending, ${failed} failed, ${canceled} canceled`
  return (
    <State tone={toneOf(progress)} title={words}>
      {delivered}/{owed} delivered
    </State>
  )
}

/** As the worst of them is. */
function toneOf({ pending, retrying, failed, canceled }: Progress): Tone {
  if (failed > 0) return "bad"
  if (retrying > 0) return "warn"
  if (pending > 0) return "busy"
  return canceled > 0 ? "idle" : "good"
}
