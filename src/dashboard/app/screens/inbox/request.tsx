import type { Schemas } from "../../api/client.ts"
import { Code } from "../../ui/code.tsx"
import { Id } from "../../ui/copy.tsx"
import { Facts } from "../../ui/facts.tsx"
import { Time } from "../../ui/time.tsx"
import { SignatureState } from "./signature.tsx"

type Got = Schemas["InboxRequestOut"]

/** One request, as it came. */
export function Request({ request }: { request: Got }) {
  const { method, query, headers, body, bodyEncoding, bodyTruncated, signature } = request
  const { answeredStatus, receivedAt } = request
  const delivery = headers["webhook-id"] ?? headers["svix-id"]
  return (
    <section class="stack" aria-label="Request">
      <div class="card padded stack-s">
        <p class="row">
          <SignatureState signature={signature} />
          <span>{method}</span>
          <span>{answeredStatus === null ? "not answered: it hangs" : `answered ${answeredStatus}`}</span>
          <Time at={receivedAt} />
          {delivery && <Id id={delivery} what="webhook-id" />}
        </p>
        <p class="wraps">{signature.detail}</p>
        {query !== "" && <code class="wraps">{query}</code>}
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
    </section>
  )
}
