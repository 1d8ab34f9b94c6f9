import { Check, TextArea, TextField } from "../../ui/field.tsx"
import type { FieldsOf } from "../../ui/form.tsx"

/** What can be changed of an event type. */
interface Typed {
  description: string
  /** The newest schema, as JSON. */
  schemas: string
  enforceSchema: boolean
}

export function TypeFields({
  fields,
  hint,
}: {
  fields: FieldsOf<Typed>
  /** What to know of the schema. */
  hint: string
}) {
  return (
    <>
      <TextField {...fields.description} label="Description" required isWide />
      <TextArea {...fields.schemas} label="JSON schema of the payload" hint={hint} rows={8} isWide />
      <Check {...fields.enforceSchema} label="Refuse messages that do not fit the newest schema" isWide />
    </>
  )
}
