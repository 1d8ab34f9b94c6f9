import type { ComponentChildren } from "preact"
import { useState } from "preact/hooks"

import { api, ask, type Schemas } from "../../api/client.ts"
import { useAnswer } from "../../live/answer.ts"
import { at } from "../../screen.ts"
import { Button } from "../../ui/button.tsx"
import { Json } from "../../ui/code.tsx"
import { Select } from "../../ui/field.tsx"
import { say } from "../../ui/toast.tsx"
import { ApplicationField, useApplications } from "../applications/application-field.tsx"

const MOST = 250

/** Lets an endpoint get the type, or an example of it. Types of the catalog are there for applications that were made. */
export function Subscribe({ name, hasExample }: { name: string; hasExample: boolean }) {
  const applications = useApplications({ isMade: true })
  const [chosen, setChosen] = useState("")
  const first = applications?.[0]
  const application = chosen || (first?.uid ?? first?.id)
  return (
    <section class="card padded form" aria-label="Subscribe an endpoint">
      <h2>Subscribe an endpoint</h2>
      {applications && application ? (
        <>
          <OfApplication name={name} application={application}>
            <ApplicationField applications={applications} value={application} onChange={setChosen} />
          </OfApplication>
          {hasExample && <Example name={name} application={application} />}
        </>
      ) : (
        applications && (
          <p class="quiet">
            There is no application yet: <a href={`${at("applications")}?form=new`}>make one</a>.
          </p>
        )
      )}
    </section>
  )
}

function OfApplication({
  name,
  application,
  children,
}: {
  name: string
  application: string
  children: ComponentChildren
}) {
  const [chosen, setChosen] = useState("")
  const endpoints = useAnswer(
    "/api/v1/app/{app_id}/endpoint",
    { path: { app_id: application }, query: { limit: MOST, order: "descending" } },
    { isOn: false },
  )
  const known = endpoints.data?.data ?? []
  const endpoint = known.find(({ id }) => id === chosen) ?? known[0]
  return (
    <>
      <div class="form-fields">
        {children}
        {endpoint && (
          <Select
            label="Endpoint"
            value={endpoint.id}
            onChange={setChosen}
            options={known.map(({ id, url }) => [id, url])}
          />
        )}
      </div>
      {endpoint ? (
        <OfEndpoint
          key={endpoint.id}
          name={name}
          application={application}
          endpoint={endpoint}
          reload={endpoints.reload}
        />
      ) : (
        endpoints.data && <p class="quiet">The application has no endpoint yet.</p>
      )}
    </>
  )
}

/** What an example of a type with a schema looks like, if that says enough to make one. */
function Example({ name, application }: { name: string; application: string }) {
  const { data } = useAnswer(
    "/api/v1/app/{app_id}/event-example/{event_type_name}",
    { path: { app_id: application, event_type_name: name } },
    { isOn: false },
  )
  if (data === undefined) return null
  return (
    <details class="wide">
      <summary>The example</summary>
      <Json value={data.payload} what="example" />
    </details>
  )
}

function OfEndpoint({
  name,
  application,
  endpoint,
  reload,
}: {
  name: string
  application: string
  endpoint: Schemas["EndpointOut"]
  reload: () => Promise<void>
}) {
  const [sent, setSent] = useState<string | null>(null)
  const path = { app_id: application, endpoint_id: endpoint.id }
  const { eventTypes, id } = endpoint
  async function subscribe() {
    await ask(
      api.PATCH("/api/v1/app/{app_id}/endpoint/{endpoint_id}", {
        params: { path },
        body: { eventTypes: [...(eventTypes ?? []), name] },
      }),
    )
    await reload()
    say("The endpoint is subscribed.")
  }
  async function sendExample() {
    const message = await ask(
      api.POST("/api/v1/app/{app_id}/endpoint/{endpoint_id}/send-example", {
        params: { path },
        body: { eventType: name },
      }),
    )
    setSent(message.id)
  }
  return (
    <>
      {!eventTypes ? (
        <p class="quiet">It takes every type that there is, this one included.</p>
      ) : eventTypes.includes(name) ? (
        <p class="quiet">It is subscribed to this type.</p>
      ) : (
        <p class="quiet">It is subscribed to {eventTypes.length} other types.</p>
      )}
      <div class="buttons">
        {eventTypes && !eventTypes.includes(name) && (
          <Button kind="primary" onClick={subscribe}>
            Subscribe
          </Button>
        )}
        <Button onClick={sendExample} disabled={endpoint.disabled}>
          Send an example
        </Button>
        {sent !== null && (
          <a href={at("app", application, "messages", sent, id)}>What became of the example</a>
        )}
      </div>
    </>
  )
}
