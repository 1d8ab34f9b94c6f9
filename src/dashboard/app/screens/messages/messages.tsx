import { api, ask } from "../../api/client.ts"
import { ApplicationPage } from "../../frame/application.tsx"
import { useQuery } from "../../frame/query.ts"
import { useLive } from "../../live/live.ts"
import { at, type Screen, type ScreenProps } from "../../screen.ts"
import { isPortal } from "../../session/state.ts"
import { Id } from "../../ui/copy.tsx"
import { Empty, Loading, Wrong } from "../../ui/empty.tsx"
import { Pager } from "../../ui/pager.tsx"
import { Table } from "../../ui/table.tsx"
import { Time } from "../../ui/time.tsx"

export const messages: Screen = {
  path: "/app/:app/messages",
  component: Messages,
  menu: { of: "application", label: "Messages" },
}

function Messages({ params: { app = "" } }: ScreenProps) {
  const [from] = useQuery("from", "")
  const { data, error, reload } = useLive(
    (signal) =>
      ask(
        api.GET("/api/v1/app/{app_id}/msg", {
          params: {
            path: { app_id: app },
            query: { limit: 50, with_content: false, ...(from && { iterator: from }) },
          },
          signal,
        }),
      ),
    [app, from],
  )
  return (
    <ApplicationPage app={app} title="Messages">
      {data === undefined ? (
        error ? (
          <Wrong error={error} retry={reload} />
        ) : (
          <Loading />
        )
      ) : data.data.length === 0 ? (
        <Empty title="No message yet" command={isPortal.value ? undefined : sendCommand(app)}>
          What is sent here goes to every endpoint that listens to its type.
        </Empty>
      ) : (
        <Table
          label="Messages"
          rows={data.data}
          keyOf={({ id }) => id}
          href={({ id }) => at("app", app, "messages", id)}
          columns={[
            { title: "Type", cell: ({ eventType }) => eventType },
            { title: "Id", cell: ({ id }) => <Id id={id} isShort /> },
            {
              title: "Uid",
              cell: ({ eventId }) => (eventId ? <Id id={eventId} what="uid" /> : ""),
              isExtra: true,
            },
            { title: "Channels", cell: ({ channels }) => channels?.join(", "), isExtra: true },
            { title: "Sent", cell: ({ timestamp }) => <Time at={timestamp} /> },
          ]}
        />
      )}
      {data && <Pager page={data} />}
    </ApplicationPage>
  )
}

function sendCommand(app: string): string {
  return `curl -X POST ${location.origin}/api/v1/app/${app}/msg \\
  -H 'Content-Type: application/json' \\
  -d '{"eventType": "invoice.paid", "payload": {"id": "inv_1"}}'`
}
