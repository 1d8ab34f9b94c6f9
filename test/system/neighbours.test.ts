import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, expect, it } from "vitest"

import { hangingResends } from "../../scripts/bench/isolation-cases.mjs"
import { startSink } from "../../scripts/bench/load.mjs"

/** How long a receiver that hangs is waited for. */
const HANGING_MS = 15_000

const folder = mkdtempSync(join(tmpdir(), "posthorn-neighbours-"))
let sink: Awaited<ReturnType<typeof startSink>>

beforeAll(async () => {
  sink = await startSink()
})
afterAll(() => {
  sink?.stop()
  rmSync(folder, { recursive: true, force: true })
})

// How soon is a matter of the machine: `npm run bench:isolation` holds it to 2 s, this to what the machine takes anyway.
it("a ping, an upload and a resend wait for none of 30 resends that hang", async () => {
  const figures = await hangingResends(30, { folder, sink })
  const [without, beside] = [figures.slice(0, 3), figures.slice(3)]
  for (const [index, { figure, value }] of beside.entries()) {
    expect(value, figure).toBeLessThan(4 * (without[index]?.value ?? 0) + HANGING_MS / 3)
  }
})
