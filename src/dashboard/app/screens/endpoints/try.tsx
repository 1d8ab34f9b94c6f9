import { useState } from "preact/hooks"

import { api, ask, type Schemas } from "../../api/client.ts"
import { useQuery } from "../../frame/query.ts"
import { useAnswer } from "../../live/answer.ts"
import { useUntil } from "../../live/until.ts"
import { at } from "../../screen.ts"
import { can } from "../../session/state.ts"
import { Button } from "../../ui/button.tsx"
import { Code } from "../../ui/code.tsx"
import { Wrong } from "../../ui/empty.tsx"
import { Select, TextArea } from "../../ui/field.tsx"
import { Shown } from "../../ui/shown.tsx"
import { State } from "../../ui/state.tsx"
import { duration } from "../../ui/time.tsx"
import type { PartProps } from "./endpoint.tsx"
import { useTypes } from "./types.ts"

const PING = "svix.ping"

/** An example of a type, to be changed and sent to this endpoint alone; the answer stands below. */
export function Try({ app, endpoint }: PartProps) {
  const [type, setType] = useQuery("type", PING)
  const types = useTypes()
  const example = useAnswer(
    "/api/v1/app/{app_id}/event-example/{event_type_name}",
    { path: { app_id: app, event_type_name: type } },
    { isOn: false },
  )
  if (!can("CreateAttempts")) return <p class="quiet">Whoever came by this link may not send anything.</p>
  if (endpoint.disabled) return <p class="quiet">Enable the endpoint first: nothing is sent to it now.</p>
  return (
    <div class="stack">
      <div class="narrow">
        <Select
          label="Event type"
          value={type}
          options={[PING, ...types].map((name) => [name, name] as const)}
          onChange={setType}
        />
      </div>
      <Shown live={example} rows={3}>
        {({ payload }) => (
          <Sender key={type} app={app} endpoint={endpoint.id} type={type} example={payload} />
        )}
      </Shown>
    </div>
  )
}

function Sender({
  app,
  endpoint,
  type,
  example,
}: {
  app: string
  endpoint: string
  type: string
  example: Schemas["EventExampleOut"]["payload"]
}) {
  const initially = JSON.stringify(example, null, 2)
  const [text, setText] = useState(initially)
  const [sent, setSent] = useState<string | null>(null)
  const isOwn = text !== initially || Object.keys(example).length === 0
  const payload = parsed(text)
  async function send() {
    setSent(null)
    const { id } = await ask(
      api.POST("/api/v1/app/{app_id}/endpoint/{endpoint_id}/send-example", {
        params: { path: { app_id: app, endpoint_id: endpoint } },
        body: { eventType: type, ...(isOwn && payload && { payload }) },
      }),
    )
    setSent(id)
  }
  return (
    <>
      <TextArea
        label="Payload"
        rows={10}
        value={text}
        onChange={setText}
        disabled={!can("ManageEndpointSecret")}
        error={payload === null ? "It is to be a JSON object." : undefined}
      />
      <div class="buttons">
        <Button kind="primary" disabled={payload === null} onClick={send}>
          Send
        </Button>
        {text !== initially && (
          <Button kind="quiet" onClick={() => setText(initially)}>
            Back to the example
          </Button>
        )}
      </div>
      {sent !== null && <Answer app={app} endpoint={endpoint} message={sent} />}
    </>
  )
}

/** What the endpoint answered to a message, once it has. */
function Answer({ app, endpoint, message }: { app: string; endpoint: string; message: string }) {
  const { data, error } = useUntil(
    async () => {
      const page = await ask(
        api.GET("/api/v1/app/{app_id}/attempt/msg/{msg_id}", {
          params: { path: { app_id: app, msg_id: message }, query: { endpoint_id: endpoint, limit: 1 } },
        }),
      )
      return page.data
    },
    (attempts) => attempts.length > 0,
    message,
  )
  const attempt = data?.[0]
  if (attempt === undefined) {
    return error ? (
      <Wrong error={error} />
    ) : (
      <p role="status">
        <State tone="busy">Sent</State>{" "}
        <span class="quiet">Waiting for the answer. One that fails gets its turn after a pause.</span>{" "}
        <a href={at("app", app, "messages", message, endpoint)}>See the delivery</a>
      </p>
    )
  }
  const { status, responseStatusCode, response, responseDurationMs } = attempt
  return (
    <section class="card padded stack-s" aria-label="Answer" role="status">
      <div class="row">
        <State tone={status === 0 ? "good" : "bad"}>{responseStatusCode || "No answer"}</State>
        <span class="quiet number">after {duration(responseDurationMs)}</span>
        <a href={at("app", app, "messages", message, endpoint)}>Everything of this delivery</a>
      </div>
      {response !== "" && <Code text={response} what="answer" isJson />}
    </section>
  )
}

function parsed(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null
  } catch {
    return null
  }
}
