import { Page } from "../../frame/page.tsx"
import { useQuery } from "../../frame/query.ts"
import { useAnswer } from "../../live/answer.ts"
import { AUTHORIZATION } from "../../page.ts"
import { at, type Screen } from "../../screen.ts"
import { Button } from "../../ui/button.tsx"
import { Empty } from "../../ui/empty.tsx"
import { List } from "../../ui/list.tsx"
import { Search } from "../../ui/search.tsx"
import { Chips } from "../../ui/state.tsx"
import { Time } from "../../ui/time.tsx"
import { useTypes } from "../endpoints/types.ts"
import { NewType } from "./new-type.tsx"
import { TypeState } from "./type-state.tsx"

export const catalog: Screen = {
  path: "/catalog",
  component: Catalog,
  menu: { of: "operator", label: "Catalog" },
}

const PAGE = 100
const CREATE = `curl -X POST ${location.origin}/api/v1/event-type${AUTHORIZATION} \\
  -H 'Content-Type: application/json' \\
  -d '{"name": "invoice.paid", "description": "An invoice was paid"}'`

function Catalog() {
  const [from] = useQuery("from", "")
  const [which, setWhich] = useQuery<"" | "all">("which", "")
  const [group, setGroup] = useQuery("group", "")
  const [search, setSearch] = useQuery("search", "")
  const [isNew, setNew] = useQuery<"" | "new">("form", "")
  const live = useAnswer("/api/v1/event-type", {
    query: { limit: PAGE, include_archived: which === "all", group, search, iterator: from },
  })
  return (
    <Page
      title="Catalog"
      about="The event types that messages can have, and endpoints subscribe to."
      actions={
        isNew === "" && (
          <Button kind="primary" onClick={() => setNew("new")}>
            New event type
          </Button>
        )
      }
    >
      {isNew === "new" && <NewType cancel={() => setNew("")} />}
      <div class="filters">
        <Search label="Name or description" value={search} onChange={setSearch} />
        <Chips
          label="Which types"
          value={which}
          onChange={setWhich}
          chips={[
            { value: "", label: "In use" },
            { value: "all", label: "With archived" },
          ]}
        />
      </div>
      <Groups value={group} onChange={setGroup} />
      <List
        live={live}
        none={group + search === "" ? <NoneYet /> : <Empty title="No event type is like that" />}
        label="Event types"
        keyOf={({ name }) => name}
        href={({ name }) => at("catalog", name)}
        columns={[
          { title: "Name", cell: ({ name }) => name },
          { title: "State", cell: (type) => <TypeState type={type} /> },
          { title: "Description", cell: ({ description }) => description, isExtra: true },
          { title: "Flag", cell: ({ featureFlag }) => featureFlag, isExtra: true },
          { title: "Changed", cell: ({ updatedAt }) => <Time at={updatedAt} />, isExtra: true },
        ]}
      />
    </Page>
  )
}

/** The types by the part of their names before the first dot, where several have it in common. */
function Groups({ value, onChange }: { value: string; onChange: (group: string) => void }) {
  const groups = Map.groupBy(useTypes(), (name) => name.split(".")[0] ?? name)
  const chips = [...groups].filter(([, { length }]) => length > 1)
  if (chips.length === 0 && value === "") return null
  return (
    <Chips
      label="Group"
      value={value}
      onChange={onChange}
      chips={[
        { value: "", label: "All" },
        ...chips.map(([group, { length }]) => ({ value: group, label: group, count: length })),
      ]}
    />
  )
}

function NoneYet() {
  return (
    <Empty title="No event type yet" command={CREATE}>
      A type says what a message is about. The first message of a new one adds it here, too; with a schema its
      payloads can be checked, and examples made.
    </Empty>
  )
}
