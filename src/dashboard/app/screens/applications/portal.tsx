import { useState } from "preact/hooks"

import { api, ask } from "../../api/client.ts"
import { ApplicationPage } from "../../frame/application.tsx"
import type { Screen, ScreenProps } from "../../screen.ts"
import { Button } from "../../ui/button.tsx"
import { TextField } from "../../ui/field.tsx"
import { say } from "../../ui/toast.tsx"
import { MadeLink, type PortalLink } from "./made-link.tsx"
import { NewLink } from "./new-link.tsx"

export const portal: Screen = { path: "/app/:app/portal", component: Portal, isOperators: true }

/** Links by which the customer sees the own application, and nothing else. */
function Portal({ params: { app = "" } }: ScreenProps) {
  const [link, setLink] = useState<PortalLink | null>(null)
  return (
    <ApplicationPage app={app} title="Portal">
      <p class="quiet">
        A link shows its holder this application alone: endpoints, messages, and what became of them. Give it
        to the customer, or put it into a frame of your own page.
      </p>
      <NewLink app={app} onMade={setLink} />
      {link && <MadeLink link={link} />}
      <EndLinks app={app} onEnded={() => setLink(null)} />
    </ApplicationPage>
  )
}

function EndLinks({ app, onEnded }: { app: string; onEnded: () => void }) {
  const [session, setSession] = useState("")
  const name = session.trim()
  async function end() {
    await ask(
      api.POST("/api/v1/auth/app/{app_id}/expire-all", {
        params: { path: { app_id: app } },
        body: { sessionIds: name === "" ? [] : [name] },
      }),
    )
    onEnded()
    say(
      name === ""
        ? "All links that were made until now have ended."
        : `The links of the session ${name} have ended.`,
    )
  }
  return (
    <section class="card padded form">
      <h2>End links</h2>
      <div class="form-fields">
        <TextField
          label="Of the session"
          value={session}
          onChange={setSession}
          hint="Left empty, every link of the application ends, whoever has it."
        />
      </div>
      <Button
        kind="danger"
        onClick={end}
        confirm={
          name === ""
            ? "End every link of this application? Whoever has one open is signed out."
            : `End the links of the session ${name}? Whoever has one open is signed out.`
        }
      >
        End links
      </Button>
    </section>
  )
}
