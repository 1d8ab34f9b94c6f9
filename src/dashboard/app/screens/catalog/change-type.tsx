import { api, ask, type Schemas } from "../../api/client.ts"
import { Form } from "../../ui/form.tsx"
import { objectIn } from "../../ui/typed.ts"
import { versionsOf, withNewest } from "./schemas.ts"
import { TypeFields } from "./type-fields.tsx"

/** Changes what a type says; another schema becomes its next version. */
export function ChangeType({
  known,
  reload,
}: {
  known: Schemas["EventTypeOut"]
  reload: () => Promise<void>
}) {
  const { name, description, enforceSchema } = known
  const newest = versionsOf(known)[0]?.schema
  const before = { description, enforceSchema, schemas: newest ? JSON.stringify(newest, null, 2) : "" }
  async function change({ schemas, ...typed }: typeof before) {
    const next = schemas === before.schemas ? null : objectIn(schemas, "schemas")
    await ask(
      api.PATCH("/api/v1/event-type/{event_type_name}", {
        params: { path: { event_type_name: name } },
        body: { ...typed, ...(next && { schemas: withNewest(known, next) }) },
      }),
    )
    return "The event type is changed."
  }
  return (
    <Form title="Change it" verb="Change" initially={before} submit={change} reload={reload}>
      {(fields) => <TypeFields fields={fields} hint="Another one becomes the next version." />}
    </Form>
  )
}
