import { api, ask } from "../../api/client.ts"
import { useCrumbs } from "../../frame/application.tsx"
import { Page, Waiting } from "../../frame/page.tsx"
import { useQuery } from "../../frame/query.ts"
import { useAnswer } from "../../live/answer.ts"
import { useLive } from "../../live/live.ts"
import type { Screen, ScreenProps } from "../../screen.ts"
import { Json } from "../../ui/code.tsx"
import { Id } from "../../ui/copy.tsx"
import { Empty } from "../../ui/empty.tsx"
import { Time } from "../../ui/time.tsx"
import { ProgressState } from "./progress.tsx"
import { VerdictTable } from "./verdict-table.tsx"

export const message: Screen = { path: "/app/:app/messages/:message", component: Message }

function Message({ params: { app = "", message: id = "" } }: ScreenProps) {
  const [from] = useQuery("from", "")
  const path = { app_id: app, msg_id: id }
  const crumbs = useCrumbs(app, "messages")
  const sent = useAnswer("/api/v1/app/{app_id}/msg/{msg_id}", { path }, { isOn: false })
  const messageId = sent.data?.id
  const verdicts = useAnswer("/api/v1/app/{app_id}/msg/{msg_id}/verdict", {
    path,
    query: { limit: 100, iterator: from },
  })
  const progress = useLive(
    async (signal) => {
      if (messageId === undefined) return undefined
      const query = { message_id: [messageId] }
      const { data } = await ask(
        api.GET("/api/v1/app/{app_id}/message-progress", {
          params: { path: { app_id: app }, query },
          signal,
        }),
      )
      return data[0]
    },
    [app, messageId],
  )
  if (sent.data === undefined) return <Waiting title="Message" crumbs={crumbs} live={sent} />
  const { eventType, eventId, timestamp, channels, payload } = sent.data
  return (
    <Page
      title={eventType}
      crumbs={crumbs}
      about={
        <>
          {progress.data && <ProgressState progress={progress.data} />}
          <Id id={sent.data.id} />
          {eventId && <Id id={eventId} what="uid" />}
          <span>
            Sent <Time at={timestamp} />
          </span>
          {channels && <span class="wraps">on {channels.join(", ")}</span>}
        </>
      }
    >
      <VerdictTable
        app={app}
        message={id}
        live={verdicts}
        none={
          <Empty title="The application has no endpoint">There was nobody to send this message to.</Empty>
        }
      />
      <section class="stack-s">
        <h2>Payload</h2>
        <Json value={payload} what="payload" />
      </section>
    </Page>
  )
}
