import { useState } from "preact/hooks"

import { api, ask, type Schemas } from "../../api/client.ts"
import { Check, TextArea, TextField } from "../../ui/field.tsx"
import { Form } from "../../ui/form.tsx"
import { say } from "../../ui/toast.tsx"
import { objectIn } from "../../ui/typed.ts"
import { schemaError } from "./new-type.tsx"
import { versionsOf, withNewest } from "./schemas.ts"

/** Changes what a type says; another schema becomes its next version. */
export function ChangeType({
  known,
  reload,
}: {
  known: Schemas["EventTypeOut"]
  reload: () => Promise<void>
}) {
  const newest = versionsOf(known)[0]?.schema
  const before = newest === undefined ? "" : JSON.stringify(newest, null, 2)
  const [description, setDescription] = useState(known.description)
  const [schema, setSchema] = useState(before)
  const [isEnforced, setEnforced] = useState(known.enforceSchema)
  async function change() {
    const next = schema === before ? null : objectIn(schema, "schemas")
    await ask(
      api.PATCH("/api/v1/event-type/{event_type_name}", {
        params: { path: { event_type_name: known.name } },
        body: {
          description,
          enforceSchema: isEnforced,
          ...(next && { schemas: withNewest(known, next) }),
        },
      }),
    )
    say("The event type is changed.")
    await reload()
  }
  return (
    <Form title="Change it" verb="Change" submit={change}>
      {(errors) => (
        <>
          <div class="wide stack">
            <TextField
              label="Description"
              value={description}
              onInput={setDescription}
              error={errors.description}
              required
            />
            <TextArea
              label="JSON schema of the payload"
              value={schema}
              onInput={setSchema}
              error={schemaError(errors)}
              hint="Another one becomes the next version."
              rows={8}
            />
            <Check
              label="Refuse messages that do not fit the newest schema"
              isOn={isEnforced}
              onChange={setEnforced}
            />
          </div>
        </>
      )}
    </Form>
  )
}
