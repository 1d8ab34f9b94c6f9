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
export function VerdictState({
  verdict: { verdict, nextAttempt },
  isTried = false,
}: {
  verdict: Verdict
  /** An attempt was made, as far as is known. */
  isTried?: boolean
}) {
  const [tone, words] = WORDS[verdict]
  return verdict === "pending" && nextAttempt !== null && isTried ? (
    <State tone="warn">Retrying</State>
  ) : (
    <State tone={tone}>{words}</State>
  )
}
