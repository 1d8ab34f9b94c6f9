import { useLocation } from "preact-iso"

import { api, ask, type Schemas } from "../../api/client.ts"
import { Page, Waiting } from "../../frame/page.tsx"
import { useAnswer } from "../../live/answer.ts"
import { at, type Screen, type ScreenProps } from "../../screen.ts"
import { Button } from "../../ui/button.tsx"
import { Json } from "../../ui/code.tsx"
import { Copy } from "../../ui/copy.tsx"
import { say } from "../../ui/toast.tsx"
import { ChangeType } from "./change-type.tsx"
import { versionsOf } from "./schemas.ts"
import { Subscribe } from "./subscribe.tsx"
import { TypeState } from "./type-state.tsx"

export const type: Screen = { path: "/catalog/:type", component: Type, isOperators: true }

const CRUMBS = [{ href: at("catalog"), label: "Catalog" }]

function Type({ params: { type: name = "" } }: ScreenProps) {
  const live = useAnswer("/api/v1/event-type/{event_type_name}", { path: { event_type_name: name } })
  if (live.data === undefined) return <Waiting title={name} crumbs={CRUMBS} live={live} />
  const known = live.data
  return (
    <Page
      title={name}
      name={
        <>
          {name} <Copy text={name} what="name" />
        </>
      }
      crumbs={CRUMBS}
      about={
        <>
          <TypeState type={known} />
          {known.featureFlag && <span class="wraps">Behind the flag {known.featureFlag}</span>}
          <span class="wraps">{known.description}</span>
        </>
      }
      actions={<Actions known={known} reload={live.reload} />}
    >
      <SchemasOf known={known} />
      {!known.archived && <Subscribe name={name} hasExample={versionsOf(known).length > 0} />}
      <ChangeType key={known.updatedAt} known={known} reload={live.reload} />
    </Page>
  )
}

function SchemasOf({ known }: { known: Schemas["EventTypeOut"] }) {
  const versions = versionsOf(known)
  if (versions.length === 0) {
    return (
      <p class="card padded quiet">It has no schema: payloads may be anything, and no example can be made.</p>
    )
  }
  return (
    <section class="stack-s">
      <h2>Schemas</h2>
      <p class="quiet">
        {known.enforceSchema
          ? "Messages that do not fit the newest are refused."
          : "They say what to expect; messages are not held to them."}
      </p>
      {versions.map(({ version, schema }, index) => (
        <details key={version} open={index === 0}>
          <summary>
            Version {version}
            {index === 0 && ", the newest"}
          </summary>
          <Json value={schema} what={`schema ${version}`} />
        </details>
      ))}
    </section>
  )
}

function Actions({ known, reload }: { known: Schemas["EventTypeOut"]; reload: () => Promise<void> }) {
  const { route } = useLocation()
  const params = { path: { event_type_name: known.name } }
  async function change(body: { archived?: boolean; deprecated?: boolean }, words: string) {
    await ask(api.PATCH("/api/v1/event-type/{event_type_name}", { params, body }))
    await reload()
    say(words)
  }
  async function expunge() {
    await ask(
      api.DELETE("/api/v1/event-type/{event_type_name}", { params: { ...params, query: { expunge: true } } }),
    )
    route(at("catalog"))
    say("The event type is deleted.")
  }
  if (known.archived) {
    return (
      <>
        <Button
          kind="danger"
          onClick={expunge}
          confirm="Delete this event type for good? It must not have a subscriber any more."
        >
          Delete
        </Button>
        <Button
          kind="primary"
          onClick={() => change({ archived: false }, "It is out of the archive: messages can have it again.")}
        >
          Take out of the archive
        </Button>
      </>
    )
  }
  return (
    <>
      <Button
        onClick={() =>
          change(
            { deprecated: !known.deprecated },
            known.deprecated ? "It is deprecated no longer." : "It is deprecated: it works, and says so.",
          )
        }
      >
        {known.deprecated ? "No longer deprecated" : "Deprecate"}
      </Button>
      <Button
        onClick={() => change({ archived: true }, "It is archived.")}
        confirm="Archive this event type? Messages cannot have it then, and endpoints not subscribe to it; those that do stay subscribed."
      >
        Archive
      </Button>
    </>
  )
}
