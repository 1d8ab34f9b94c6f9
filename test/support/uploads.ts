import { expect } from "vitest"
import { ORIGIN, type World } from "./world.ts"

export const EVENT_TYPE_ID = "21f8e1f7-4142-42f9-ac30-74961702b2eb"
export const HOOK = "http://receiver.example/hook"
export const MIB = 1024 * 1024

export interface Envelope<Data = Record<string, unknown>> {
  message: string
  data: Data
  error: boolean
}

export interface Registered {
  id: string
  endpoint_id: string
  secret: string
}

/** Registers a webhook through C's door. */
export async function registerWebhook(world: World, more: object = {}): Promise<Registered> {
  const json = { event_type_id: EVENT_TYPE_ID, user_id: 1, url: HOOK, ...more }
  const response = await world.fetch("/webhook/register", { json })
  if (response.status !== 200) throw new Error(`not registered: ${response.status} ${await response.text()}`)
  return (await response.json<Envelope<Registered>>()).data
}

export interface Part {
  /** The header lines, as they are sent. */
  headers: string[]
  content: string | Uint8Array
}

export const filePart = (
  content: string | Uint8Array,
  disposition = 'filename="a.txt"',
  type?: string,
): Part => ({
  headers: [
    `Content-Disposition: form-data; name="file"; ${disposition}`,
    ...(type === undefined ? [] : [`Content-Type: ${type}`]),
  ],
  content,
})

export const fieldPart = (name: string, content: string): Part => ({
  headers: [`Content-Disposition: form-data; name="${name}"`],
  content,
})

export const BOUNDARY = "------------------------d74496d66958873e"

/** The bytes of a multipart/form-data body. */
export function multipart(parts: readonly Part[], boundary = BOUNDARY): Uint8Array<ArrayBuffer> {
  const pieces = parts.flatMap(({ headers, content }) => [
    `--${boundary}\r\n${headers.join("\r\n")}\r\n\r\n`,
    content,
    "\r\n",
  ])
  return concat([...pieces, `--${boundary}--\r\n`])
}

export function concat(pieces: readonly (string | Uint8Array)[]): Uint8Array<ArrayBuffer> {
  const encoded = pieces.map((piece) => (typeof piece === "string" ? new TextEncoder().encode(piece) : piece))
  const bytes = new Uint8Array(encoded.reduce((sum, piece) => sum + piece.byteLength, 0))
  let at = 0
  for (const piece of encoded) {
    bytes.set(piece, at)
    at += piece.byteLength
  }
  return bytes
}

/** Sends a multipart body to a webhook. */
export function send(
  world: World,
  webhookId: string,
  body: BodyInit | null,
  contentType = `multipart/form-data; boundary=${BOUNDARY}`,
  headers: Record<string, string> = {},
): Promise<Response> {
  return world.fetch(`/upload_file/webhook_id/${webhookId}`, {
    method: "POST",
    headers: { "content-type": contentType, ...headers },
    body,
  })
}

/** Uploads a file and answers its id. */
export async function uploadFile(world: World, webhookId: string, part: Part): Promise<string> {
  const response = await send(world, webhookId, multipart([part]))
  if (response.status !== 200) throw new Error(`not uploaded: ${response.status} ${await response.text()}`)
  return (await response.json<Envelope<{ upload_id: string }>>()).data.upload_id
}

export async function statusOf(world: World, uploadId: string): Promise<Record<string, unknown>> {
  return (await (await world.fetch(`/uploads/${uploadId}`)).json<Envelope>()).data
}

/** Every row of the table, also those that no client knows of. */
export async function uploadRows(world: World): Promise<Record<string, unknown>[]> {
  return (await world.env.DB.prepare("SELECT * FROM uploads ORDER BY id").all()).results
}

export async function storedKeys(world: World): Promise<string[]> {
  return (await world.env.FILES.list()).objects.map(({ key }) => key)
}

export async function emptyBucket(world: World): Promise<void> {
  const keys = await storedKeys(world)
  if (keys.length > 0) await world.env.FILES.delete(keys)
}

/** Bytes that look random and are the same in each run. */
export function noise(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length)
  let state = seed
  for (let at = 0; at < length; at++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[at] = state >>> 24
  }
  return bytes
}

export async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", bytes)
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("")
}

/** A real PNG: 64 × 64 pixels of noise. */
export async function makePng(): Promise<Uint8Array<ArrayBuffer>> {
  const size = 64
  const rows = Array.from({ length: size }, (_, y) => concat([new Uint8Array(1), noise(size * 3, y + 1)]))
  const stream = new Blob([concat(rows)]).stream().pipeThrough(new CompressionStream("deflate"))
  const pixels = new Uint8Array(await new Response(stream).arrayBuffer())
  const header = new Uint8Array([0, 0, 0, size, 0, 0, 0, size, 8, 2, 0, 0, 0])
  const signature = new Uint8Array([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  return concat([
    signature,
    pngChunk("IHDR", header),
    pngChunk("IDAT", pixels),
    pngChunk("IEND", new Uint8Array()),
  ])
}

function pngChunk(type: string, data: Uint8Array): Uint8Array {
  const body = concat([type, data])
  return concat([uint32(data.byteLength), body, uint32(crc32(body))])
}

function uint32(value: number): Uint8Array {
  return new Uint8Array([value >>> 24, value >>> 16, value >>> 8, value])
}

function crc32(bytes: Uint8Array): number {
  let crc = ~0
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1
  }
  return ~crc >>> 0
}

/** What happens in the bucket, call by call; `before` may throw or never resolve, as R2 or a dead process would. */
export interface Watched {
  calls: string[]
  before: ((call: string) => unknown) | null
}

/** Puts a watch on the bucket that the world stores its files in. */
export function watchFiles(world: World): Watched {
  const watched: Watched = { calls: [], before: null }
  const files = world.env.FILES
  const watch = async <T>(call: string, run: () => Promise<T>): Promise<T> => {
    watched.calls.push(call)
    await watched.before?.(call)
    return run()
  }
  const watchMultipart = (upload: R2MultipartUpload) => ({
    key: upload.key,
    uploadId: upload.uploadId,
    uploadPart: (n: number, value: Uint8Array) => watch(`part ${n}`, () => upload.uploadPart(n, value)),
    complete: (parts: R2UploadedPart[]) => watch("complete", () => upload.complete(parts)),
    abort: () => watch("abort", () => upload.abort()),
  })
  world.deps.files = {
    head: (key: string) => watch("head", () => files.head(key)),
    get: (key: string, options?: R2GetOptions) => watch("get", () => files.get(key, options)),
    put: (key: string, value: Uint8Array, options?: R2PutOptions) =>
      watch("put", () => files.put(key, value, options)),
    delete: (keys: string | string[]) => watch("delete", () => files.delete(keys)),
    createMultipartUpload: (key: string) =>
      watch("create", async () => watchMultipart(await files.createMultipartUpload(key))),
    resumeMultipartUpload: (key: string, id: string) => watchMultipart(files.resumeMultipartUpload(key, id)),
  } as unknown as R2Bucket
  return watched
}

export const statusUrl = (uploadId: string) => `${ORIGIN}/uploads/${uploadId}`

/** C's words for a refusal, as it writes them. */
export const refusal = (message: string) => JSON.stringify({ message, data: {}, error: true })

export async function expectRefusal(response: Response, status: number, message: string): Promise<void> {
  expect([response.status, await response.text()]).toEqual([status, refusal(message)])
  expect(response.headers.get("content-type")).toBe("application/json")
}
