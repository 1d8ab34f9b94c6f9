import { Page } from "../../frame/page.tsx"
import { useQuery } from "../../frame/query.ts"
import { useAnswer } from "../../live/answer.ts"
import { AUTHORIZATION } from "../../page.ts"
import { at, type Screen } from "../../screen.ts"
import { Button } from "../../ui/button.tsx"
import { Id } from "../../ui/copy.tsx"
import { Empty } from "../../ui/empty.tsx"
import { List } from "../../ui/list.tsx"
import { Search } from "../../ui/search.tsx"
import { Time } from "../../ui/time.tsx"
import { NewApplication } from "./new-application.tsx"

export const applications: Screen = {
  path: "/applications",
  component: Applications,
  menu: { of: "operator", label: "Applications" },
}

const PAGE = 50
const CREATE = `curl -X POST ${location.origin}/api/v1/app${AUTHORIZATION} \\
  -H 'Content-Type: application/json' \\
  -d '{"name": "Acme", "uid": "acme"}'`

/** What comes with Posthorn was made at no time: at 0, so that it is the same in every database. */
function Created({ at }: { at: string }) {
  return Date.parse(at) === 0 ? "built in" : <Time at={at} />
}

function Applications() {
  const [from] = useQuery("from", "")
  const [search, setSearch] = useQuery("search", "")
  const [isNew, setNew] = useQuery<"" | "new">("form", "")
  const live = useAnswer("/api/v1/app", {
    query: { limit: PAGE, order: "descending", search, iterator: from },
  })
  return (
    <Page
      title="Applications"
      about="Each owns its endpoints and the messages that are sent to them."
      actions={
        isNew === "" && (
          <Button kind="primary" onClick={() => setNew("new")}>
            New application
          </Button>
        )
      }
    >
      {isNew === "new" && <NewApplication cancel={() => setNew("")} />}
      <Search label="Name, uid or id" value={search} onChange={setSearch} />
      <List
        live={live}
        none={<None isSearch={search !== ""} isDone={live.data?.done ?? true} />}
        label="Applications"
        keyOf={({ id }) => id}
        href={({ id }) => at("app", id, "endpoints")}
        columns={[
          { title: "Name", cell: ({ name }) => name },
          { title: "Uid", cell: ({ uid }) => uid && <Id id={uid} what="uid" /> },
          { title: "Id", cell: ({ id }) => <Id id={id} isShort />, isExtra: true },
          { title: "Created", cell: ({ createdAt }) => <Created at={createdAt} />, isExtra: true },
        ]}
      />
    </Page>
  )
}

function None({ isSearch, isDone }: { isSearch: boolean; isDone: boolean }) {
  if (!isSearch) {
    return (
      <Empty title="No application yet" command={CREATE}>
        One application for each customer that you send webhooks to.
      </Empty>
    )
  }
  return isDone ? (
    <Empty title="No application has this in its name">It may be spelled otherwise.</Empty>
  ) : (
    <Empty title="Not among the newest 2,000">Older ones are on the next page.</Empty>
  )
}
