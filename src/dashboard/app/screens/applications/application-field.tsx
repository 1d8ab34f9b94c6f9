import type { Schemas } from "../../api/client.ts"
import { useAnswer } from "../../live/answer.ts"
import { Select } from "../../ui/field.tsx"

/** As many as a list may be read in. */
const MOST = 250
/** It tells of the others, and has nothing to do with what customers get. */
const OPERATIONS = "app_operations"
/** What is made at run time has such an id; those that come with the system have names for ids. */
const MADE = /^app_[0-9a-f]{32}$/

type Application = Schemas["ApplicationOut"]

/** The applications to choose from: those that come with the system first, then the newest; undefined before they are known. */
export function useApplications({ isMade = false } = {}): readonly Application[] | undefined {
  const { data } = useAnswer("/api/v1/app", { query: { limit: MOST, order: "descending" } }, { isOn: false })
  return data?.data.filter(({ id }) => id !== OPERATIONS && (!isMade || MADE.test(id)))
}

/** One of the applications, by its uid, or else its id. */
export function ApplicationField({
  applications,
  value,
  onChange,
}: {
  applications: readonly Application[]
  value: string
  onChange: (application: string) => void
}) {
  return (
    <Select
      label="Application"
      value={value}
      onChange={onChange}
      options={applications.map(({ id, uid, name }) => [
        uid ?? id,
        uid && uid !== name ? `${name} (${uid})` : name,
      ])}
    />
  )
}
