import { Problem } from "../../http/problem.ts"
import type { Deps } from "../../platform/deps.ts"
import { parseDisposition, toLabel } from "./file-name.ts"
import { boundaryOf, MalformedMultipart, MultipartParser } from "./multipart.ts"
import { discard, FileWriter, PART_BYTES } from "./storage.ts"
import { beginUpload, dropUpload, finishUpload, noteMultipart } from "./store/uploads.ts"

/** What a body may have besides its file: boundaries, headers, small fields. */
const ENVELOPE_BYTES = 1024 * 1024
/** A stream's chunks are of any size; they are parsed in pieces of this. */
const PIECE_BYTES = 64 * 1024
const OCTET_STREAM = "application/octet-stream"
const MEDIA_TYPE = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(\s*;\s*[\w!#$&^.+-]+=([\w!#$&^.+:/-]+|"[ !#-[\]-~]*"))*$/
const MAX_MEDIA_TYPE_CHARS = 255

const NO_FILE_PART = "No file part"
const CUT_SHORT = "The file did not arrive whole; send it again"

interface Arriving {
  id: string
  writer: FileWriter
}

/**
 * Takes the file of a multipart request into the bucket as it arrives, and notes it as received; answers the
 * upload's id, and whether it is the only one that waits to be processed. The row comes first, then the bytes, then what the row says of them: a crash in between leaves
 * a row that the sweep finds. Whatever is refused leaves nothing behind.
 */
export async function receiveFile(
  deps: Deps,
  files: R2Bucket,
  endpointId: string,
  request: Request,
): Promise<{ id: string; isOnly: boolean }> {
  const started = deps.clock.now()
  const { body, boundary, length } = readEnvelope(request, deps.config.maxUploadBytes)
  const { file, size, sha256, maxParserBytes } = await storeFile(deps, body, boundary, (found) =>
    begin(deps, files, length || PART_BYTES, { endpointId, ...found }),
  )
  const { id, writer } = file
  const finished = await finishUpload(deps, id, { size, sha256 })
  if (finished === null) {
    await discard(files, id, null)
    throw new Problem(408, null, "The upload took so long that it was given up; send the file again")
  }
  deps.observe({
    unit: "upload",
    uploadId: id,
    state: "received",
    size,
    parts: writer.parts,
    maxHeldBytes: writer.maxHeldBytes,
    maxParserBytes,
    durationMs: deps.clock.now() - started,
  })
  return { id, isOnly: finished.isOnly }
}

/** What a request says of its body before that is read; `length` is NaN where it does not say. */
function readEnvelope({ headers, body }: Request, limit: number) {
  const boundary = boundaryOf(headers.get("content-type") ?? undefined)
  if (boundary === null || body === null) throw new Problem(400, null, NO_FILE_PART)
  const length = Number(headers.get("content-length") ?? Number.NaN)
  if (length > limit + ENVELOPE_BYTES) throw tooLarge(limit)
  return { body, boundary, length }
}

/**
 * Stores the first file of a multipart body, which `start` begins, as it arrives. What is
 * refused is taken back.
 */
async function storeFile(
  deps: Deps,
  body: ReadableStream<Uint8Array>,
  boundary: string,
  start: (found: FilePart) => Promise<Arriving>,
) {
  const limit = deps.config.maxUploadBytes
  const parser = new MultipartParser(boundary)
  let file: Arriving | null = null
  let maxParserBytes = 0
  try {
    let inFile = false
    for await (const piece of piecesOf(body, limit)) {
      for (const event of parser.push(piece)) {
        if (event.kind === "part") {
          const found = file === null ? readFilePart(event.headers) : null
          inFile = found !== null
          if (found) file = await start(found)
        } else if (event.kind === "data" && inFile && file) {
          if (file.writer.size + event.bytes.byteLength > limit) throw tooLarge(limit)
          await file.writer.write(event.bytes)
        }
      }
      maxParserBytes = Math.max(maxParserBytes, parser.heldBytes)
    }
    if (file === null) throw new Problem(400, null, NO_FILE_PART)
    if (!parser.closed) throw new Problem(400, null, CUT_SHORT)
    return { file, ...(await file.writer.close()), maxParserBytes }
  } catch (error) {
    if (file) await takeBack(deps, file)
    if (error instanceof MalformedMultipart) throw new Problem(400, null, file ? CUT_SHORT : NO_FILE_PART)
    throw error
  }
}

interface FilePart {
  fileName: string
  contentType: string
}

/** The label and type of the file in this part; null when it is some other field. */
function readFilePart(headers: ReadonlyMap<string, string>): FilePart | null {
  const { name, fileName } = parseDisposition(headers.get("content-disposition"))
  if (name !== "file" || fileName === null) return null
  if (fileName === "") throw new Problem(400, null, "No selected file")
  const given = headers.get("content-type") ?? ""
  const sane = given.length <= MAX_MEDIA_TYPE_CHARS && MEDIA_TYPE.test(given)
  return { fileName: toLabel(fileName), contentType: sane ? given : OCTET_STREAM }
}

async function begin(
  deps: Deps,
  files: R2Bucket,
  sizeHint: number,
  upload: FilePart & { endpointId: string },
): Promise<Arriving> {
  const id = await beginUpload(deps, upload)
  const note = (multipartId: string) => noteMultipart(deps, id, multipartId)
  return { id, writer: new FileWriter(files, id, sizeHint, note) }
}

/** Leaves nothing of a refused file. What cannot be taken back now keeps its row, and the sweep finds it. */
async function takeBack(deps: Deps, { id, writer }: Arriving): Promise<void> {
  try {
    await writer.abort()
    await dropUpload(deps, id)
  } catch (error) {
    deps.observe({ unit: "fault", during: "discard-upload", uploadId: id, error: String(error) })
  }
}

/** The body in small pieces. A client that goes away cuts its file short. */
async function* piecesOf(body: ReadableStream<Uint8Array>, limit: number): AsyncGenerator<Uint8Array> {
  const reader = body.getReader()
  let length = 0
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(() => {
        throw new Problem(400, null, CUT_SHORT)
      })
      if (done) return
      length += value.byteLength
      if (length > limit + ENVELOPE_BYTES) throw tooLarge(limit)
      for (let at = 0; at < value.byteLength; at += PIECE_BYTES) yield value.subarray(at, at + PIECE_BYTES)
    }
  } finally {
    reader.releaseLock()
  }
}

function tooLarge(limit: number): Problem {
  return new Problem(413, null, `The file has at most ${limit} bytes`)
}
