import { useLocation } from "preact-iso"

import { api, ask } from "../../api/client.ts"
import { at } from "../../screen.ts"
import { can } from "../../session/state.ts"
import { Button } from "../../ui/button.tsx"
import { Facts } from "../../ui/facts.tsx"
import { Form } from "../../ui/form.tsx"
import { Time } from "../../ui/time.tsx"
import { say } from "../../ui/toast.tsx"
import { type Draft, fromDraft, toDraft } from "./draft.ts"
import type { PartProps } from "./endpoint.tsx"
import { Fields } from "./fields.tsx"
import { Headers } from "./headers.tsx"

/** What an endpoint was set to, to be changed by whoever may. */
export function Settings(props: PartProps) {
  return (
    <div class="stack">
      {can("ManageEndpoint") ? <Change {...props} /> : <Known {...props} />}
      <Headers {...props} />
      {can("ManageEndpoint") && <Removal {...props} />}
    </div>
  )
}

function Change({ app, endpoint, reload }: PartProps) {
  async function save(draft: Draft) {
    await ask(
      api.PATCH("/api/v1/app/{app_id}/endpoint/{endpoint_id}", {
        params: { path: { app_id: app, endpoint_id: endpoint.id } },
        body: fromDraft(draft),
      }),
    )
    return "The settings are saved."
  }
  return (
    <Form title="Settings" verb="Save" initially={toDraft(endpoint)} submit={save} reload={reload}>
      {(fields) => <Fields fields={fields} />}
    </Form>
  )
}

function Known({ endpoint }: PartProps) {
  return (
    <Facts
      facts={[
        ["URL", endpoint.url],
        ["Types", endpoint.eventTypes?.join(", ") ?? "Every type there is and will be"],
        ["Channels", endpoint.channels?.join(", ") ?? "All"],
        ["Rate", endpoint.throttleRate ? `At most ${endpoint.throttleRate} a second` : "Not limited"],
        ["Created", <Time key="created" at={endpoint.createdAt} />],
        ["Changed", <Time key="changed" at={endpoint.updatedAt} />],
      ]}
    />
  )
}

function Removal({ app, endpoint }: PartProps) {
  const { route } = useLocation()
  async function remove() {
    await ask(
      api.DELETE("/api/v1/app/{app_id}/endpoint/{endpoint_id}", {
        params: { path: { app_id: app, endpoint_id: endpoint.id } },
      }),
    )
    say("The endpoint is deleted.")
    route(at("app", app, "endpoints"))
  }
  return (
    <section class="card padded row">
      <p class="quiet">
        Created <Time at={endpoint.createdAt} />, changed <Time at={endpoint.updatedAt} />.
      </p>
      <Button
        kind="danger"
        onClick={remove}
        confirm="Delete this endpoint? It gets nothing more, retries included, and its secret is gone for good."
      >
        Delete endpoint
      </Button>
    </section>
  )
}
