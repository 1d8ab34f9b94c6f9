import { api, ask } from "../../api/client.ts"
import { useCrumbs } from "../../frame/application.tsx"
import { Page } from "../../frame/page.tsx"
import { useQuery } from "../../frame/query.ts"
import { useLive } from "../../live/live.ts"
import type { Screen, ScreenProps } from "../../screen.ts"
import { Json } from "../../ui/code.tsx"
import { Id } from "../../ui/copy.tsx"
import { Empty, Loading, Wrong } from "../../ui/empty.tsx"
import { Pager } from "../../ui/pager.tsx"
import { Time } from "../../ui/time.tsx"
import { ProgressState } from "./progress.tsx"
import { VerdictTable } from "./verdict-table.tsx"

export const message: Screen = { path: "/app/:app/messages/:message", component: Message }

function Message({ params: { app = "", message: id = "" } }: ScreenProps) {
  const [from] = useQuery("from", "")
  const path = { app_id: app, msg_id: id }
  const crumbs = useCrumbs(app, "messages")
  const sent = useLive(
    (signal) => ask(api.GET("/api/v1/app/{app_id}/msg/{msg_id}", { params: { path }, signal })),
    [app, id],
    { isOn: false },
  )
  const messageId = sent.data?.id
  const verdicts = useLive(
    (signal) =>
      ask(
        api.GET("/api/v1/app/{app_id}/msg/{msg_id}/verdict", {
          params: { path, query: { limit: 100, ...(from && { iterator: from }) } },
          signal,
        }),
      ),
    [app, id, from],
  )
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
  if (sent.data === undefined) {
    return (
      <Page title="Message" crumbs={crumbs}>
        {sent.error ? <Wrong error={sent.error} retry={sent.reload} /> : <Loading />}
      </Page>
    )
  }
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
      {verdicts.data === undefined ? (
        verdicts.error ? (
          <Wrong error={verdicts.error} retry={verdicts.reload} />
        ) : (
          <Loading rows={3} />
        )
      ) : verdicts.data.data.length === 0 ? (
        <Empty title="The application has no endpoint">There was nobody to send this message to.</Empty>
      ) : (
        <VerdictTable app={app} message={id} verdicts={verdicts.data.data} />
      )}
      {verdicts.data && <Pager page={verdicts.data} />}
      <section class="stack-s">
        <h2>Payload</h2>
        <Json value={payload} what="payload" />
      </section>
    </Page>
  )
}
