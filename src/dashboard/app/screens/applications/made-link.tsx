import type { Capability } from "../../session/state.ts"
import { Code } from "../../ui/code.tsx"
import { State } from "../../ui/state.tsx"
import { Ago } from "../../ui/time.tsx"

/** What a link can allow beyond looking, in words. */
export const CAPABILITIES = {
  ManageEndpoint: "Create, change and delete endpoints",
  CreateAttempts: "Resend, recover, send examples",
  ViewEndpointSecret: "See the secret of an endpoint, and the values of its headers",
  ManageEndpointSecret: "Rotate the secret of an endpoint",
} as const satisfies Partial<Record<Capability, string>>

/** What comes with others: what may be changed may be seen, too. */
const INCLUDED_IN: Partial<Record<string, readonly Capability[]>> = {
  ViewEndpointSecret: ["ManageEndpointSecret", "ManageEndpoint"],
  ManageEndpointSecret: ["ManageEndpoint"],
}

/** A link that was made just now: it is shown this once. */
export interface PortalLink {
  url: string
  capabilities: readonly Capability[]
  endsAt: string
}

/** The link, what its holder may and may not do, and a way to look at it as its holder would. */
export function MadeLink({ link: { url, capabilities, endsAt } }: { link: PortalLink }) {
  return (
    <section class="card padded stack-s" aria-label="The link">
      <p>
        Shown this once. It ends <Ago at={endsAt} />.
      </p>
      <Code text={url} what="link" />
      <ul class="stack-s">
        <Allowed may words="See everything of this application but secrets" />
        {Object.entries(CAPABILITIES).map(([name, words]) => (
          <Allowed
            key={name}
            may={capabilities.some((one) => one === name || INCLUDED_IN[name]?.includes(one))}
            words={words}
          />
        ))}
      </ul>
      <div class="buttons">
        {/* A window without an opener has a storage of its own: the operator's token stays out of it. */}
        <a class="button" href={url} target="_blank" rel="noopener noreferrer">
          View as customer
        </a>
      </div>
    </section>
  )
}

function Allowed({ may, words }: { may: boolean; words: string }) {
  return (
    <li class="row">
      {may ? <State tone="good">May</State> : <State tone="idle">May not</State>}
      <span class={may ? "" : "quiet"}>{words}</span>
    </li>
  )
}
