import { useState } from "preact/hooks"

import { api, ask, type Schemas } from "../../api/client.ts"
import { useLive } from "../../live/live.ts"
import { at } from "../../screen.ts"
import { Button } from "../../ui/button.tsx"
import { Code, Json } from "../../ui/code.tsx"
import { Loading, Wrong } from "../../ui/empty.tsx"
import { Facts } from "../../ui/facts.tsx"
import { Ago } from "../../ui/time.tsx"
import { say } from "../../ui/toast.tsx"
import { toCurl } from "./curl.ts"
import { hintFor } from "./hints.ts"
import { recomputeSignature } from "./signature.ts"

export type Part = "request" | "response" | "event"
export const PARTS: readonly (readonly [Part, string])[] = [
  ["request", "Request"],
  ["response", "Response"],
  ["event", "Event"],
]

type Known = Schemas["MessageAttemptExchangeOut"]

/** All that is known of one attempt. */
export function Exchange({
  app,
  attempt,
  part,
  event,
}: {
  app: string
  attempt: Schemas["MessageAttemptOut"]
  part: Part
  event: Schemas["MessageOut"]
}) {
  const { data, error, reload } = useLive(
    (signal) =>
      ask(
        api.GET("/api/v1/app/{app_id}/msg/{msg_id}/attempt/{attempt_id}/exchange", {
          params: { path: { app_id: app, msg_id: attempt.msgId, attempt_id: attempt.id } },
          signal,
        }),
      ),
    [app, attempt.id],
    { isOn: false },
  )
  if (part === "event") return <Event app={app} event={event} />
  if (data === undefined) return error ? <Wrong error={error} retry={reload} /> : <Loading rows={4} />
  return part === "response" ? (
    <Response known={data} />
  ) : (
    <Request key={attempt.id} app={app} endpoint={attempt.endpointId} known={data} />
  )
}

function Request({
  app,
  endpoint,
  known: { request, headersCut },
}: {
  app: string
  endpoint: string
  known: Known
}) {
  const [signature, setSignature] = useState<string | null>(null)
  async function recompute() {
    const found = await recomputeSignature(app, endpoint, request)
    if (found === null) say("It is signed with an Ed25519 key, whose private half nobody is shown.")
    setSignature(found)
  }
  return (
    <div class="stack">
      <Headers headers={request.headers} isCut={headersCut} none="No request was made." />
      {signature !== null && (
        <section class="stack-s">
          <h3>Signature, recomputed</h3>
          <p class="quiet">
            What this request’s signature is with the secret of now. The one that was sent is not kept; before
            a rotation it was another.
          </p>
          <Code text={signature} what="signature" />
        </section>
      )}
      {signature === null && request.headers.length > 0 && request.body !== null && (
        <div>
          <Button needs="ViewEndpointSecret" onClick={recompute}>
            Recompute the signature
          </Button>
        </div>
      )}
      <section class="stack-s">
        <h3>Body</h3>
        {request.body === null ? (
          <p class="quiet">The payload is deleted.</p>
        ) : (
          <Code text={request.body} what="body" isJson />
        )}
      </section>
      <section class="stack-s">
        <h3>As curl</h3>
        <p class="quiet">
          {signature === null
            ? "What is not kept stands in angle brackets."
            : "With the recomputed signature. What is not kept stands in angle brackets."}
        </p>
        <Code text={toCurl(request, signature)} what="curl command" />
      </section>
    </div>
  )
}

function Response({ known }: { known: Known }) {
  const { response, error, retryAfter, headersCut } = known
  const hint = hintFor(known)
  return (
    <div class="stack">
      {(error !== null || hint !== null || retryAfter !== null) && (
        <div class="card padded stack-s" role="note">
          {error !== null && <strong class="wraps">{error}</strong>}
          {hint !== null && <p class="wraps">{hint}</p>}
          {retryAfter !== null && (
            <p>
              It asks to be left alone: again <Ago at={retryAfter} /> at the earliest.
            </p>
          )}
        </div>
      )}
      {response !== null && (
        <>
          <Headers headers={response.headers} isCut={headersCut} none="No headers were kept." />
          <section class="stack-s">
            <h3>Body{response.bodyCut && " (its beginning)"}</h3>
            {response.body === null ? (
              <p class="quiet">It is deleted.</p>
            ) : response.body === "" ? (
              <p class="quiet">It was empty.</p>
            ) : (
              <Code text={response.body} what="response body" isJson />
            )}
          </section>
        </>
      )}
    </div>
  )
}

/** What happened, as it is sent. */
export function Event({ app, event }: { app: string; event: Schemas["MessageOut"] }) {
  return (
    <div class="stack">
      <Json value={event.payload} what="payload" />
      <p>
        <a href={at("app", app, "messages", event.id)}>What the other endpoints got</a>
      </p>
    </div>
  )
}

function Headers({
  headers,
  isCut,
  none,
}: {
  headers: Known["request"]["headers"]
  isCut: boolean
  none: string
}) {
  if (headers.length === 0) return <p class="quiet">{none}</p>
  return (
    <section class="stack-s">
      <h3>Headers{isCut && " (some are left out)"}</h3>
      <Facts
        facts={headers.map(({ name, value }, index) => [
          name,
          <code key={index}>{value ?? "••• not kept"}</code>,
        ])}
      />
    </section>
  )
}
