import { useState } from "preact/hooks"
import { useLocation } from "preact-iso"
import { api, ask, type Schemas } from "../../api/client.ts"
import { ApplicationPage } from "../../frame/application.tsx"
import { useQuery } from "../../frame/query.ts"
import { useLive } from "../../live/live.ts"
import { AUTHORIZATION } from "../../page.ts"
import { at, type Screen, type ScreenProps } from "../../screen.ts"
import { isPortal } from "../../session/state.ts"
import { Id } from "../../ui/copy.tsx"
import { Empty } from "../../ui/empty.tsx"
import { List } from "../../ui/list.tsx"
import type { Column } from "../../ui/table.tsx"
import { Time } from "../../ui/time.tsx"
import { TypeFilter } from "../endpoints/type-filter.tsx"
import { type Progress, ProgressState } from "./progress.tsx"

export const messages: Screen = {
  path: "/app/:app/messages",
  component: Messages,
  menu: { of: "application", label: "Messages" },
}

function Messages({ params: { app = "" } }: ScreenProps) {
  const [from] = useQuery("from", "")
  const [type] = useQuery("type", "")
  const live = useLive(
    async (signal) => {
      const path = { app_id: app }
      const query = {
        limit: 50,
        with_content: false,
        ...(type && { event_types: [type] }),
        iterator: from,
      }
      const page = await ask(api.GET("/api/v1/app/{app_id}/msg", { params: { path, query }, signal }))
      if (page.data.length === 0) return { ...page, data: [] }
      const message_id = page.data.map(({ id }) => id)
      const { data } = await ask(
        api.GET("/api/v1/app/{app_id}/message-progress", { params: { path, query: { message_id } }, signal }),
      )
      const progressOf = new Map(data.map((progress) => [progress.id, progress]))
      return { ...page, data: page.data.map((one) => ({ ...one, progress: progressOf.get(one.id) })) }
    },
    [app, type, from],
  )
  return (
    <ApplicationPage app={app} title="Messages">
      <div class="filters">
        <Find app={app} />
        <TypeFilter />
      </div>
      <List
        live={live}
        none={
          <Empty
            title={type === "" ? "No message yet" : "No message of this type"}
            command={isPortal.value || type !== "" ? undefined : sendCommand(app)}
          >
            What is sent here goes to every endpoint that listens to its type.
          </Empty>
        }
        label="Messages"
        keyOf={({ id }) => id}
        href={({ id }) => at("app", app, "messages", id)}
        columns={COLUMNS}
      />
    </ApplicationPage>
  )
}

type Row = Schemas["MessageOut"] & { progress: Progress | undefined }

const COLUMNS: readonly Column<Row>[] = [
  { title: "Type", cell: ({ eventType }) => eventType },
  { title: "Delivered", cell: ({ progress }) => progress && <ProgressState progress={progress} /> },
  { title: "Id", cell: ({ id }) => <Id id={id} isShort />, isExtra: true },
  { title: "Uid", cell: ({ eventId }) => (eventId ? <Id id={eventId} what="uid" /> : ""), isExtra: true },
  { title: "Channels", cell: ({ channels }) => channels?.join(", "), isExtra: true },
  { title: "Sent", cell: ({ timestamp }) => <Time at={timestamp} /> },
]

/** Leads to the message of an id or uid. */
function Find({ app }: { app: string }) {
  const { route } = useLocation()
  const [text, setText] = useState("")
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        if (text.trim() !== "") route(at("app", app, "messages", text.trim()))
      }}
    >
      <input
        class="input find"
        type="search"
        aria-label="Find a message by its id or uid"
        placeholder="Id or uid  /"
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
      />
    </form>
  )
}

function sendCommand(app: string): string {
  return `curl -X POST ${location.origin}/api/v1/app/${app}/msg${AUTHORIZATION} \\
  -H 'Content-Type: application/json' \\
  -d '{"eventType": "invoice.paid", "payload": {"id": "inv_1"}}'`
}
