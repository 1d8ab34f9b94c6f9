import "./form.css"
import type { ComponentChildren } from "preact"
import { useState } from "preact/hooks"

import { inWords, Problem } from "../api/problem.ts"
import { Button } from "./button.tsx"

/** What is wrong with the fields of a form, by their names in the body. */
export type Errors = Readonly<Record<string, string>>

/** Fields and what is done with them: what is refused is said at its field, or else above the button. */
export function Form({
  title,
  about,
  verb,
  submit,
  beside,
  children,
}: {
  title: string
  about?: ComponentChildren
  /** What the button says. */
  verb: string
  submit: () => Promise<void>
  /** What stands beside the button. */
  beside?: ComponentChildren
  children: (errors: Errors) => ComponentChildren
}) {
  const [problem, setProblem] = useState<unknown>(null)
  const [isBusy, setBusy] = useState(false)
  const errors = problem instanceof Problem ? problem.fields : {}
  const isSaidAtFields = Object.keys(errors).some((name) => name !== "")

  async function run() {
    setBusy(true)
    setProblem(null)
    try {
      await submit()
    } catch (error) {
      setProblem(error)
    } finally {
      setBusy(false)
    }
  }
  return (
    <form
      class="card padded form"
      aria-label={title}
      onSubmit={(event) => {
        event.preventDefault()
        if (!isBusy) void run()
      }}
    >
      <h2>{title}</h2>
      {about && <p class="quiet">{about}</p>}
      <div class="form-fields">{children(errors)}</div>
      {problem !== null && !isSaidAtFields && (
        <p class="field-error wraps" role="alert">
          {inWords(problem)}
        </p>
      )}
      <div class="buttons">
        <Button kind="primary" type="submit" disabled={isBusy}>
          {verb}
        </Button>
        {beside}
      </div>
    </form>
  )
}
