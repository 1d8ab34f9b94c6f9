import { useState } from "preact/hooks"

import { api, ask } from "../../api/client.ts"
import { Code } from "../../ui/code.tsx"
import { TextArea, TextField } from "../../ui/field.tsx"
import { Form } from "../../ui/form.tsx"
import { numberIn, objectIn } from "../../ui/typed.ts"
import { UPLOAD_FILE } from "./event-type.ts"

const NOTHING = { url: "", user_id: "1", custom_headers: "", custom_payload: "" }

/** Registers a webhook, and shows its secret this once. */
export function NewWebhook({ reload }: { reload: () => Promise<void> }) {
  const [secret, setSecret] = useState<string | null>(null)
  async function register({ url, user_id, custom_headers, custom_payload }: typeof NOTHING) {
    const { data } = await ask(
      api.POST("/webhook/register", {
        body: {
          event_type_id: UPLOAD_FILE,
          user_id: numberIn(user_id, "user_id"),
          url,
          // That their values are texts is for the API to judge.
          custom_headers: objectIn(custom_headers, "custom_headers") as Record<string, string> | null,
          custom_payload: objectIn(custom_payload, "custom_payload"),
        },
      }),
    )
    setSecret(data.secret)
    return "The webhook is registered."
  }
  return (
    <div class="stack">
      <Form
        title="New webhook"
        verb="Register"
        initially={NOTHING}
        cleared={NOTHING}
        submit={register}
        reload={reload}
      >
        {(fields) => (
          <>
            <TextField {...fields.url} label="URL" type="url" hint="That of an inbox, say." required mono />
            <TextField {...fields.user_id} label="User id" inputMode="numeric" required />
            <TextArea
              {...fields.custom_headers}
              label="Headers of its own"
              hint='JSON, such as {"X-Tenant": "acme"}; may be left out.'
              rows={2}
            />
            <TextArea
              {...fields.custom_payload}
              label="Payload of its own"
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
