import { useState } from "preact/hooks"

import { api, ask } from "../../api/client.ts"
import { Code } from "../../ui/code.tsx"
import { TextArea, TextField } from "../../ui/field.tsx"
import { Form } from "../../ui/form.tsx"
import { numberIn, objectIn } from "../../ui/typed.ts"
import { UPLOAD_FILE } from "./event-type.ts"

const NOTHING = { url: "", user: "1", headers: "", payload: "" }

/** Registers a webhook, and shows its secret this once. */
export function NewWebhook({ reload }: { reload: () => Promise<void> }) {
  const [typed, setTyped] = useState(NOTHING)
  const [secret, setSecret] = useState<string | null>(null)
  const set = (name: keyof typeof NOTHING) => (value: string) =>
    setTyped((before) => ({ ...before, [name]: value }))
  async function register() {
    const { data } = await ask(
      api.POST("/webhook/register", {
        body: {
          event_type_id: UPLOAD_FILE,
          user_id: numberIn(typed.user, "user_id"),
          url: typed.url,
          // That their values are texts is for the API to judge.
          custom_headers: objectIn(typed.headers, "custom_headers") as Record<string, string> | null,
          custom_payload: objectIn(typed.payload, "custom_payload"),
        },
      }),
    )
    setSecret(data.secret)
    setTyped(NOTHING)
    await reload()
  }
  return (
    <div class="stack">
      <Form title="New webhook" verb="Register" submit={register}>
        {(errors) => (
          <>
            <TextField
              label="URL"
              type="url"
              value={typed.url}
              onInput={set("url")}
              hint="That of an inbox, say."
              required
              mono
            />
            <TextField
              label="User id"
              value={typed.user}
              onInput={set("user")}
              error={errors.user_id}
              inputMode="numeric"
              required
            />
            <TextArea
              label="Headers of its own"
              value={typed.headers}
              onInput={set("headers")}
              error={errors.custom_headers}
              hint='JSON, such as {"X-Tenant": "acme"}; may be left out.'
              rows={2}
            />
            <TextArea
              label="Payload of its own"
              value={typed.payload}
              onInput={set("payload")}
              error={errors.custom_payload}
              hint="JSON, merged into each notification; may be left out."
              rows={2}
            />
          </>
        )}
      </Form>
      {secret !== null && (
        <div class="card padded stack-s">
          <p>The secret that its notifications are signed with:</p>
          <Code text={secret} what="secret" />
        </div>
      )}
    </div>
  )
}
