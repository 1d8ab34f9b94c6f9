import { api, ask } from "../../api/client.ts"
import { ApplicationPage } from "../../frame/application.tsx"
import { useQuery } from "../../frame/query.ts"
import { useLive } from "../../live/live.ts"
import { at, type Screen, type ScreenProps } from "../../screen.ts"
import { can } from "../../session/state.ts"
import { Id } from "../../ui/copy.tsx"
import { Empty, Loading, Wrong } from "../../ui/empty.tsx"
import { Pager } from "../../ui/pager.tsx"
import { State } from "../../ui/state.tsx"
import { Table } from "../../ui/table.tsx"
import { Time } from "../../ui/time.tsx"
import { typesOf } from "./words.ts"

export const endpoints: Screen = {
  path: "/app/:app/endpoints",
  component: Endpoints,
  menu: { of: "application", label: "Endpoints" },
}

function Endpoints({ params: { app = "" } }: ScreenProps) {
  const [from] = useQuery("from", "")
  const { data, error, reload } = useLive(
    (signal) =>
      ask(
        api.GET("/api/v1/app/{app_id}/endpoint", {
          params: { path: { app_id: app }, query: { limit: 50, ...(from && { iterator: from }) } },
          signal,
        }),
      ),
    [app, from],
  )
  return (
    <ApplicationPage app={app} title="Endpoints">
      {data === undefined ? (
        error ? (
          <Wrong error={error} retry={reload} />
        ) : (
          <Loading />
        )
      ) : data.data.length === 0 ? (
        <Empty title="No endpoint yet" command={can("ManageEndpoint") ? createCommand(app) : undefined}>
          An endpoint is a URL that messages are sent to.
        </Empty>
      ) : (
        <Table
          label="Endpoints"
          rows={data.data}
          keyOf={({ id }) => id}
          href={({ id }) => at("app", app, "endpoints", id)}
          columns={[
            { title: "URL", cell: ({ url }) => url },
            {
              title: "State",
              cell: ({ disabled }) =>
                disabled ? <State tone="bad">Disabled</State> : <State tone="good">Enabled</State>,
            },
            { title: "Types", cell: typesOf, isExtra: true },
            { title: "Id", cell: ({ uid, id }) => <Id id={uid ?? id} isShort />, isExtra: true },
            { title: "Created", cell: ({ createdAt }) => <Time at={createdAt} />, isExtra: true },
          ]}
        />
      )}
      {data && <Pager page={data} />}
    </ApplicationPage>
  )
}

function createCommand(app: string): string {
  return `curl -X POST ${location.origin}/api/v1/app/${app}/endpoint \\
  -H 'Content-Type: application/json' \\
  -d '{"url": "https://example.com/hook"}'`
}
