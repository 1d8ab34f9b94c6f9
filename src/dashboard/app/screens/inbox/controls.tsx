import { useState } from "preact/hooks"

import { api, ask, type Schemas } from "../../api/client.ts"
import { inWords } from "../../api/problem.ts"
import { useQuery } from "../../frame/query.ts"
import { at } from "../../screen.ts"
import { Button } from "../../ui/button.tsx"
import { Chips } from "../../ui/state.tsx"
import { say, sayWrong } from "../../ui/toast.tsx"
import { ApplicationField, useApplications } from "../applications/application-field.tsx"
import { rememberEndpoint, rememberedEndpoint } from "./address.ts"
import { MANNERS, type MannerName, nameOf } from "./manners.ts"
import { register } from "./register.ts"

interface Props {
  inbox: Schemas["InboxOut"]
  reload: () => Promise<unknown>
}

/** How the inbox answers, and whose endpoint it is. */
export function Controls(props: Props) {
  return (
    <div class="card padded inbox-controls">
      <Answer {...props} />
      <Registration {...props} />
    </div>
  )
}

function Answer({ inbox, reload }: Props) {
  async function answer(name: MannerName) {
    try {
      await ask(
        api.PATCH("/api/v1/inbox/{inbox_id}", {
          params: { path: { inbox_id: inbox.id } },
          body: MANNERS[name].manner,
        }),
      )
      await reload()
    } catch (error) {
      sayWrong(inWords(error))
    }
  }
  return (
    <section class="stack-s">
      <h2>How it answers</h2>
      <Chips
        label="How it answers"
        // Told something else by the API it is none of these.
        value={(nameOf(inbox) ?? "") as MannerName}
        onChange={(name) => void answer(name)}
        chips={Object.entries(MANNERS).map(([value, { label }]) => ({ value: value as MannerName, label }))}
      />
      <p class="quiet">From the next request on.</p>
    </section>
  )
}

function Registration({ inbox, reload }: Props) {
  const applications = useApplications() ?? []
  const [application, setApplication] = useState("users")
  const [endpoint, setEndpoint] = useQuery("endpoint", rememberedEndpoint(inbox.id))
  async function run() {
    const id = await register(application, inbox)
    rememberEndpoint(inbox.id, `${application}/${id}`)
    setEndpoint(`${application}/${id}`)
    await reload()
    say("Registered: what happens in the application arrives here from now on.")
  }
  const [owner, id] = endpoint.split("/")
  return (
    <section class="stack-s">
      <h2>Whose endpoint it is</h2>
      <div class="inbox-register">
        <ApplicationField applications={applications} value={application} onChange={setApplication} />
        <Button kind={inbox.hasSecret ? "plain" : "primary"} onClick={run}>
          Register
        </Button>
      </div>
      {owner && id ? (
        <p>
          It is an <a href={at("app", owner, "endpoints", id)}>endpoint of {owner}</a> and verifies with its
          secret.
        </p>
      ) : (
        <p class="quiet">
          For every event type of the application. It verifies with the secret of its newest endpoint.
        </p>
      )}
    </section>
  )
}
