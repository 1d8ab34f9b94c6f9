import { api, ask, type Schemas } from "../../api/client.ts"
import { FileField, Select } from "../../ui/field.tsx"
import { Form } from "../../ui/form.tsx"
import { webhookOf } from "./words.ts"

/** Uploads a file to one of the webhooks. */
export function NewUpload({
  webhooks,
  reload,
}: {
  webhooks: readonly Schemas["EndpointOut"][]
  reload: () => Promise<void>
}) {
  const nothing = { webhook: webhooks[0]?.id ?? "", file: undefined as File | undefined }
  async function upload({ webhook, file }: typeof nothing) {
    if (file === undefined) throw new Error("Choose a file first.")
    await ask(
      api.POST("/upload_file/webhook_id/{webhook_id}", {
        params: { path: { webhook_id: webhookOf(webhook) } },
        body: { file: file.name },
        bodySerializer() {
          const form = new FormData()
          form.append("file", file)
          return form
        },
      }),
    )
    return "The file is stored. Its webhook is told when it was found whole."
  }
  return (
    <Form title="New upload" verb="Upload" initially={nothing} submit={upload} reload={reload}>
      {(fields) => (
        <>
          <Select
            {...fields.webhook}
            label="Webhook"
            options={webhooks.map(({ id, url }) => [id, `${url} (…${id.slice(-6)})`])}
          />
          <FileField {...fields.file} label="File" />
        </>
      )}
    </Form>
  )
}
