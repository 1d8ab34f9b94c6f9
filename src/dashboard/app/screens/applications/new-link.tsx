import { api, ask } from "../../api/client.ts"
import type { Capability } from "../../session/state.ts"
import { Check, Select, TextField } from "../../ui/field.tsx"
import { type Bound, Form } from "../../ui/form.tsx"
import { Chips } from "../../ui/state.tsx"
import { wordsIn } from "../../ui/typed.ts"
import { CAPABILITIES, type PortalLink } from "./made-link.tsx"

const HOUR_S = 3600

interface Typed {
  reach: "all" | "read" | "some"
  some: readonly Capability[]
  hours: "1" | "24" | "168"
  sessionId: string
  featureFlags: string
  colour: string
  isBare: boolean
}

const INITIALLY: Typed = {
  reach: "all",
  some: [],
  hours: "24",
  sessionId: "",
  featureFlags: "",
  colour: "",
  isBare: false,
}

/** What a link allows, how long, and what it looks like. */
export function NewLink({ app, onMade }: { app: string; onMade: (link: PortalLink) => void }) {
  async function make(typed: Typed) {
    const capabilities = allowedBy(typed)
    const expiry = Number(typed.hours) * HOUR_S
    const sessionId = typed.sessionId.trim()
    const { url } = await ask(
      api.POST("/api/v1/auth/app-portal-access/{app_id}", {
        params: { path: { app_id: app } },
        body: {
          capabilities,
          expiry,
          featureFlags: wordsIn(typed.featureFlags),
          ...(sessionId && { sessionId }),
        },
      }),
    )
    const endsAt = new Date(Date.now() + expiry * 1000).toISOString()
    onMade({ url: url + lookOf(typed), capabilities, endsAt })
    return "The link is made."
  }
  return (
    <Form title="New link" verb="Make a link" initially={INITIALLY} submit={make}>
      {(fields) => (
        <>
          <div class="wide stack-s">
            <h3>What its holder may do</h3>
            <Chips
              {...fields.reach}
              label="What its holder may do"
              chips={[
                { value: "all", label: "Everything" },
                { value: "read", label: "Read only" },
                { value: "some", label: "Chosen" },
              ]}
            />
            {fields.reach.value === "some" && <Capabilities {...fields.some} />}
          </div>
          <Select
            {...fields.hours}
            label="Lasts"
            options={[
              ["1", "An hour"],
              ["24", "A day"],
              ["168", "A week"],
            ]}
          />
          <TextField
            {...fields.sessionId}
            label="Session"
            hint="The links of a session can be ended together."
          />
          <TextField
            {...fields.featureFlags}
            label="Feature flags"
            hint="Types behind these are shown; commas between them."
          />
          <TextField
            {...fields.colour}
            label="Colour"
            placeholder="#1f5fae"
            hint="Of buttons and links."
            mono
          />
          <Check
            {...fields.isBare}
            label="Without navigation"
            hint="For a frame in a page that has one."
            isWide
          />
        </>
      )}
    </Form>
  )
}

function Capabilities({ value: some, onChange }: Bound<Typed["some"]>) {
  return (Object.keys(CAPABILITIES) as (keyof typeof CAPABILITIES)[]).map((name) => (
    <Check
      key={name}
      label={CAPABILITIES[name]}
      value={some.includes(name)}
      onChange={(isOn) => onChange(isOn ? [...some, name] : some.filter((other) => other !== name))}
    />
  ))
}

function allowedBy({ reach, some }: Typed): Capability[] {
  const chosen = reach === "all" ? (Object.keys(CAPABILITIES) as Capability[]) : reach === "read" ? [] : some
  return ["ViewBase", ...chosen]
}

/** What stands in the link for its page to look otherwise. */
function lookOf({ colour, isBare }: Typed): string {
  const look = new URLSearchParams({
    ...(colour.trim() && { primaryColor: colour.trim().replace("#", "") }),
    ...(isBare && { noNavigation: "true" }),
  })
  return look.size > 0 ? `&${look}` : ""
}
