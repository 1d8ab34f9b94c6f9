import "./endpoints.css"
import { api, ask, type Schemas } from "../../api/client.ts"
import { useCrumbs } from "../../frame/application.tsx"
import { Page, Waiting } from "../../frame/page.tsx"
import { useQuery } from "../../frame/query.ts"
import { useLive } from "../../live/live.ts"
import { at, type Screen, type ScreenProps } from "../../screen.ts"
import { isPortal } from "../../session/state.ts"
import { Button } from "../../ui/button.tsx"
import { Id } from "../../ui/copy.tsx"
import { Tabs } from "../../ui/tabs.tsx"
import { say } from "../../ui/toast.tsx"
import { inboxOf } from "../inbox/address.ts"
import { Activity } from "./activity.tsx"
import { Deliveries } from "./deliveries.tsx"
import { HealthState, HealthStrip } from "./health.tsx"
import { Recover } from "./recover.tsx"
import { Secret } from "./secret.tsx"
import { Settings } from "./settings.tsx"
import { Try } from "./try.tsx"

export const endpoint: Screen = { path: "/app/:app/endpoints/:endpoint", component: Endpoint }

const TABS = {
  "": { label: "Deliveries", component: Deliveries },
  activity: { label: "Activity", component: Activity },
  settings: { label: "Settings", component: Settings },
  secret: { label: "Secret", component: Secret },
  test: { label: "Test", component: Try },
  recover: { label: "Recover", component: Recover },
} as const

/** What every part of the screen is about. */
export interface PartProps {
  app: string
  endpoint: Schemas["EndpointOut"]
  reload: () => Promise<void>
}

function Endpoint({ params: { app = "", endpoint: id = "" } }: ScreenProps) {
  const [tab] = useQuery<keyof typeof TABS>("tab", "")
  const crumbs = useCrumbs(app, "endpoints")
  const path = { app_id: app, endpoint_id: id }
  const live = useLive(
    async (signal) => {
      const [settings, health] = await Promise.all([
        ask(api.GET("/api/v1/app/{app_id}/endpoint/{endpoint_id}", { params: { path }, signal })),
        ask(api.GET("/api/v1/app/{app_id}/endpoint/{endpoint_id}/health", { params: { path }, signal })),
      ])
      return { settings, health }
    },
    [app, id],
  )
  if (live.data === undefined) return <Waiting title="Endpoint" crumbs={crumbs} live={live} />
  const { data, reload } = live
  const { settings, health } = data
  const inbox = inboxOf(settings.url, app, settings.id)
  async function turn(disabled: boolean) {
    await ask(
      api.PATCH("/api/v1/app/{app_id}/endpoint/{endpoint_id}", { params: { path }, body: { disabled } }),
    )
    await reload()
    say(
      disabled ? "The endpoint is disabled." : "The endpoint is enabled: new messages reach it from now on.",
    )
  }
  const Part = (TABS[tab] ?? TABS[""]).component
  return (
    <Page
      title={settings.url}
      crumbs={crumbs}
      about={
        <>
          <HealthState health={health} />
          <Id id={settings.id} />
          {settings.uid && <Id id={settings.uid} what="uid" />}
          {inbox && !isPortal.value && <a href={inbox}>Its inbox</a>}
          {settings.description && <span class="wraps">{settings.description}</span>}
        </>
      }
      actions={
        settings.disabled ? (
          <Button kind="primary" needs="ManageEndpoint" onClick={() => turn(false)}>
            Enable
          </Button>
        ) : (
          <Button
            needs="ManageEndpoint"
            onClick={() => turn(true)}
            confirm="Disable this endpoint? What it is owed ends as failed, and new messages pass it by until it is enabled again."
          >
            Disable
          </Button>
        )
      }
    >
      <HealthStrip health={health} />
      <Tabs
        label="Parts of the endpoint"
        tabs={Object.entries(TABS).map(([name, { label }]) => ({
          href: at("app", app, "endpoints", id) + (name && `?tab=${name}`),
          label,
          isCurrent: name === tab,
        }))}
      />
      <Part key={settings.id} app={app} endpoint={settings} reload={reload} />
    </Page>
  )
}
