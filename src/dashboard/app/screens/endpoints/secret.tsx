import { useState } from "preact/hooks"

import { api, ask } from "../../api/client.ts"
import { can } from "../../session/state.ts"
import { Button } from "../../ui/button.tsx"
import { Code } from "../../ui/code.tsx"
import { say } from "../../ui/toast.tsx"
import type { PartProps } from "./endpoint.tsx"

const GRACE_SECONDS = 24 * 3600

/** The signing secret: not asked for before somebody wants to see it. */
export function Secret({ app, endpoint: { id } }: PartProps) {
  const [secret, setSecret] = useState<string | null>(null)
  const params = { path: { app_id: app, endpoint_id: id } }

  async function reveal() {
    const { key } = await ask(api.GET("/api/v1/app/{app_id}/endpoint/{endpoint_id}/secret", { params }))
    setSecret(key)
  }
  async function rotate() {
    await ask(
      api.POST("/api/v1/app/{app_id}/endpoint/{endpoint_id}/secret/rotate", {
        params,
        body: { key: null, gracePeriodSeconds: GRACE_SECONDS },
      }),
    )
    await reveal()
    say("The secret is rotated. For 24 hours deliveries are signed with the old one as well.")
  }
  return (
    <section class="stack-s">
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
        <Button
          needs="ManageEndpointSecret"
          onClick={rotate}
          confirm="Make a new secret? For 24 hours deliveries are signed with both, so that receivers can follow."
        >
          Rotate
        </Button>
      </div>
    </section>
  )
}
