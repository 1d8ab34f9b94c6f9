import { useState } from "preact/hooks"

import { api, ask, type Schemas } from "../../api/client.ts"
import { FileField, Select } from "../../ui/field.tsx"
import { Form } from "../../ui/form.tsx"
import { say } from "../../ui/toast.tsx"
import { webhookOf } from "./words.ts"

/** Uploads a file to one of the webhooks. */
export function NewUpload({
  webhooks,
  reload,
}: {
  webhooks: readonly Schemas["EndpointOut"][]
  reload: () => Promise<void>
}) {
  const [chosen, setChosen] = useState("")
  const [file, setFile] = useState<File>()
  const endpoint = webhooks.find(({ id }) => id === chosen) ?? webhooks[0]
  async function upload() {
    if (file === undefined || endpoint === undefined) return
    await ask(
      api.POST("/upload_file/webhook_id/{webhook_id}", {
        params: { path: { webhook_id: webhookOf(endpoint.id) } },
        body: { file: file.name },
        bodySerializer() {
          const form = new FormData()
          form.append("file", file)
          return form
        },
      }),
    )
    say("The file is stored. Its webhook is told when it was found whole.")
    await reload()
  }
  return (
    <Form title="New upload" verb="Upload" submit={upload}>
      {() => (
        <>
          <Select
            label="Webhook"
            value={endpoint?.id ?? ""}
            onChange={setChosen}
            options={webhooks.map(({ id, url }) => [id, `${url} (…${id.slice(-6)})`])}
          />
          <FileField label="File" onChange={setFile} />
        </>
      )}
    </Form>
  )
}
