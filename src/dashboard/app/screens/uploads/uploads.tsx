import { api, askPage } from "../../api/client.ts"
import { FamilyPage, useFamilyList } from "../../frame/family.tsx"
import { addressWith, useQuery } from "../../frame/query.ts"
import { useAnswer } from "../../live/answer.ts"
import { AUTHORIZATION } from "../../page.ts"
import type { Screen } from "../../screen.ts"
import { Empty } from "../../ui/empty.tsx"
import { List } from "../../ui/list.tsx"
import { Time } from "../../ui/time.tsx"
import { NewUpload } from "./new-upload.tsx"
import { NewWebhook } from "./new-webhook.tsx"
import { Upload } from "./upload.tsx"
import { UploadState } from "./upload-state.tsx"
import { sizeOf } from "./words.ts"

export const uploads: Screen = {
  path: "/uploads",
  component: Uploads,
  menu: { of: "operator", label: "Uploads" },
}

const UPLOAD = `curl -X POST ${location.origin}/upload_file/webhook_id/WEBHOOK_ID${AUTHORIZATION} \\
  --form file=@photo.jpg`

function Uploads() {
  const [chosen] = useQuery("upload", "")
  const webhooks = useAnswer("/api/v1/app/{app_id}/endpoint", {
    path: { app_id: "uploads" },
    query: { limit: 250, order: "descending" },
  })
  const live = useFamilyList(async (query, signal) => {
    const { data, ...page } = await askPage(api.GET("/uploads", { params: { query }, signal }))
    return { ...page, data: data.data }
  })
  const shown = live.data?.data.find(({ upload_id }) => upload_id === chosen)
  return (
    <FamilyPage
      app="uploads"
      title="Uploads"
      about="Application C: it tells a webhook when a file that was uploaded to it has arrived whole."
    >
      <div class="forms">
        {webhooks.data && webhooks.data.data.length > 0 && (
          <NewUpload webhooks={webhooks.data.data} reload={live.reload} />
        )}
        <NewWebhook reload={webhooks.reload} />
      </div>
      <List
        live={live}
        none={
          <Empty title="No upload yet" command={UPLOAD}>
            Register a webhook above, then upload a file to it.
          </Empty>
        }
        label="Uploads"
        keyOf={({ upload_id }) => upload_id}
        isCurrent={({ upload_id }) => upload_id === chosen}
        href={({ upload_id }) => addressWith("upload", upload_id)}
        columns={[
          { title: "File", cell: ({ file_name }) => file_name },
          { title: "State", cell: (upload) => <UploadState upload={upload} /> },
          { title: "Size", cell: ({ size }) => sizeOf(size), isNumber: true, isExtra: true },
          { title: "Kind", cell: ({ content_type }) => content_type, isExtra: true },
          { title: "Uploaded", cell: ({ uploaded_at }) => <Time at={uploaded_at} /> },
        ]}
      />
      {shown && <Upload upload={shown} />}
    </FamilyPage>
  )
}
