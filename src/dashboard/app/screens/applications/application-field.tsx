import { api, ask } from "../../api/client.ts"
import { useLive } from "../../live/live.ts"
import { Select } from "../../ui/field.tsx"

/** As many as a list may be read in. */
const MOST = 250
/** It tells of the others, and has nothing to do with what customers get. */
const OPERATIONS = "app_operations"

/** One of the applications: those that come with the system first, then the newest. */
export function ApplicationField({
  label = "Application",
  hint,
  value,
  onChange,
}: {
  label?: string
  hint?: string
  value: string
  onChange: (application: string) => void
}) {
  const { data } = useLive(
    (signal) =>
      ask(api.GET("/api/v1/app", { params: { query: { limit: MOST, order: "descending" } }, signal })),
    [],
    { isOn: false },
  )
  const known = (data?.data ?? []).filter(({ id }) => id !== OPERATIONS)
  return (
    <Select
      label={label}
      hint={hint}
      value={value}
      onChange={onChange}
      options={known.map(({ id, uid, name }) => [uid ?? id, uid && uid !== name ? `${name} (${uid})` : name])}
    />
  )
}
