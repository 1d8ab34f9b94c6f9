import { Below, Check, TextField } from "../../ui/field.tsx"
import type { Bound, FieldsOf } from "../../ui/form.tsx"
import type { Draft } from "./draft.ts"
import { useTypes } from "./types.ts"

/** The fields of an endpoint's settings. */
export function Fields({ fields }: { fields: FieldsOf<Draft> }) {
  return (
    <>
      <TextField
        {...fields.url}
        label="URL"
        type="url"
        placeholder="https://example.com/webhooks"
        mono
        required
        isWide
      />
      <TextField {...fields.description} label="Description" isWide />
      <TypesField {...fields.eventTypes} />
      <TextField
        {...fields.channels}
        label="Channels"
        hint="Separated by commas. With none it gets the messages of all."
      />
      <TextField
        {...fields.throttleRate}
        label="Rate"
        hint="Messages a second at most. Empty: not limited."
      />
    </>
  )
}

function TypesField({ value: chosen, onChange, error }: Bound<Draft["eventTypes"]>) {
  const known = useTypes()
  const choices = [...new Set([...known, ...(chosen ?? [])])].sort()
  return (
    <fieldset class="field wide">
      <legend class="unseen">Event types</legend>
      <Check
        label="Every event type there is and will be"
        value={chosen === null}
        onChange={(isOn) => onChange(isOn ? null : [])}
      />
      {chosen !== null && (
        <div class="types">
          {choices.length === 0 && <p class="quiet">The catalog has no event type yet.</p>}
          {choices.map((name) => (
            <Check
              key={name}
              label={name}
              value={chosen.includes(name)}
              onChange={(isOn) =>
                onChange(isOn ? [...chosen, name] : chosen.filter((other) => other !== name))
              }
            />
          ))}
        </div>
      )}
      <Below error={error} />
    </fieldset>
  )
}
