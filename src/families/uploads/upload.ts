import { z } from "@hono/zod-openapi"
import { requireSpace } from "../../engine/upkeep/space.ts"
import { refuseEncoded } from "../../http/middleware/json-body.ts"
import { operation } from "../../http/operation.ts"
import { Problem } from "../../http/problem.ts"
import { createRouter } from "../../http/router.ts"
import type { Deps } from "../../platform/deps.ts"
import { Enveloped, enveloped, refusals } from "./envelope.ts"
import { requestProcessing } from "./process.ts"
import { receiveFile } from "./receive.ts"
import { findEndpoint } from "./store/registrations.ts"
import { APPLICATION } from "./store/uploads.ts"

const UPLOAD_ID = "upl_019a8f0c5d1b7c3e9a4f2b6d8e0c1a3f"

const Accepted = Enveloped(z.object({ upload_id: z.string(), status_url: z.string() })).openapi(
  "AcceptedUpload",
  {
    example: {
      message: "ok",
      data: { upload_id: UPLOAD_ID, status_url: `http://127.0.0.1:8787/uploads/${UPLOAD_ID}` },
      error: false,
    },
  },
)

export const upload = createRouter()

upload.openapi(
  operation({
    operationId: "uploadFile",
    tags: ["Uploads"],
    summary: "Upload a file to a registered webhook",
    description:
      "Answers once the file is stored; its receiver is told when the file was found whole. Of several files the first counts.",
    method: "post",
    path: "/upload_file/webhook_id/{webhook_id}",
    request: {
      params: z.object({
        webhook_id: z.string().openapi({ example: "019a8f0c-5d1b-7c3e-9a4f-2b6d8e0c1a3f" }),
      }),
      body: {
        required: true,
        content: {
          // No zod schema: its validator would read the whole file into memory.
          "multipart/form-data": {
            schema: {
              type: "object",
              properties: { file: { type: "string", format: "binary" } },
              required: ["file"],
            },
          },
        },
      },
    },
    responses: {
      200: { description: "Stored", content: { "application/json": { schema: Accepted } } },
      ...refusals(400, 404, 408, 413, 507),
    },
  }),
  async (c) => {
    const { deps } = c.var
    refuseEncoded(c.req.header("content-encoding"))
    const files = requireFiles(deps)
    const endpointId = await findEndpoint(deps, c.req.valid("param").webhook_id)
    if (endpointId === null) throw new Problem(404, null, "Webhook not found")
    await requireSpace(deps, APPLICATION)
    const { id, isOnly } = await receiveFile(deps, files, endpointId, c.req.raw)
    if (isOnly) await requestProcessing(deps, id)
    const statusUrl = new URL(`/uploads/${id}`, c.req.url).href
    return c.json(enveloped("ok", { upload_id: id, status_url: statusUrl }), 200)
  },
)

/** The bucket; 503 on an account that has none yet. */
export function requireFiles({ files }: Deps): R2Bucket {
  if (files) return files
  throw new Problem(
    503,
    "not_configured",
    "Uploads need R2: enable it in the Cloudflare dashboard, run `npx wrangler r2 bucket create posthorn-files`, then deploy again",
  )
}
