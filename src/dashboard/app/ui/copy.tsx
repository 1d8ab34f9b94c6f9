import "./copy.css"
import { useState } from "preact/hooks"

import { CheckIcon, CopyIcon } from "./icon.tsx"
import { sayWrong } from "./toast.tsx"

const SHOWN_MS = 1_500

/** A small button that copies a text; `what` says which, to whoever cannot see where it stands. */
export function Copy({ text, what }: { text: string; what: string }) {
  const [isDone, setDone] = useState(false)
  async function copy() {
    try {
      await navigator.clipboard.writeText(text)
    } catch {
      sayWrong("The browser does not let this page copy: select the text, and copy it by hand.")
      return
    }
    setDone(true)
    setTimeout(() => setDone(false), SHOWN_MS)
  }
  return (
    <button
      type="button"
      class="copy"
      aria-label={`Copy ${what}`}
      title={`Copy ${what}`}
      onClick={() => void copy()}
    >
      {isDone ? <CheckIcon /> : <CopyIcon />}
    </button>
  )
}

/** An id: in full for whoever copies or hovers, its end for whoever reads. */
export function Id({ id, what = "id", isShort = false }: { id: string; what?: string; isShort?: boolean }) {
  return (
    <span class="id">
      <code title={id}>{isShort ? shortened(id) : id}</code>
      <Copy text={id} what={what} />
    </span>
  )
}

/** `evt_…8e9f0a1b`: what ids have in common, times, stands at their beginning. */
function shortened(id: string): string {
  return id.length <= 18 ? id : `${/^[a-z]+_/.exec(id)?.[0] ?? ""}…${id.slice(-8)}`
}
