import { api, ask, type Schemas } from "../../api/client.ts"
import { useCrumbs } from "../../frame/application.tsx"
import { Page } from "../../frame/page.tsx"
import { addressWith, useQuery } from "../../frame/query.ts"
import { useLive } from "../../live/live.ts"
import { at, type Screen, type ScreenProps } from "../../screen.ts"
import { can } from "../../session/state.ts"
import { Button, ButtonLink } from "../../ui/button.tsx"
import { Id } from "../../ui/copy.tsx"
import { Empty, Loading, Wrong } from "../../ui/empty.tsx"
import { Tabs } from "../../ui/tabs.tsx"
import { Ago } from "../../ui/time.tsx"
import { say } from "../../ui/toast.tsx"
import { VerdictState } from "../messages/verdict.tsx"
import { Event, Exchange, PARTS, type Part } from "./exchange.tsx"
import { findVerdict } from "./find-verdict.ts"
import { Sentence } from "./sentence.tsx"
import { Timeline } from "./timeline.tsx"

export const delivery: Screen = { path: "/app/:app/messages/:message/:endpoint", component: Delivery }

function Delivery({ params: { app = "", message = "", endpoint = "" } }: ScreenProps) {
  const [chosen] = useQuery("attempt", "")
  const [tab] = useQuery<Part | "">("tab", "")
  const crumbs = useCrumbs(app, "messages")
  const { data, error, reload } = useLive(
    async (signal) => {
      const [verdict, attempts, event] = await Promise.all([
        findVerdict(app, message, endpoint, signal),
        listAttempts(app, message, endpoint, signal),
        ask(
          api.GET("/api/v1/app/{app_id}/msg/{msg_id}", {
            params: { path: { app_id: app, msg_id: message } },
            signal,
          }),
        ),
      ])
      return { verdict, attempts, event }
    },
    [app, message, endpoint],
  )
  if (data === undefined) {
    return (
      <Page title="Delivery" crumbs={crumbs}>
        {error ? <Wrong error={error} retry={reload} /> : <Loading />}
      </Page>
    )
  }
  const { verdict, attempts, event } = data
  const attempt = attempts.find(({ id }) => id === chosen) ?? attempts[0]
  // Of what has failed people look for the answer first.
  const part = tab || (attempt?.status === 0 ? "request" : "response")
  return (
    <Page
      title={event.eventType}
      crumbs={[...crumbs, { href: at("app", app, "messages", message), label: event.eventType }]}
      name={<Sentence verdict={verdict} attempts={attempts} />}
      about={
        <>
          <VerdictState verdict={verdict} isTried={attempts.length > 0} />
          <a class="wraps" href={at("app", app, "endpoints", endpoint)}>
            {verdict.url}
          </a>
          <Id id={message} what="message id" />
        </>
      }
      actions={
        <Actions app={app} event={event} endpoint={endpoint} verdict={verdict.verdict} reload={reload} />
      }
    >
      {attempt === undefined ? (
        <>
          <Empty title={verdict.verdict === "pending" ? "No attempt was made yet" : "No attempt was made"}>
            {verdict.nextAttempt === null ? (
              "Nothing is sent unless somebody resends it."
            ) : (
              <>
                It is due <Ago at={verdict.nextAttempt} />; an endpoint that fails gets its turn after a
                pause.
              </>
            )}
          </Empty>
          <Event app={app} event={event} />
        </>
      ) : (
        <>
          <Timeline attempts={attempts} current={attempt.id} />
          <section class="stack">
            <Tabs
              label="Parts of the attempt"
              tabs={PARTS.map(([name, label]) => ({
                href: addressWith("tab", name),
                label,
                isCurrent: name === part,
              }))}
            />
            <Exchange app={app} attempt={attempt} part={part} event={event} />
          </section>
        </>
      )}
    </Page>
  )
}

function Actions({
  app,
  event,
  endpoint,
  verdict,
  reload,
}: {
  app: string
  event: Schemas["MessageOut"]
  endpoint: string
  verdict: Schemas["EndpointVerdictOut"]["verdict"]
  reload: () => Promise<void>
}) {
  async function resend() {
    await ask(
      api.POST("/api/v1/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/resend", {
        params: { path: { app_id: app, msg_id: event.id, endpoint_id: endpoint } },
      }),
    )
    say("One attempt is on its way.")
    await reload()
  }
  async function cancel() {
    await ask(
      api.POST("/api/v1/app/{app_id}/msg/{msg_id}/endpoint/{endpoint_id}/cancel", {
        params: { path: { app_id: app, msg_id: event.id, endpoint_id: endpoint } },
      }),
    )
    say("Canceled: it is not tried again by itself.")
    await reload()
  }
  const replay = new URLSearchParams({ tab: "recover", since: event.timestamp })
  return (
    <>
      {verdict === "pending" && (
        <Button
          needs="CreateAttempts"
          onClick={cancel}
          confirm="Cancel this delivery? No further attempt is made by itself; a resend still sends it."
        >
          Cancel delivery
        </Button>
      )}
      {can("CreateAttempts") && verdict !== "delivered" && (
        <ButtonLink href={`${at("app", app, "endpoints", endpoint)}?${replay}`}>
          Replay all failed since
        </ButtonLink>
      )}
      <Button kind="primary" needs="CreateAttempts" onClick={resend}>
        Resend
      </Button>
    </>
  )
}

/** The attempts of one delivery, newest first. */
async function listAttempts(app: string, message: string, endpoint: string, signal: AbortSignal) {
  const { data } = await ask(
    api.GET("/api/v1/app/{app_id}/attempt/msg/{msg_id}", {
      params: { path: { app_id: app, msg_id: message }, query: { endpoint_id: endpoint, limit: 100 } },
      signal,
    }),
  )
  return data
}
