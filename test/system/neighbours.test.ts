import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, expect, it } from "vitest"

import { hangingResends } from "../../scripts/bench/isolation-cases.mjs"
import { startSink } from "../../scripts/bench/load.mjs"

const folder = mkdtempSync(join(tmpdir(), "posthorn-neighbours-"))
let sink: Awaited<ReturnType<typeof startSink>>

beforeAll(async () => {
  sink = await startSink()
})
afterAll(() => {
  sink?.stop()
  rmSync(folder, { recursive: true, force: true })
})

it("a ping, an upload and a resend wait less than 2 s beside 30 resends that hang", async () => {
  const figures = await hangingResends(30, { folder, sink })
  expect(figures.filter(({ holds }) => !holds)).toEqual([])
})
