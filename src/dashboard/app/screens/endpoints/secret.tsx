import { useState } from "preact/hooks"

import { api, ask } from "../../api/client.ts"
import { can } from "../../session/state.ts"
import { Button } from "../../ui/button.tsx"
import { Code } from "../../ui/code.tsx"
import { Select } from "../../ui/field.tsx"
import { say } from "../../ui/toast.tsx"
import type { PartProps } from "./endpoint.tsx"
import { Verify } from "./verify.tsx"

const GRACES = [
  ["0", "at once"],
  ["3600", "after 1 hour"],
  ["86400", "after 24 hours"],
  ["604800", "after 7 days"],
] as const
type Grace = (typeof GRACES)[number][0]

/** The signing secret: not asked for before somebody wants to see it. */
export function Secret({ app, endpoint: { id } }: PartProps) {
  const [secret, setSecret] = useState<string | null>(null)
  const params = { path: { app_id: app, endpoint_id: id } }

  async function reveal() {
    const { key } = await ask(api.GET("/api/v1/app/{app_id}/endpoint/{endpoint_id}/secret", { params }))
    setSecret(key)
  }
  async function rotate(grace: Grace) {
    await ask(
      api.POST("/api/v1/app/{app_id}/endpoint/{endpoint_id}/secret/rotate", {
        params,
        body: { key: null, gracePeriodSeconds: Number(grace) },
      }),
    )
    await reveal()
    say(
      grace === "0"
        ? "The secret is rotated: deliveries are signed with the new one alone."
        : `The secret is rotated. The old one signs along, and ends ${wordsOf(grace)}.`,
    )
  }
  return (
    <div class="stack">
      <section class="card padded stack-s">
        <h2>Signing secret</h2>
        <p class="quiet">
          The receiver verifies with it that a delivery comes from here, and is as it was sent.
          {!can("ViewEndpointSecret") && " It is not shown to whoever came by this link."}
        </p>
        {secret !== null && <Code text={secret} what="secret" />}
        <div class="buttons">
          {secret === null ? (
            <Button needs="ViewEndpointSecret" onClick={reveal}>
              Reveal
            </Button>
          ) : (
            <Button onClick={() => setSecret(null)}>Hide</Button>
          )}
        </div>
      </section>
      {can("ManageEndpointSecret") && <Rotation rotate={rotate} />}
      <Verify />
    </div>
  )
}

function Rotation({ rotate }: { rotate: (grace: Grace) => Promise<void> }) {
  const [grace, setGrace] = useState<Grace>("86400")
  return (
    <section class="card padded stack-s">
      <h2>Rotate</h2>
      <p class="quiet">
        Until the old secret ends, deliveries carry a signature of both, so that receivers can change over.
      </p>
      <div class="narrow">
        <Select label="The old secret ends" value={grace} options={GRACES} onChange={setGrace} />
      </div>
      <div class="buttons">
        <Button
          onClick={() => rotate(grace)}
          confirm={`Make a new secret? The old one ends ${wordsOf(grace)}: receivers that still verify with it then take nothing any more.`}
        >
          Rotate
        </Button>
      </div>
    </section>
  )
}

function wordsOf(grace: Grace): string {
  return GRACES.find(([seconds]) => seconds === grace)?.[1] ?? ""
}
