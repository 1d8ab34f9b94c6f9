import { afterAll, beforeAll, describe, expect, it } from "vitest"

import { fillWithSamples, startSampleReceiver } from "../../scripts/dashboard/sample.mjs"
import { addressOf } from "../../scripts/dashboard/screens.mjs"
import { expectSound, startDashboard } from "./dashboard.ts"
import { eachTab, readScreens, unreachedByTab } from "./screens.ts"

// Asked for before the tests are named, so that each screen has a test of its own.
const dashboard = await startDashboard({ RETRY_SCHEDULE: "3600,3600" })
const screens = await readScreens(dashboard)

describe("every screen", () => {
  let receiver: Awaited<ReturnType<typeof startSampleReceiver>>
  let params: Record<string, string>

  beforeAll(async () => {
    receiver = await startSampleReceiver()
    ;({ params } = await fillWithSamples({ call: dashboard.call, receiver }))
  })
  afterAll(async () => {
    await receiver?.close()
    await dashboard.stop()
  })

  it("is in the list", () => expect(screens).toContain("/app/:app/messages/:message/:endpoint"))

  it.each(screens)(
    "%s: sound in light, in dark and on a phone, and all of it within reach of the keyboard",
    async (path) => {
      const watched = await dashboard.open(addressOf(path, params))
      const { page } = watched
      for await (const shown of eachTab(page)) {
        expect(await page.getByText("There is nothing here").count(), shown).toBe(0)
        expect(await page.getByText("That did not work").count(), shown).toBe(0)
        await expectSound(watched)
        expect(await unreachedByTab(page), shown).toEqual([])
      }
      await page.context().close()
    },
    300_000,
  )
})
