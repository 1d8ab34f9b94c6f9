import "./form.css"
import type { ComponentChildren } from "preact"
import { useState } from "preact/hooks"

import { inWords } from "../api/problem.ts"
import { Button } from "./button.tsx"
import { areAllAt, faultAt, faultsOf } from "./faults.ts"
import { say } from "./toast.tsx"

/** What a field shows, how it is changed and what is wrong with it: to be spread into the field. */
export interface Bound<Value> {
  value: Value
  onChange: (value: Value) => void
  error: string | undefined
}

/** A form's values by their names, each as its field takes it. */
export type FieldsOf<Values> = { readonly [Name in keyof Values]: Bound<Values[Name]> }

/**
 * Fields, and an operation that is called with their values. These have the names that the body of the request has: what
 * is refused is said at its field, and above the button where it has none.
 */
export function Form<Values extends object>({
  title,
  about,
  verb,
  initially,
  submit,
  cleared,
  reload,
  cancel,
  children,
}: {
  title: string
  about?: string
  /** What the button says. */
  verb: string
  initially: Values
  /** Does it, and answers in words what was done. */
  submit: (values: Values) => Promise<string>
  /** What fields hold once it is done; the others keep what was typed. */
  cleared?: Partial<Values>
  /** Asks anew for what was changed. */
  reload?: () => Promise<unknown>
  cancel?: () => void
  children: (fields: FieldsOf<Values>) => ComponentChildren
}) {
  const [values, setValues] = useState(initially)
  const [problem, setProblem] = useState<unknown>(null)
  const [isBusy, setBusy] = useState(false)

  const faults = faultsOf(problem)
  const names = Object.keys(values)
  const fields = names.map((name) => [
    name,
    {
      value: values[name as keyof Values],
      onChange: (value: unknown) => setValues((now) => ({ ...now, [name]: value })),
      error: faultAt(name, faults),
    },
  ])

  async function run() {
    setBusy(true)
    setProblem(null)
    try {
      say(await submit(values))
      setValues((now) => ({ ...now, ...cleared }))
      await reload?.()
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
      <div class="form-fields">{children(Object.fromEntries(fields) as FieldsOf<Values>)}</div>
      {problem !== null && !areAllAt(names, faults) && (
        <p class="field-error wraps" role="alert">
          {inWords(problem)}
        </p>
      )}
      <div class="buttons">
        <Button kind="primary" type="submit" disabled={isBusy}>
          {verb}
        </Button>
        {cancel && (
          <Button kind="quiet" onClick={cancel}>
            Cancel
          </Button>
        )}
      </div>
    </form>
  )
}
