import { Page } from "../../frame/page.tsx"
import { useQuery } from "../../frame/query.ts"
import { useAnswer } from "../../live/answer.ts"
import { at, type Screen } from "../../screen.ts"
import { Button } from "../../ui/button.tsx"
import { Empty } from "../../ui/empty.tsx"
import { List } from "../../ui/list.tsx"
import { Chips } from "../../ui/state.tsx"
import { Time } from "../../ui/time.tsx"
import { NewType } from "./new-type.tsx"
import { TypeState } from "./type-state.tsx"

export const catalog: Screen = {
  path: "/catalog",
  component: Catalog,
  menu: { of: "operator", label: "Catalog" },
}

const PAGE = 100
const CREATE = `curl -X POST ${location.origin}/api/v1/event-type \\
  -H 'Content-Type: application/json' \\
  -d '{"name": "invoice.paid", "description": "An invoice was paid"}'`

function Catalog() {
  const [from] = useQuery("from", "")
  const [which, setWhich] = useQuery<"" | "all">("which", "")
  const [isNew, setNew] = useQuery<"" | "new">("form", "")
  const live = useAnswer("/api/v1/event-type", {
    query: { limit: PAGE, include_archived: which === "all", iterator: from },
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
      <Chips
        label="Which types"
        value={which}
        onChange={setWhich}
        chips={[
          { value: "", label: "In use" },
          { value: "all", label: "With archived" },
        ]}
      />
      <List
        live={live}
        none={
          <Empty title="No event type yet" command={CREATE}>
            A type says what a message is about. The first message of a new one adds it here, too; with a
            schema its payloads can be checked, and examples made.
          </Empty>
        }
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
