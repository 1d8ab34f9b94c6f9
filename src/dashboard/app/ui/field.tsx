import "./field.css"
import type { ComponentChildren } from "preact"
import { useId } from "preact/hooks"

interface Field {
  label: string
  /** What to know before filling it in. */
  hint?: ComponentChildren
  /** What to change: a Problem's `fields` have it by name. */
  error?: string | undefined
  /** It takes a line of its own. */
  isWide?: boolean | undefined
}

interface TextProps extends Field {
  value: string
  onChange: (value: string) => void
  type?: "text" | "url" | "password" | "search"
  placeholder?: string
  required?: boolean
  /** The keyboard that a phone shows. */
  inputMode?: "decimal" | "numeric"
  disabled?: boolean
  autoFocus?: boolean
  /** What is code rather than words: ids, URLs, tokens. */
  mono?: boolean
}

export function TextField({
  label,
  hint,
  error,
  isWide,
  onChange,
  mono,
  type = "text",
  ...input
}: TextProps) {
  return (
    <Labelled label={label} hint={hint} error={error} isWide={isWide}>
      {(ids) => (
        <input
          {...ids}
          {...input}
          // The typings know one type at a time.
          type={type as "text"}
          class={`input ${mono ? "mono" : ""}`}
          autoComplete="off"
          spellcheck={false}
          onInput={(event) => onChange(event.currentTarget.value)}
        />
      )}
    </Labelled>
  )
}

export function TextArea({
  label,
  hint,
  error,
  isWide,
  onChange,
  rows = 6,
  ...input
}: Field & { value: string; onChange: (value: string) => void; rows?: number; disabled?: boolean }) {
  return (
    <Labelled label={label} hint={hint} error={error} isWide={isWide}>
      {(ids) => (
        <textarea
          {...ids}
          {...input}
          rows={rows}
          class="input mono"
          spellcheck={false}
          onInput={(event) => onChange(event.currentTarget.value)}
        />
      )}
    </Labelled>
  )
}

export function Select<Value extends string>({
  label,
  hint,
  error,
  value,
  options,
  onChange,
}: Field & {
  value: Value
  options: readonly (readonly [Value, string])[]
  onChange: (value: Value) => void
}) {
  return (
    <Labelled label={label} hint={hint} error={error}>
      {(ids) => (
        <select
          {...ids}
          class="input"
          value={value}
          onChange={(event) => onChange(event.currentTarget.value as Value)}
        >
          {options.map(([option, words]) => (
            <option key={option} value={option}>
              {words}
            </option>
          ))}
        </select>
      )}
    </Labelled>
  )
}

export function Check({
  label,
  hint,
  error,
  isWide,
  value,
  onChange,
}: Field & { value: boolean; onChange: (isOn: boolean) => void }) {
  return (
    <label class={`check ${isWide ? "wide" : ""}`}>
      <input type="checkbox" checked={value} onChange={(event) => onChange(event.currentTarget.checked)} />
      <span>
        {label}
        <Below hint={hint} error={error} />
      </span>
    </label>
  )
}

/** A file of the reader's own machine. */
export function FileField({
  label,
  hint,
  error,
  onChange,
}: Field & { onChange: (file: File | undefined) => void }) {
  return (
    <Labelled label={label} hint={hint} error={error}>
      {(ids) => (
        <input
          {...ids}
          class="input"
          type="file"
          required
          onChange={(event) => onChange(event.currentTarget.files?.[0])}
        />
      )}
    </Labelled>
  )
}

interface Ids {
  id: string
  "aria-describedby"?: string
  "aria-invalid"?: boolean
}

function Labelled({
  label,
  hint,
  error,
  isWide,
  children,
}: Field & { children: (ids: Ids) => ComponentChildren }) {
  const id = useId()
  const below = `${id}-below`
  return (
    <div class={`field ${isWide ? "wide" : ""}`}>
      <label for={id}>{label}</label>
      {children({
        id,
        "aria-invalid": Boolean(error),
        ...((error || hint) && { "aria-describedby": below }),
      })}
      <Below id={below} hint={hint} error={error} />
    </div>
  )
}

/** What is to be changed, or else what to know. */
export function Below({ id, hint, error }: Pick<Field, "hint" | "error"> & { id?: string }) {
  if (error) {
    return (
      <small id={id} class="field-error" role="alert">
        {error}
      </small>
    )
  }
  return hint ? (
    <small id={id} class="field-hint">
      {hint}
    </small>
  ) : null
}
