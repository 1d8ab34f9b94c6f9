import "./button.css"
import type { ComponentChildren } from "preact"
import { useRef, useState } from "preact/hooks"

import { inWords } from "../api/problem.ts"
import { type Capability, can } from "../session/state.ts"
import { sayWrong } from "./toast.tsx"

interface Props {
  children: ComponentChildren
  kind?: "primary" | "plain" | "danger" | "quiet"
  type?: "button" | "submit"
  disabled?: boolean
  title?: string
  /** What a customer's token must allow for it; without that the button is not there. */
  needs?: Capability
  /** A question that is asked first; what happens, and what cannot be undone. */
  confirm?: string
  /** While it runs the button is busy; what it throws is said in words. */
  onClick?: () => unknown
}

/** A button that does one thing, perhaps after a question. */
export function Button({
  children,
  kind = "plain",
  type = "button",
  disabled,
  title,
  needs,
  confirm,
  onClick,
}: Props) {
  const [isBusy, setBusy] = useState(false)
  const question = useRef<HTMLDialogElement>(null)

  async function run() {
    setBusy(true)
    try {
      await onClick?.()
    } catch (error) {
      sayWrong(inWords(error))
    } finally {
      setBusy(false)
    }
  }
  function press() {
    if (confirm === undefined) void run()
    else question.current?.showModal()
  }

  if (needs !== undefined && !can(needs)) return null
  return (
    <>
      <button
        type={type}
        class={`button button-${kind}`}
        disabled={disabled === true || isBusy}
        aria-busy={isBusy}
        title={title}
        onClick={onClick && press}
      >
        {children}
      </button>
      {confirm !== undefined && (
        <dialog ref={question} class="question" aria-label="Are you sure?">
          <p>{confirm}</p>
          <div class="buttons">
            <button type="button" class="button button-plain" onClick={() => question.current?.close()}>
              Cancel
            </button>
            <button
              type="button"
              class={`button button-${kind === "danger" ? "danger" : "primary"}`}
              onClick={() => {
                question.current?.close()
                void run()
              }}
            >
              {children}
            </button>
          </div>
        </dialog>
      )}
    </>
  )
}

/** A link that looks like a button: it leads somewhere, and does nothing. */
export function ButtonLink({
  href,
  kind = "plain",
  children,
}: { href: string } & Pick<Props, "kind" | "children">) {
  return (
    <a href={href} class={`button button-${kind}`}>
      {children}
    </a>
  )
}
