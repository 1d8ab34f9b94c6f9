import { z } from "@hono/zod-openapi"

import { toUuid } from "../../db/ids.ts"
import { operation } from "../../http/operation.ts"
import { paged, pageFrom, pageQuery } from "../../http/page.ts"
import { Problem } from "../../http/problem.ts"
import { createRouter } from "../../http/router.ts"
import { Enveloped, enveloped, refusals } from "./envelope.ts"
import { type ArrivedUpload, getUpload, listUploads } from "./store/uploads.ts"

/** The id in the paths of an upload. */
export const UploadId = z.object({
  upload_id: z.string().openapi({ example: "upl_019a8f0c5d1b7c3e9a4f2b6d8e0c1a3f" }),
})

const Facts = z.object({
  upload_id: z.string(),
  webhook_id: z.string(),
  state: z.enum(["received", "processing", "completed", "failed"]),
  failure: z.string().nullable().openapi({ description: "Why it failed" }),
  file_name: z.string(),
  size: z.number().nullable(),
  content_type: z.string(),
  sha256: z.string().nullable(),
  uploaded_at: z.string(),
  event_id: z.string().nullable().openapi({ description: "The event that its completion published" }),
})

const EXAMPLE = {
  upload_id: "upl_019a8f0c5d1b7c3e9a4f2b6d8e0c1a3f",
  webhook_id: "019a8f0c-5d1b-7c3e-9a4f-2b6d8e0c1a3f",
  state: "completed",
  failure: null,
  file_name: "photo.jpg",
  size: 48213,
  content_type: "image/jpeg",
  sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
  uploaded_at: "2024-02-27T08:59:08.779Z",
  event_id: "evt_019a8f0c5d1b7c3e9a4f2b6d8e0c1a3f",
} as const

const Upload = Enveloped(Facts).openapi("Upload", { example: enveloped("ok", EXAMPLE) })
const Uploads = Enveloped(z.array(Facts)).openapi("Uploads", { example: enveloped("ok", [EXAMPLE]) })

export const uploads = createRouter()

uploads.openapi(
  operation({
    operationId: "listUploads",
    tags: ["Uploads"],
    summary: "List the uploads, oldest first",
    description: "At most 1,000 a page; the `Link` header leads to the next one.",
    method: "get",
    path: "/uploads",
    request: { query: z.object(pageQuery) },
    responses: {
      200: { description: "A page of uploads", content: { "application/json": { schema: Uploads } } },
      ...refusals(400),
    },
  }),
  async (c) => {
    const page = await listUploads(c.var.deps, pageFrom(c.req.valid("query")))
    return c.json(enveloped("ok", paged(c, page).map(toWire)), 200)
  },
)

uploads.openapi(
  operation({
    operationId: "getUpload",
    tags: ["Uploads"],
    summary: "An upload's state and facts",
    description: "received → processing → completed | failed. A completed upload has told its receiver.",
    method: "get",
    path: "/uploads/{upload_id}",
    request: { params: UploadId },
    responses: {
      200: { description: "The upload", content: { "application/json": { schema: Upload } } },
      ...refusals(404),
    },
  }),
  async (c) => {
    const upload = await getUpload(c.var.deps, c.req.valid("param").upload_id)
    if (upload === null) throw new Problem(404, null, "Upload not found")
    return c.json(enveloped("ok", toWire(upload)), 200)
  },
)

function toWire(upload: ArrivedUpload) {
  return {
    upload_id: upload.id,
    webhook_id: toUuid(upload.endpointId),
    state: upload.state,
    failure: upload.failure,
    file_name: upload.fileName,
    size: upload.size,
    content_type: upload.contentType,
    sha256: upload.sha256,
    uploaded_at: new Date(upload.createdAt).toISOString(),
    event_id: upload.eventId,
  }
}
