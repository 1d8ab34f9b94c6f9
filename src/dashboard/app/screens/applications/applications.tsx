import { api, ask } from "../../api/client.ts"
import { Page } from "../../frame/page.tsx"
import { useQuery } from "../../frame/query.ts"
import { useLive } from "../../live/live.ts"
import { at, type Screen } from "../../screen.ts"
import { Id } from "../../ui/copy.tsx"
import { Empty, Loading, Wrong } from "../../ui/empty.tsx"
import { Pager } from "../../ui/pager.tsx"
import { Table } from "../../ui/table.tsx"
import { Time } from "../../ui/time.tsx"

export const applications: Screen = {
  path: "/applications",
  component: Applications,
  menu: { of: "operator", label: "Applications" },
}

const CREATE = `curl -X POST ${location.origin}/api/v1/app \\
  -H 'Content-Type: application/json' \\
  -d '{"name": "Acme", "uid": "acme"}'`

function Applications() {
  const [from] = useQuery("from", "")
  const { data, error, reload } = useLive(
    (signal) =>
      ask(
        api.GET("/api/v1/app", {
          params: { query: { limit: 50, order: "descending", ...(from && { iterator: from }) } },
          signal,
        }),
      ),
    [from],
  )
  return (
    <Page title="Applications" about="Each owns its endpoints and the messages that are sent to them.">
      {data === undefined ? (
        error ? (
          <Wrong error={error} retry={reload} />
        ) : (
          <Loading />
        )
      ) : data.data.length === 0 ? (
        <Empty title="No application yet" command={CREATE}>
          One application for each customer that you send webhooks to.
        </Empty>
      ) : (
        <Table
          label="Applications"
          rows={data.data}
          keyOf={({ id }) => id}
          href={({ id }) => at("app", id, "endpoints")}
          columns={[
            { title: "Name", cell: ({ name }) => name },
            { title: "Uid", cell: ({ uid }) => (uid ? <Id id={uid} what="uid" /> : "") },
            { title: "Id", cell: ({ id }) => <Id id={id} isShort />, isExtra: true },
            { title: "Created", cell: ({ createdAt }) => <Time at={createdAt} />, isExtra: true },
          ]}
        />
      )}
      {data && <Pager page={data} />}
    </Page>
  )
}
