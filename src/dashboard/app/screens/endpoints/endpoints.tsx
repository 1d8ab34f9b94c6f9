import "./endpoints.css"
import { api, ask, type Schemas } from "../../api/client.ts"
import { ApplicationPage } from "../../frame/application.tsx"
import { useQuery } from "../../frame/query.ts"
import { useLive } from "../../live/live.ts"
import { AUTHORIZATION } from "../../page.ts"
import { at, type Screen, type ScreenProps } from "../../screen.ts"
import { can } from "../../session/state.ts"
import { ButtonLink } from "../../ui/button.tsx"
import { Empty } from "../../ui/empty.tsx"
import { List } from "../../ui/list.tsx"
import type { Column } from "../../ui/table.tsx"
import { Ago } from "../../ui/time.tsx"
import { Clip } from "./clip.tsx"
import { DayBars, type Health, HealthState, pendingOf } from "./health.tsx"
import { typesOf } from "./words.ts"

export const endpoints: Screen = {
  path: "/app/:app/endpoints",
  component: Endpoints,
  menu: { of: "application", label: "Endpoints" },
}

function Endpoints({ params: { app = "" } }: ScreenProps) {
  const [from] = useQuery("from", "")
  const live = useLive(
    async (signal) => {
      const params = { path: { app_id: app }, query: { limit: 50, iterator: from } }
      const [page, health] = await Promise.all([
        ask(api.GET("/api/v1/app/{app_id}/endpoint", { params, signal })),
        ask(api.GET("/api/v1/app/{app_id}/endpoint-health", { params, signal })),
      ])
      const healthOf = new Map(health.data.map((one) => [one.id, one]))
      return { ...page, data: page.data.map((one) => ({ ...one, health: healthOf.get(one.id) })) }
    },
    [app, from],
  )
  return (
    <ApplicationPage
      app={app}
      title="Endpoints"
      actions={
        can("ManageEndpoint") && (
          <ButtonLink kind="primary" href={at("app", app, "new-endpoint")}>
            New endpoint
          </ButtonLink>
        )
      }
    >
      <List
        live={live}
        none={
          <Empty title="No endpoint yet" command={can("ManageEndpoint") ? createCommand(app) : undefined}>
            An endpoint is a URL that messages are sent to.
          </Empty>
        }
        label="Endpoints"
        keyOf={({ id }) => id}
        href={({ id }) => at("app", app, "endpoints", id)}
        columns={COLUMNS}
      />
    </ApplicationPage>
  )
}

type Row = Schemas["EndpointOut"] & {
  /** Undefined of one that has been made while the page was being asked for. */
  health: Health | undefined
}

const COLUMNS: readonly Column<Row>[] = [
  { title: "URL", cell: ({ url }) => <Clip text={url} /> },
  { title: "State", cell: ({ health }) => health && <HealthState health={health} /> },
  { title: "Types", cell: (endpoint) => <Clip text={typesOf(endpoint)} />, isExtra: true },
  {
    title: "Last success",
    cell: ({ health }) => health?.lastSuccessAt && <Ago at={health.lastSuccessAt} isShort />,
    isExtra: true,
  },
  {
    title: "Last failure",
    cell: ({ health }) => health?.lastFailureAt && <Ago at={health.lastFailureAt} isShort />,
    isExtra: true,
  },
  {
    title: "24 hours",
    cell: ({ health }) => <div class="in-row">{health && <DayBars health={health} height={22} />}</div>,
    isExtra: true,
  },
  { title: "Pending", cell: ({ health }) => health && pendingOf(health), isNumber: true, isExtra: true },
]

function createCommand(app: string): string {
  return `curl -X POST ${location.origin}/api/v1/app/${app}/endpoint${AUTHORIZATION} \\
  -H 'Content-Type: application/json' \\
  -d '{"url": "https://example.com/hook"}'`
}
