import type { Schemas } from "../../api/client.ts"
import { Code } from "../../ui/code.tsx"
import { Id } from "../../ui/copy.tsx"
import { Facts } from "../../ui/facts.tsx"
import { Time } from "../../ui/time.tsx"
import { SignatureState } from "./signature.tsx"

type Got = Schemas["InboxRequestOut"]

/** One request, as it came. */
export function Request({ request }: { request: Got }) {
  const { headers, body, bodyEncoding, bodyTruncated, signature } = request
  const delivery = headers["webhook-id"] ?? headers["svix-id"]
  return (
    <section class="stack" aria-label="Request">
      <div class="card padded stack-s">
        <p class="row">
          <SignatureState signature={signature} />
          {delivery && <Id id={delivery} what="webhook-id" />}
        </p>
        <p class="wraps">{signature.detail}</p>
      </div>
      <section class="stack-s">
        <h2>
          Body
          {bodyEncoding === "base64" && " (no text: in base64)"}
          {bodyTruncated && " (its beginning)"}
        </h2>
        {body === "" ? (
          <p class="quiet">It was empty.</p>
        ) : (
          <Code text={body} what="body" isJson={bodyEncoding === "utf8"} />
        )}
      </section>
      <section class="stack-s">
        <h2>Headers</h2>
        <Facts
          facts={Object.entries(headers)
            .sort(([a], [b]) => a.localeCompare(b))
            .map(([name, value]) => [name, <code key={name}>{value}</code>])}
        />
      </section>
      <Facts facts={factsOf(request)} />
    </section>
  )
}

function factsOf({ method, query, answeredStatus, receivedAt }: Got) {
  const asked = [["Method", method] as const, ...(query === "" ? [] : [["Query", query] as const])]
  return [
    ...asked,
    ["Answered", answeredStatus === null ? "Nothing: it hangs" : String(answeredStatus)] as const,
    ["Received", <Time key="received" at={receivedAt} />] as const,
  ]
}
