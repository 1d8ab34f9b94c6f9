import { useQuery } from "../../frame/query.ts"
import { useTypes } from "./types.ts"

/** Shows the messages of one event type alone; nothing where there is no choice. */
export function TypeFilter() {
  const [type, setType] = useQuery("type", "")
  const types = useTypes()
  if (types.length < 2) return null
  return (
    <label class="inline-label">
      <span class="quiet">Type</span>
      <select class="input" value={type} onChange={(event) => setType(event.currentTarget.value)}>
        <option value="">All</option>
        {types.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  )
}
