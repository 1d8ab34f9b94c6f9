import "./state.css"
import type { ComponentChildren } from "preact"

/** How something stands: it is well, it is not, it needs a look, it is at work, or nothing happens with it. */
export type Tone = "good" | "bad" | "warn" | "busy" | "idle"

/** A word with its colour; the word alone says all. */
export function State({
  tone,
  title,
  children,
}: {
  tone: Tone
  title?: string
  children: ComponentChildren
}) {
  return (
    <span class={`state state-${tone}`} title={title}>
      {children}
    </span>
  )
}

export interface Chip<Value extends string> {
  value: Value
  label: string
  /** How many there are; nothing where nobody has counted. */
  count?: number | undefined
  /** There may be more than were counted. */
  isAtLeast?: boolean
  tone?: Tone
}

/** Filters of which one is on, each with how many it would show. */
export function Chips<Value extends string>({
  label,
  chips,
  value,
  onChange,
}: {
  label: string
  chips: readonly Chip<Value>[]
  value: Value
  onChange: (value: Value) => void
}) {
  return (
    <fieldset class="chips">
      <legend class="unseen">{label}</legend>
      {chips.map((chip) => (
        <button
          key={chip.value}
          type="button"
          class={`chip ${chip.tone ? `chip-${chip.tone}` : ""}`}
          aria-pressed={chip.value === value}
          onClick={() => onChange(chip.value)}
        >
          {chip.label}
          {chip.count !== undefined && (
            <span class="chip-count number">
              {chip.count.toLocaleString()}
              {chip.isAtLeast && "+"}
            </span>
          )}
        </button>
      ))}
    </fieldset>
  )
}
