import { useLocation } from "preact-iso"

import { api, ask } from "../../api/client.ts"
import { at } from "../../screen.ts"
import { TextField } from "../../ui/field.tsx"
import { Form } from "../../ui/form.tsx"
import { objectIn } from "../../ui/typed.ts"
import { TypeFields } from "./type-fields.tsx"

const NOTHING = { name: "", description: "", featureFlag: "", schemas: "", enforceSchema: false }

/** Adds a type to the catalog and goes there. */
export function NewType({ cancel }: { cancel: () => void }) {
  const { route } = useLocation()
  async function create({ featureFlag, schemas, ...typed }: typeof NOTHING) {
    const first = objectIn(schemas, "schemas")
    await ask(
      api.POST("/api/v1/event-type", {
        body: {
          ...typed,
          archived: false,
          deprecated: false,
          ...(featureFlag && { featureFlag }),
          ...(first && { schemas: { "1": first } }),
        },
      }),
    )
    route(at("catalog", typed.name))
    return "The event type is made."
  }
  return (
    <Form title="New event type" verb="Create" initially={NOTHING} submit={create} cancel={cancel}>
      {(fields) => (
        <>
          <TextField {...fields.name} label="Name" placeholder="invoice.paid" required autoFocus mono />
          <TextField
            {...fields.featureFlag}
            label="Feature flag"
            hint="Only portals with it show the type; may be left out."
          />
          <TypeFields fields={fields} hint="May be left out. Examples are made from it." />
        </>
      )}
    </Form>
  )
}
