import { useState } from "preact/hooks"
import { useLocation } from "preact-iso"

import { api, ask } from "../../api/client.ts"
import { at } from "../../screen.ts"
import { Button } from "../../ui/button.tsx"
import { TextField } from "../../ui/field.tsx"
import { Form } from "../../ui/form.tsx"
import { numberIn } from "../../ui/typed.ts"

/** Makes an application and goes there. */
export function NewApplication({ cancel }: { cancel: () => void }) {
  const { route } = useLocation()
  const [name, setName] = useState("")
  const [uid, setUid] = useState("")
  const [rate, setRate] = useState("")
  async function create() {
    const body = {
      name,
      metadata: {},
      ...(uid && { uid }),
      ...(rate && { throttleRate: numberIn(rate, "throttleRate") }),
    }
    const { id } = await ask(api.POST("/api/v1/app", { body }))
    route(at("app", id, "endpoints"))
  }
  return (
    <Form
      title="New application"
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
          <TextField label="Name" value={name} onInput={setName} error={errors.name} required autoFocus />
          <TextField
            label="Uid"
            value={uid}
            onInput={setUid}
            error={errors.uid}
            hint="Your own name for it in addresses, such as the customer’s number; may be left out."
            mono
          />
          <TextField
            label="Rate"
            value={rate}
            onInput={setRate}
            error={errors.throttleRate}
            hint="Requests a second to all its endpoints together; may be left out."
            inputMode="numeric"
          />
        </>
      )}
    </Form>
  )
}
