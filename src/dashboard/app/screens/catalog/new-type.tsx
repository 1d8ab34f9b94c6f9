import { useState } from "preact/hooks"
import { useLocation } from "preact-iso"

import { api, ask } from "../../api/client.ts"
import { at } from "../../screen.ts"
import { Button } from "../../ui/button.tsx"
import { Check, TextArea, TextField } from "../../ui/field.tsx"
import { Form } from "../../ui/form.tsx"
import { objectIn } from "../../ui/typed.ts"

/** Adds a type to the catalog and goes there. */
export function NewType({ cancel }: { cancel: () => void }) {
  const { route } = useLocation()
  const [name, setName] = useState("")
  const [description, setDescription] = useState("")
  const [flag, setFlag] = useState("")
  const [schema, setSchema] = useState("")
  const [isEnforced, setEnforced] = useState(false)
  async function create() {
    const first = objectIn(schema, "schemas.1")
    await ask(
      api.POST("/api/v1/event-type", {
        body: {
          name,
          description,
          archived: false,
          deprecated: false,
          enforceSchema: isEnforced,
          ...(flag && { featureFlag: flag }),
          ...(first && { schemas: { "1": first } }),
        },
      }),
    )
    route(at("catalog", name))
  }
  return (
    <Form
      title="New event type"
      verb="Create"
      submit={create}
      beside={
        <Button kind="quiet" onClick={cancel}>
          Cancel
        </Button>
      }
    >
      {(errors) => (
        <>
          <TextField
            label="Name"
            value={name}
            onInput={setName}
            error={errors.name}
            placeholder="invoice.paid"
            required
            autoFocus
            mono
          />
          <TextField
            label="Description"
            value={description}
            onInput={setDescription}
            error={errors.description}
            required
          />
          <TextField
            label="Feature flag"
            value={flag}
            onInput={setFlag}
            error={errors.featureFlag}
            hint="Only portals with it show the type; may be left out."
          />
          <div class="wide stack-s">
            <TextArea
              label="JSON schema of the payload"
              value={schema}
              onInput={setSchema}
              error={schemaError(errors)}
              hint="May be left out. Examples are made from it."
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

/** What is said of the schemas, or of anything in them. */
export function schemaError(errors: Readonly<Record<string, string>>): string | undefined {
  const found = Object.entries(errors).find(([name]) => name.startsWith("schemas"))
  if (found === undefined) return undefined
  const [name, words] = found
  const inside = name.replace(/^schemas(\.\d+)?\.?/, "")
  return inside === "" ? words : `${inside}: ${words}`
}
