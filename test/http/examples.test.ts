import { expect, it } from "vitest"

import { createWorld } from "../support/world.ts"

interface Content {
  example?: { code?: string; detail?: unknown; message?: string; data?: object; error?: boolean } | string
  schema: { $ref?: string; example?: unknown }
}
type Responses = Record<string, { content?: Record<string, Content> }>

/** The code that goes with a status, where it has one. */
const CODES: Record<string, RegExp> = {
  400: /^limit_reached$/,
  401: /^unauthorized$/,
  403: /^authorization$/,
  404: /^not_found$/,
  409: /^(conflict|limit_reached)$/,
  413: /^payload_too_large$/,
  415: /^unsupported_encoding$/,
  421: /^misdirected$/,
  429: /^too_many_requests$/,
  500: /^internal$/,
  503: /^not_configured$/,
  507: /^storage_full$/,
  508: /^loop_detected$/,
}
const UPLOADS = /^\/(event_type|webhook\/register|upload)/
/** Statuses that a contract documents without a code. */
const WITHOUT_CODE = ["400", "404"]

it("each refusal shows its own example, in the shape of its family", async () => {
  const world = await createWorld()
  const { paths } = await (await world.fetch("/openapi.json")).json<{
    paths: Record<string, Record<string, { responses: Responses }>>
  }>()
  const seen = new Map<string, string>()
  let examples = 0
  for (const [path, methods] of Object.entries(paths)) {
    for (const [method, { responses }] of Object.entries(methods)) {
      for (const [status, { content = {} }] of Object.entries(responses)) {
        if (Number(status) < 400) continue
        const place = `${method} ${path} ${status}`
        const [[type, { example, schema }] = ["", { schema: {} }]] = Object.entries(content)
        if (path === "/health" && status === "503") {
          expect([place, example]).toEqual([place, expect.objectContaining({ status: "failing" })])
          continue
        }
        const shown = example ?? schema.example
        expect([place, shown]).toEqual([place, expect.anything()])
        examples++
        const words = wordsOf(place, path, status, type, shown)
        // A sentence stands for one status alone: what 404 says, 413 does not say.
        const family = `${type} ${words}`
        expect([place, seen.get(family) ?? status]).toEqual([place, status])
        seen.set(family, status)
      }
    }
  }
  expect(examples).toBeGreaterThan(500)
})

/** The example's sentence; its shape is checked on the way. */
function wordsOf(place: string, path: string, status: string, type: string, shown: unknown): string {
  if (type === "text/plain") {
    expect([place, shown]).toEqual([place, expect.stringMatching(/^[A-Z].{10}/)])
    return String(shown)
  }
  const example = shown as Exclude<Content["example"], string | undefined>
  if (UPLOADS.test(path)) {
    expect([place, example]).toEqual([place, { message: expect.stringMatching(/./), data: {}, error: true }])
    return example.message ?? ""
  }
  if (status === "422") {
    const places = [{ loc: expect.any(Array), msg: expect.any(String), type: expect.any(String) }]
    expect([place, example]).toEqual([place, { detail: places }])
    return "422"
  }
  expect([place, example.detail]).toEqual([place, expect.stringMatching(/./)])
  const mayGoWithout = WITHOUT_CODE.includes(status) && !path.startsWith("/api/")
  if (example.code !== undefined || !mayGoWithout)
    expect([place, example.code]).toEqual([place, expect.stringMatching(CODES[status] ?? /^$/)])
  return String(example.detail)
}
