import { api, ask, type Schemas } from "../../api/client.ts"
import { at } from "../../screen.ts"
import { Button } from "../../ui/button.tsx"
import { Id } from "../../ui/copy.tsx"
import { Facts } from "../../ui/facts.tsx"
import { Time } from "../../ui/time.tsx"
import { UploadState } from "./upload-state.tsx"
import { endpointOf, sizeOf } from "./words.ts"

type Row = Schemas["Upload"]["data"]

/** One upload, and the way to what was sent of it. */
export function Upload({ upload }: { upload: Row }) {
  async function download() {
    const file = await ask(
      api.GET("/uploads/{upload_id}/content", {
        params: { path: { upload_id: upload.upload_id } },
        parseAs: "blob",
      }),
    )
    // A link cannot bring the token along, so the file is fetched first.
    const link = document.createElement("a")
    link.href = URL.createObjectURL(file as Blob)
    link.download = upload.file_name
    link.click()
    URL.revokeObjectURL(link.href)
  }
  return (
    <section class="stack" aria-label="Upload">
      <h2 class="row">
        Upload <Id id={upload.upload_id} what="upload id" />
      </h2>
      <Facts facts={factsOf(upload)} />
      <div class="buttons">
        <Button onClick={download}>Download</Button>
      </div>
    </section>
  )
}

function factsOf(upload: Row) {
  const { webhook_id, failure, event_id, sha256 } = upload
  const endpoint = endpointOf(webhook_id)
  return [
    ["File", upload.file_name] as const,
    ["State", <UploadState key="state" upload={upload} />] as const,
    ...(failure === null ? [] : [["Why it failed", failure] as const]),
    ["Size", sizeOf(upload.size)] as const,
    ["Kind", upload.content_type] as const,
    ["SHA-256", sha256 === null ? "Not known yet" : <Id key="sha" id={sha256} what="SHA-256" />] as const,
    ["Uploaded", <Time key="at" at={upload.uploaded_at} />] as const,
    [
      "Webhook",
      <a key="webhook" href={at("app", "uploads", "endpoints", endpoint)}>
        {webhook_id}
      </a>,
    ] as const,
    [
      "Notification",
      event_id === null ? (
        "Not sent yet"
      ) : (
        <a key="event" href={at("app", "uploads", "messages", event_id, endpoint)}>
          What became of it
        </a>
      ),
    ] as const,
  ]
}
