import { useState } from "preact/hooks"

import { api, ask } from "../../api/client.ts"
import type { Capability } from "../../session/state.ts"
import { Check, Select, TextField } from "../../ui/field.tsx"
import { Form } from "../../ui/form.tsx"
import { Chips } from "../../ui/state.tsx"
import { wordsIn } from "../../ui/typed.ts"
import { CAPABILITIES, type PortalLink } from "./made-link.tsx"

const HOUR_S = 3600
type Reach = "all" | "read" | "some"
type Lasts = "1" | "24" | "168"

const NOBODY: readonly Capability[] = []

/** What a link allows, how long, and what it looks like. */
export function NewLink({ app, onMade }: { app: string; onMade: (link: PortalLink) => void }) {
  const [reach, setReach] = useState<Reach>("all")
  const [some, setSome] = useState(NOBODY)
  const [hours, setHours] = useState<Lasts>("24")
  const [session, setSession] = useState("")
  const [flags, setFlags] = useState("")
  const [colour, setColour] = useState("")
  const [isBare, setBare] = useState(false)

  const chosen = reach === "all" ? Object.keys(CAPABILITIES) : reach === "read" ? [] : some
  const capabilities: Capability[] = ["ViewBase", ...(chosen as Capability[])]
  async function make() {
    const expiry = Number(hours) * HOUR_S
    const { url } = await ask(
      api.POST("/api/v1/auth/app-portal-access/{app_id}", {
        params: { path: { app_id: app } },
        body: {
          capabilities,
          expiry,
          featureFlags: wordsIn(flags),
          ...(session.trim() && { sessionId: session.trim() }),
        },
      }),
    )
    const look = new URLSearchParams({
      ...(colour.trim() && { primaryColor: colour.trim().replace("#", "") }),
      ...(isBare && { noNavigation: "true" }),
    })
    onMade({
      url: look.size > 0 ? `${url}&${look}` : url,
      capabilities,
      endsAt: new Date(Date.now() + expiry * 1000).toISOString(),
    })
  }
  return (
    <Form title="New link" verb="Make a link" submit={make}>
      {(errors) => (
        <>
          <div class="wide stack-s">
            <h3>What its holder may do</h3>
            <Chips
              label="What its holder may do"
              value={reach}
              onChange={setReach}
              chips={[
                { value: "all", label: "Everything" },
                { value: "read", label: "Read only" },
                { value: "some", label: "Chosen" },
              ]}
            />
            {reach === "some" &&
              Object.entries(CAPABILITIES).map(([name, words]) => (
                <Check
                  key={name}
                  label={words}
                  isOn={some.includes(name as Capability)}
                  onChange={(isOn) =>
                    setSome(isOn ? [...some, name as Capability] : some.filter((other) => other !== name))
                  }
                />
              ))}
          </div>
          <Select<Lasts>
            label="Lasts"
            value={hours}
            onChange={setHours}
            options={[
              ["1", "An hour"],
              ["24", "A day"],
              ["168", "A week"],
            ]}
          />
          <TextField
            label="Session"
            value={session}
            onInput={setSession}
            error={errors.sessionId}
            hint="The links of a session can be ended together."
          />
          <TextField
            label="Feature flags"
            value={flags}
            onInput={setFlags}
            error={errors.featureFlags}
            hint="Types behind these are shown; commas between them."
          />
          <TextField
            label="Colour"
            value={colour}
            onInput={setColour}
            placeholder="#1f5fae"
            hint="Of buttons and links."
            mono
          />
          <div class="wide">
            <Check
              label="Without navigation"
              hint="For a frame in a page that has one."
              isOn={isBare}
              onChange={setBare}
            />
          </div>
        </>
      )}
    </Form>
  )
}
