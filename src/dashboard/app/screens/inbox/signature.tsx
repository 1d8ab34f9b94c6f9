import type { Schemas } from "../../api/client.ts"
import { State, type Tone } from "../../ui/state.tsx"

type Signature = Schemas["InboxRequestOut"]["signature"]

const WORDS: Record<Signature["verdict"], readonly [Tone, string]> = {
  verified: ["good", "Verified"],
  "no-secret": ["idle", "No secret to verify with"],
  unsigned: ["idle", "Not signed"],
  "bad-timestamp": ["bad", "Bad timestamp"],
  "out-of-time": ["warn", "Out of time"],
  "too-long": ["idle", "Too long to verify"],
  mismatch: ["bad", "Does not verify"],
}

/** Whether a request is signed by whom it should be, in a word. */
export function SignatureState({ signature: { verdict, detail } }: { signature: Signature }) {
  const [tone, words] = WORDS[verdict]
  return (
    <State tone={tone} title={detail}>
      {words}
    </State>
  )
}
