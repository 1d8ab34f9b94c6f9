import { useLocation } from "preact-iso"

import { api, ask } from "../../api/client.ts"
import { at } from "../../screen.ts"
import { TextField } from "../../ui/field.tsx"
import { Form } from "../../ui/form.tsx"
import { numberIn } from "../../ui/typed.ts"

const NOTHING = { name: "", uid: "", throttleRate: "" }

/** Makes an application and goes there. */
export function NewApplication({ cancel }: { cancel: () => void }) {
  const { route } = useLocation()
  async function create({ name, uid, throttleRate }: typeof NOTHING) {
    const body = {
      name,
      metadata: {},
      ...(uid && { uid }),
      ...(throttleRate && { throttleRate: numberIn(throttleRate, "throttleRate") }),
    }
    const { id } = await ask(api.POST("/api/v1/app", { body }))
    route(at("app", id, "endpoints"))
    return "The application is made."
  }
  return (
    <Form title="New application" verb="Create" initially={NOTHING} submit={create} cancel={cancel}>
      {(fields) => (
        <>
          <TextField {...fields.name} label="Name" required autoFocus />
          <TextField
            {...fields.uid}
            label="Uid"
            hint="Your own name for it in addresses, such as the customer’s number; may be left out."
            mono
          />
          <TextField
            {...fields.throttleRate}
            label="Rate"
            hint="Requests a second to all its endpoints together; may be left out."
            inputMode="numeric"
          />
        </>
      )}
    </Form>
  )
}
