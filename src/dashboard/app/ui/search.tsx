import "./search.css"
import { useEffect, useState } from "preact/hooks"

import { SearchIcon } from "./icon.tsx"

/** Nobody is asked while somebody is still typing. */
const PAUSE_MS = 250

/** What is looked for; the key / leads here. */
export function Search({
  label,
  value,
  onChange,
}: {
  label: string
  value: string
  onChange: (value: string) => void
}) {
  const [typed, setTyped] = useState(value)
  useEffect(() => setTyped(value), [value])
  useEffect(() => {
    if (typed === value) return
    const timer = setTimeout(() => onChange(typed), PAUSE_MS)
    return () => clearTimeout(timer)
  }, [typed])
  return (
    <div class="search">
      <SearchIcon />
      <input
        class="input"
        type="search"
        aria-label={label}
        placeholder={label}
        value={typed}
        onInput={(event) => setTyped(event.currentTarget.value)}
      />
    </div>
  )
}
