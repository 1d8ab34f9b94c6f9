// The only place that writes to the bucket. An object's key is its upload's id, nothing a stranger chose.

/** R2 wants all parts but the last of one size, 5 MiB at least; it is also all that is held of a file. */
export const PART_BYTES = 5 * 1024 * 1024
/** Read back at a time. */
const READ_BYTES = 2 * 1024 * 1024

export interface StoredFile {
  size: number
  /** Lower-case hex. */
  sha256: string
}

/**
 * Brings one file into the bucket as it arrives, hashing it on the way, and never holds more than one part.
 */
export class FileWriter {
  readonly #digest = new crypto.DigestStream("SHA-256")
  readonly #hasher = this.#digest.getWriter()
  readonly #parts: R2UploadedPart[] = []
  #multipart: R2MultipartUpload | null = null
  #buffer: Uint8Array
  #filled = 0
  #size = 0
  #maxHeldBytes = 0
  #touched = false

  constructor(
    private readonly files: R2Bucket,
    private readonly key: string,
    /** What is known of the size, so that a small file does not take a large buffer. */
    sizeHint: number,
    /** Told R2's id of the multipart upload before its first part is sent. */
    private readonly onMultipart: (multipartId: string) => Promise<void>,
  ) {
    this.#buffer = new Uint8Array(Math.min(PART_BYTES, sizeHint))
  }

  /** Bytes of the file taken so far. */
  get size(): number {
    return this.#size
  }

  get parts(): number {
    return this.#parts.length
  }

  /** The most bytes ever held at once. */
  get maxHeldBytes(): number {
    return this.#maxHeldBytes
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#size += bytes.byteLength
    for (let at = 0; at < bytes.byteLength; ) {
      if (this.#filled === PART_BYTES) await this.#sendPart()
      if (this.#filled === this.#buffer.byteLength) this.#grow()
      const piece = bytes.subarray(at, at + this.#buffer.byteLength - this.#filled)
      this.#buffer.set(piece, this.#filled)
      this.#filled += piece.byteLength
      at += piece.byteLength
      this.#maxHeldBytes = Math.max(this.#maxHeldBytes, this.#filled)
    }
  }

  /** Stores what is left, and makes the object complete. A file of one part at most is a single put. */
  async close(): Promise<StoredFile> {
    if (this.#multipart) {
      await this.#sendPart()
      await this.#hasher.close()
      await this.#multipart.complete(this.#parts)
    } else {
      const rest = this.#buffer.subarray(0, this.#filled)
      await this.#hasher.write(rest)
      await this.#hasher.close()
      this.#touched = true
      await this.files.put(this.key, rest, { sha256: await this.#digest.digest })
    }
    return { size: this.#size, sha256: toHex(await this.#digest.digest) }
  }

  /** Takes back whatever was stored. */
  async abort(): Promise<void> {
    if (this.#touched) await discard(this.files, this.key, this.#multipart?.uploadId ?? null)
  }

  async #sendPart(): Promise<void> {
    const part = this.#buffer.subarray(0, this.#filled)
    this.#touched = true
    if (!this.#multipart) {
      this.#multipart = await this.files.createMultipartUpload(this.key)
      await this.onMultipart(this.#multipart.uploadId)
    }
    const [uploaded] = await Promise.all([
      this.#multipart.uploadPart(this.#parts.length + 1, part),
      this.#hasher.write(part),
    ])
    this.#parts.push(uploaded)
    this.#filled = 0
  }

  #grow(): void {
    const larger = new Uint8Array(PART_BYTES)
    larger.set(this.#buffer)
    this.#buffer = larger
  }
}

/** Deletes an object, and the unfinished multipart upload that it may still be. Safe to repeat. */
export async function discard(files: R2Bucket, key: string, multipartId: string | null): Promise<void> {
  if (multipartId !== null) {
    try {
      await files.resumeMultipartUpload(key, multipartId).abort()
    } catch (error) {
      // Completed or aborted before.
      if (!/does not exist|10024/i.test(String(error))) throw error
    }
  }
  await files.delete(key)
}

/**
 * The stored object's size and hash, read back a piece at a time; null when there is none. `breathe` is
 * awaited between pieces: the local bucket never waits for the outside, so that reading a large file in one
 * go would keep every other request of wrangler dev waiting.
 */
export async function inspect(
  files: R2Bucket,
  key: string,
  breathe: () => Promise<void>,
): Promise<StoredFile | null> {
  const object = await files.get(key)
  if (!object) return null
  const digest = new crypto.DigestStream("SHA-256")
  const hasher = digest.getWriter()
  const reader = object.body.getReader({ mode: "byob" })
  let buffer = new Uint8Array(READ_BYTES)
  for (;;) {
    const { done, value } = await reader.readAtLeast(READ_BYTES, buffer)
    if (done) break
    await hasher.write(value)
    buffer = new Uint8Array(value.buffer)
    await breathe()
  }
  await hasher.close()
  return { size: object.size, sha256: toHex(await digest.digest) }
}

function toHex(hash: ArrayBuffer): string {
  return new Uint8Array(hash).toHex()
}
