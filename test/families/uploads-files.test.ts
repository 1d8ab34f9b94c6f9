import { beforeEach, describe, expect, it } from "vitest"

import { MultipartParser } from "../../src/families/uploads/multipart.ts"
import {
  BOUNDARY,
  concat,
  type Envelope,
  emptyBucket,
  fieldPart,
  filePart,
  MIB,
  multipart,
  noise,
  registerWebhook,
  send,
  sha256,
  statusOf,
  storedKeys,
  uploadFile,
  watchFiles,
} from "../support/uploads.ts"
import { createWorld, type World } from "../support/world.ts"

let world: World
let webhookId: string

beforeEach(async () => {
  world = await createWorld({ MAX_UPLOAD_BYTES: String(40 * MIB) })
  webhookId = (await registerWebhook(world)).id
  await emptyBucket(world)
})

describe("a file's name", () => {
  it.each([
    ["a plain one", 'filename="photo.jpg"', "photo.jpg"],
    ["one without quotes", "filename=photo.jpg", "photo.jpg"],
    ["Unicode as it is", 'filename="日本 – ünï 🦉.png"', "日本 – ünï 🦉.png"],
    ["filename*", "filename*=UTF-8''na%C3%AFve%20%E2%82%AC.txt", "naïve €.txt"],
    ["filename* before filename", `filename="plain.txt"; filename*=utf-8'en'better.txt`, "better.txt"],
    ["filename* in Latin-1", "filename*=ISO-8859-1''caf%E9.txt", "café.txt"],
    ["filename* that cannot be decoded", `filename="plain.txt"; filename*=UTF-8''%zz%ff`, "plain.txt"],
    ["filename* in no charset", `filename="plain.txt"; filename*=nope''x.txt`, "plain.txt"],
    ["filename* alone that cannot be decoded", "filename*=UTF-8''%FF.txt", "UTF-8''%FF.txt"],
    ["escaped quotes", 'filename="a\\"b\\".txt"', 'a"b".txt'],
    ["quotes as browsers escape them", 'filename="a%22b%22.txt"', 'a"b".txt'],
    ["other percent signs", 'filename="100%25 %41.txt"', "100%25 %41.txt"],
    ["a semicolon", 'filename="a; name=b.txt"', "a; name=b.txt"],
    ["a Windows path", 'filename="C:\\Users\\me\\file.txt"', "file.txt"],
    ["a path that climbs", 'filename="../../etc/passwd"', "passwd"],
    ["a path that climbs, encoded", "filename*=UTF-8''..%2F..%2Fetc%2Fpasswd", "passwd"],
    ["a path that climbs backwards", 'filename="..\\..\\boot.ini"', "boot.ini"],
    ["nothing but a path", 'filename="../../"', "file"],
    ["dots alone", 'filename=".."', "file"],
    ["a hidden file", 'filename=".htaccess"', ".htaccess"],
    ["line breaks as browsers escape them", 'filename="a%0D%0AX-Evil: 1.txt"', "aX-Evil: 1.txt"],
    ["control characters", 'filename="a\u0000b\u0007c\u009f.txt"', "abc.txt"],
    ["marks that turn the reading direction", 'filename="photo\u202egpj.exe"', "photogpj.exe"],
    ["control characters alone", 'filename="\u0001"', "file"],
    ["spaces around", 'filename="  a.txt  "', "a.txt"],
    ["a very long one", `filename="${"x".repeat(5000)}.txt"`, "x".repeat(255)],
    ["a very long one of wide characters", `filename="${"🦉".repeat(300)}"`, "🦉".repeat(127)],
  ])("is kept as a label: %s", async (_, disposition, label) => {
    const uploadId = await uploadFile(world, webhookId, filePart("x", disposition))
    expect(await statusOf(world, uploadId)).toMatchObject({ file_name: label })
    expect(await storedKeys(world)).toEqual([uploadId])
    const header =
      (await world.fetch(`/uploads/${uploadId}/content`)).headers.get("content-disposition") ?? ""
    expect(header).toMatch(/^attachment; filename="[^"\\%\r\n]*"; filename\*=UTF-8''[\w!#$&+.^`|~%-]+$/)
    expect(decodeURIComponent(header.split("filename*=UTF-8''")[1] ?? "")).toBe(label)
  })

  it.each([
    ["name first", 'Content-Disposition: form-data; name="file"; filename="a.txt"'],
    ["file name first", 'Content-Disposition: form-data; filename="a.txt"; name="file"'],
    ["other case, no quotes", "content-DISPOSITION:form-data;NAME=file;FileName=a.txt"],
    ["spaces about", 'Content-Disposition :  form-data ;  name = "file" ; filename = "a.txt" '],
    ["a folded line", 'Content-Disposition: form-data;\r\n name="file";\r\n\tfilename="a.txt"'],
    [
      "another name that looks alike",
      'Content-Disposition: form-data; x="; name=\\"y\\""; name="file"; filename="a.txt"',
    ],
  ])("is found in a header with %s", async (_, header) => {
    const uploadId = await uploadFile(world, webhookId, { headers: [header], content: "x" })
    expect(await statusOf(world, uploadId)).toMatchObject({ file_name: "a.txt" })
  })
})

describe("a file's content type", () => {
  it.each([
    ["image/png", "image/png"],
    ["text/plain; charset=utf-8", "text/plain; charset=utf-8"],
    ['text/plain; a="b c"', 'text/plain; a="b c"'],
    [undefined, "application/octet-stream"],
    ["", "application/octet-stream"],
    ["nonsense", "application/octet-stream"],
    ["text/html\u0000", "application/octet-stream"],
    ["text/plain; é=1", "application/octet-stream"],
    [`text/${"x".repeat(300)}`, "application/octet-stream"],
  ])("%j is kept as %s", async (given, kept) => {
    const uploadId = await uploadFile(world, webhookId, filePart("x", 'filename="a"', given))
    expect(await statusOf(world, uploadId)).toMatchObject({ content_type: kept })
    const file = await world.fetch(`/uploads/${uploadId}/content`)
    expect(file.headers.get("content-type")).toBe(kept)
  })
})

describe("GET /uploads/{upload_id}/content", () => {
  const content = "0123456789"
  let path: string

  beforeEach(async () => {
    const uploadId = await uploadFile(
      world,
      webhookId,
      filePart(content, 'filename="digits.txt"', "text/html"),
    )
    path = `/uploads/${uploadId}/content`
  })

  it("answers the file so that no browser runs it", async () => {
    const response = await world.fetch(path)
    expect([response.status, await response.text()]).toEqual([200, content])
    expect(Object.fromEntries(response.headers)).toMatchObject({
      "content-type": "text/html",
      "content-length": "10",
      "content-disposition": `attachment; filename="digits.txt"; filename*=UTF-8''digits.txt`,
      "x-content-type-options": "nosniff",
      "content-security-policy": "default-src 'none'; sandbox",
      "accept-ranges": "bytes",
      etag: `"${await sha256(concat([content]))}"`,
    })
  })

  it.each([
    ["bytes=0-3", "0123", "bytes 0-3/10"],
    ["bytes=4-", "456789", "bytes 4-9/10"],
    ["bytes=-3", "789", "bytes 7-9/10"],
    ["bytes=-99", content, "bytes 0-9/10"],
    ["bytes=9-9", "9", "bytes 9-9/10"],
    ["bytes=5-99", "56789", "bytes 5-9/10"],
  ])("answers the range %s", async (range, part, contentRange) => {
    const response = await world.fetch(path, { headers: { range } })
    expect([response.status, await response.text()]).toEqual([206, part])
    expect(response.headers.get("content-range")).toBe(contentRange)
    expect(response.headers.get("content-length")).toBe(String(part.length))
  })

  it.each(["bytes=10-", "bytes=10-12", "bytes=-0"])("refuses the range %s", async (range) => {
    const response = await world.fetch(path, { headers: { range } })
    expect([response.status, await response.json()]).toEqual([
      416,
      { message: "The file has 10 bytes", data: {}, error: true },
    ])
    expect(response.headers.get("content-range")).toBe("bytes */10")
  })

  it.each(["bytes=5-3", "bytes=0-1,3-4", "lines=1-2", "bytes=-", "bytes=a-b"])(
    "sends all for the range %s, which a server may ignore",
    async (range) => {
      const response = await world.fetch(path, { headers: { range } })
      expect([response.status, await response.text()]).toEqual([200, content])
    },
  )

  it("answers HEAD without the file", async () => {
    const response = await world.fetch(path, { method: "HEAD", headers: { range: "bytes=0-1" } })
    expect([response.status, await response.text()]).toEqual([200, ""])
    expect(response.headers.get("content-length")).toBe("10")
  })

  it("answers 304 to whoever has it, and a range only of the same file", async () => {
    const etag = (await world.fetch(path)).headers.get("etag") ?? ""
    for (const tag of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
      expect((await world.fetch(path, { headers: { "if-none-match": tag } })).status).toBe(304)
    }
    expect((await world.fetch(path, { headers: { "if-none-match": '"other"' } })).status).toBe(200)
    const range = "bytes=0-1"
    expect((await world.fetch(path, { headers: { range, "if-range": etag } })).status).toBe(206)
    expect((await world.fetch(path, { headers: { range, "if-range": '"other"' } })).status).toBe(200)
  })

  it("answers 404 for what is not there, in the envelope, to HEAD too", async () => {
    await emptyBucket(world)
    for (const missing of [path, "/uploads/upl_1/content", "/uploads/upl_1"]) {
      const response = await world.fetch(missing)
      expect([response.status, await response.json()]).toEqual([
        404,
        { message: "Upload not found", data: {}, error: true },
      ])
    }
    expect((await world.fetch(path, { method: "HEAD" })).status).toBe(404)
  })

  it("answers 503 on an account without R2", async () => {
    world.deps.files = null
    expect((await world.fetch(path)).status).toBe(503)
  })
})

describe("a large file", () => {
  const PART = 5 * MIB

  /** A body that comes in chunks of this many bytes, made as they are asked for. */
  function streamed(
    file: Uint8Array<ArrayBuffer>,
    chunkBytes: number,
  ): ReadableStream<Uint8Array<ArrayBuffer>> {
    const body = multipart([fieldPart("note", "x"), filePart(file, 'filename="big"')])
    let at = 0
    return new ReadableStream({
      pull(controller) {
        if (at >= body.byteLength) controller.close()
        else controller.enqueue(body.slice(at, at + chunkBytes))
        at += chunkBytes
      },
    })
  }

  it.each([
    ["small", 1500],
    ["network", 64 * 1024 + 1],
    ["large", 8 * MIB],
    ["one", 64 * MIB],
  ])(
    "of 30 MiB in %s chunks is stored in six parts, and never more than one part is held",
    async (_, chunkBytes) => {
      const watched = watchFiles(world)
      const file = noise(30 * MIB)
      const response = await send(world, webhookId, streamed(file, chunkBytes))
      const { upload_id } = (await response.json<Envelope<{ upload_id: string }>>()).data
      expect(watched.calls).toEqual(["create", ...[1, 2, 3, 4, 5, 6].map((n) => `part ${n}`), "complete"])
      const line = world.logged.find((logged) => logged.unit === "upload")
      expect(line).toMatchObject({ uploadId: upload_id, size: file.byteLength, parts: 6, maxHeldBytes: PART })
      expect(line?.maxParserBytes).toBeLessThan(1024)
      await world.runDue()
      expect(await statusOf(world, upload_id)).toMatchObject({
        state: "completed",
        sha256: await sha256(file),
      })
      const stored = await (await world.fetch(`/uploads/${upload_id}/content`)).arrayBuffer()
      expect(await sha256(new Uint8Array(stored))).toBe(await sha256(file))
    },
    30_000,
  )

  it.each([
    [PART - 1, ["put"]],
    [PART, ["put"]],
    [PART + 1, ["create", "part 1", "part 2", "complete"]],
    [2 * PART, ["create", "part 1", "part 2", "complete"]],
  ])("of %i bytes is stored whole", async (size, calls) => {
    const watched = watchFiles(world)
    const file = noise(size, 7)
    const headers = { "content-length": String(size + 1000) }
    const response = await send(world, webhookId, streamed(file, 300_000), undefined, headers)
    const { upload_id } = (await response.json<Envelope<{ upload_id: string }>>()).data
    expect(watched.calls).toEqual(calls)
    expect(await statusOf(world, upload_id)).toMatchObject({ size, sha256: await sha256(file) })
    await world.runDue()
    expect(await statusOf(world, upload_id)).toMatchObject({ state: "completed" })
  })

  it("takes a small buffer when the body is announced as small, and more if that was wrong", async () => {
    const headers = { "content-length": "10" }
    const response = await send(world, webhookId, multipart([filePart(noise(5000))]), undefined, headers)
    const { upload_id } = (await response.json<Envelope<{ upload_id: string }>>()).data
    expect(await statusOf(world, upload_id)).toMatchObject({ size: 5000, sha256: await sha256(noise(5000)) })
  })
})

describe("the parser", () => {
  /** The parts of a body that arrives in chunks of the given sizes. */
  function parse(body: Uint8Array, nextSize: () => number) {
    const parser = new MultipartParser(BOUNDARY)
    const parts: { headers: Record<string, string>; content: string; ended: boolean }[] = []
    for (let at = 0; at < body.byteLength; ) {
      const size = nextSize()
      for (const event of parser.push(body.subarray(at, at + size))) {
        const part = parts.at(-1)
        if (event.kind === "part") {
          parts.push({ headers: Object.fromEntries(event.headers), content: "", ended: false })
        } else if (event.kind === "part-end" && part) part.ended = true
        else if (event.kind === "data" && part) part.content += new TextDecoder("latin1").decode(event.bytes)
      }
      at += size
    }
    return { parts, closed: parser.closed, held: parser.heldBytes }
  }

  const tricky = [
    "",
    "\r",
    "\r\n",
    "\r\n--",
    `\r\n--${BOUNDARY.slice(0, -1)}`,
    `--${BOUNDARY}--`,
    `\r\n--${BOUNDARY}x`,
    `\r\n--${BOUNDARY}-x`,
    `\r\n--${BOUNDARY} x\r\n`,
    "\r\n\r\n--\r\r\n-",
  ]

  it.each([1, 2, 3, 7, 31, 1000])("finds the same parts in chunks of %i bytes", (size) => {
    const body = concat([
      "preamble\r\n",
      multipart(tricky.map((content) => filePart(content))).slice(0, -2),
      `\r\nepilogue\r\n--${BOUNDARY}\r\n`,
    ])
    const { parts, closed } = parse(body, () => size)
    expect(parts.map(({ content }) => content)).toEqual(tricky)
    expect(parts.every(({ ended }) => ended)).toBe(true)
    expect(closed).toBe(true)
  })

  it("finds them in chunks of any sizes", () => {
    const alphabet = ["\r", "\n", "-", "\r\n--", BOUNDARY.slice(0, 20), BOUNDARY.slice(20), "x"]
    let state = 1
    const next = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      return Math.floor((state / 2 ** 32) * below)
    }
    for (let round = 0; round < 300; round++) {
      const content = Array.from({ length: next(40) }, () => alphabet[next(alphabet.length)]).join("")
      if (/\r\n--[\w-]*d74496d66958873e(--|\r\n)/.test(`\r\n${content}\r\n`)) continue
      const { parts, closed } = parse(multipart([filePart(content), fieldPart("a", "b")]), () => 1 + next(30))
      expect(parts.map((part) => part.content)).toEqual([content, "b"])
      expect(closed).toBe(true)
    }
  })

  it("takes padding behind a boundary, and headers of their own kind", () => {
    const body = concat([`--${BOUNDARY} \t\r\nA: 1\r\nb:2\r\nA: 3\r\nnonsense\r\n\r\nx\r\n--${BOUNDARY}--`])
    expect(parse(body, () => 5).parts).toEqual([{ headers: { a: "1", b: "2" }, content: "x", ended: true }])
  })

  it("holds no more than the start of a delimiter, however much goes before it", () => {
    const parser = new MultipartParser(BOUNDARY)
    for (const _ of parser.push(concat([`--${BOUNDARY}\r\n\r\n`, noise(100_000), `\r\n--${BOUNDARY}`])));
    expect(parser.heldBytes).toBe(BOUNDARY.length + 4)
  })
})
