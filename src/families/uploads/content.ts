import type { Context } from "hono"
import { operation } from "../../http/operation.ts"
import { Problem } from "../../http/problem.ts"
import { type AppEnv, createRouter } from "../../http/router.ts"
import { refusals } from "./envelope.ts"
import { attachment } from "./file-name.ts"
import { parseRange, type Range } from "./range.ts"
import { type ArrivedUpload, getUpload } from "./store/uploads.ts"
import { requireFiles } from "./upload.ts"
import { UploadId } from "./uploads.ts"

const BINARY = { "application/octet-stream": { schema: { type: "string", format: "binary" } } } as const

export const content = createRouter()

content.openapi(
  operation({
    operationId: "downloadUpload",
    tags: ["Uploads"],
    summary: "Download the uploaded file",
    description: "Always as an attachment. Takes `Range` (one range), `If-None-Match` and `If-Range`.",
    method: "get",
    path: "/uploads/{upload_id}/content",
    request: { params: UploadId },
    responses: {
      200: { description: "The file, in its own content type", content: BINARY },
      206: { description: "The range of it that was asked for", content: BINARY },
      304: { description: "The file that the client has already" },
      ...refusals(404, 416),
    },
  }),
  async (c) => {
    const files = requireFiles(c.var.deps)
    const upload = await getUpload(c.var.deps, c.req.valid("param").upload_id)
    if (upload === null || upload.state === "failed") throw notFound()
    const headers = headersOf(upload)
    if (isKnown(c.req.header("if-none-match"), headers.etag)) {
      return new Response(null, { status: 304, headers })
    }
    return c.req.method === "HEAD"
      ? describe(files, upload, headers)
      : send(files, upload, headers, rangeFor(c, upload, headers.etag))
  },
)

type Headers = ReturnType<typeof headersOf>

/** A stranger's file must not run as a page of ours: saved, never sniffed, and without rights if it is shown. */
function headersOf(upload: ArrivedUpload) {
  return {
    "content-type": upload.contentType,
    "content-disposition": attachment(upload.fileName),
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; sandbox",
    "cache-control": "private",
    "accept-ranges": "bytes",
    etag: `"${upload.sha256}"`,
  }
}

async function describe(files: R2Bucket, { id, size }: ArrivedUpload, headers: Headers): Promise<Response> {
  if ((await files.head(id)) === null) throw notFound()
  return new Response(null, { headers: { ...headers, "content-length": String(size) } })
}

async function send(
  files: R2Bucket,
  { id, size }: ArrivedUpload,
  headers: Headers,
  range: Range | null,
): Promise<Response> {
  const object = await files.get(id, range ? { range } : {})
  if (object === null) throw notFound()
  if (range === null) {
    return new Response(object.body, { headers: { ...headers, "content-length": String(size) } })
  }
  const { offset, length } = range
  return new Response(object.body, {
    status: 206,
    headers: {
      ...headers,
      "content-length": String(length),
      "content-range": `bytes ${offset}-${offset + length - 1}/${size}`,
    },
  })
}

/** The range asked for, unless the client's copy, of which it wants the rest, is of another file. */
function rangeFor(c: Context<AppEnv>, { size }: ArrivedUpload, etag: string): Range | null {
  const ifRange = c.req.header("if-range")
  if (ifRange !== undefined && ifRange !== etag) return null
  const range = parseRange(c.req.header("range"), size ?? 0)
  if (range !== "unsatisfiable") return range
  throw new Problem(416, null, `The file has ${size} bytes`, {
    headers: { "content-range": `bytes */${size}` },
  })
}

function isKnown(ifNoneMatch: string | undefined, etag: string): boolean {
  const tags = ifNoneMatch?.split(",").map((tag) => tag.trim().replace(/^W\//, "")) ?? []
  return tags.includes(etag) || tags.includes("*")
}

function notFound(): Problem {
  return new Problem(404, null, "Upload not found")
}
