import type { Schemas } from "../../api/client.ts"
import { State, type Tone } from "../../ui/state.tsx"

type Verdict = Schemas["EndpointVerdictOut"]

const WORDS: Record<Verdict["verdict"], readonly [Tone, string]> = {
  delivered: ["good", "Delivered"],
  pending: ["busy", "Pending"],
  failed: ["bad", "Failed"],
  canceled: ["idle", "Canceled"],
  "no-delivery": ["idle", "Not sent"],
}

/** What became of a message at an endpoint, in a word. */
export function VerdictState({ verdict: { verdict, nextAttempt } }: { verdict: Verdict }) {
  const [tone, words] = WORDS[verdict]
  return verdict === "pending" && nextAttempt !== null ? (
    <State tone="warn">Retrying</State>
  ) : (
    <State tone={tone}>{words}</State>
  )
}

/** `3/4 delivered`: of the endpoints that the message is owed to. */
export function deliveredOf(verdicts: readonly Verdict[]): string {
  const owed = verdicts.filter(({ verdict }) => verdict !== "no-delivery")
  if (owed.length === 0) return "Nobody gets it"
  return `${owed.filter(({ verdict }) => verdict === "delivered").length}/${owed.length} delivered`
}
