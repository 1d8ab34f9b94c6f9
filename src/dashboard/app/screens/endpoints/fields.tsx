import { Check, TextField } from "../../ui/field.tsx"
import type { Errors } from "../../ui/form.tsx"
import type { Draft } from "./draft.ts"
import { useTypes } from "./types.ts"

interface Props {
  draft: Draft
  onChange: (draft: Draft) => void
  errors: Errors
}

/** The fields of an endpoint's settings. */
export function Fields({ draft, onChange, errors }: Props) {
  const set = (name: keyof Draft) => (value: string) => onChange({ ...draft, [name]: value })
  return (
    <>
      <div class="wide">
        <TextField
          label="URL"
          type="url"
          mono
          required
          placeholder="https://example.com/webhooks"
          value={draft.url}
          onInput={set("url")}
          error={errors.url}
        />
      </div>
      <div class="wide">
        <TextField
          label="Description"
          value={draft.description}
          onInput={set("description")}
          error={errors.description}
        />
      </div>
      <TypesField draft={draft} onChange={onChange} errors={errors} />
      <TextField
        label="Channels"
        hint="Separated by commas. With none it gets the messages of all."
        value={draft.channels}
        onInput={set("channels")}
        error={errorOf("channels", errors)}
      />
      <TextField
        label="Rate"
        hint="Messages a second at most. Empty: not limited."
        value={draft.rate}
        onInput={set("rate")}
        error={errors.throttleRate}
      />
    </>
  )
}

function TypesField({ draft, onChange, errors }: Props) {
  const known = useTypes()
  const { eventTypes } = draft
  const choices = [...new Set([...known, ...(eventTypes ?? [])])].sort()
  const error = errorOf("eventTypes", errors)
  const choose = (next: readonly string[] | null) => onChange({ ...draft, eventTypes: next })
  return (
    <fieldset class="field wide">
      <legend class="unseen">Event types</legend>
      <Check
        label="Every event type there is and will be"
        isOn={eventTypes === null}
        onChange={(isOn) => choose(isOn ? null : [])}
      />
      {eventTypes !== null && (
        <div class="types">
          {choices.length === 0 && <p class="quiet">The catalog has no event type yet.</p>}
          {choices.map((name) => (
            <Check
              key={name}
              label={name}
              isOn={eventTypes.includes(name)}
              onChange={(isOn) =>
                choose(isOn ? [...eventTypes, name] : eventTypes.filter((other) => other !== name))
              }
            />
          ))}
        </div>
      )}
      {error && (
        <small class="field-error" role="alert">
          {error}
        </small>
      )}
    </fieldset>
  )
}

/** What is said of a list as a whole, or of one of its members. */
function errorOf(name: string, errors: Errors): string | undefined {
  return Object.entries(errors).find(([field]) => field === name || field.startsWith(`${name}.`))?.[1]
}
