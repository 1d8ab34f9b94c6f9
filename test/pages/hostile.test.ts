import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"

import { fillWithSamples, startSampleReceiver } from "../../scripts/dashboard/sample.mjs"
import { addressOf } from "../../scripts/dashboard/screens.mjs"
import { expectToFit, startDashboard } from "./dashboard.ts"
import { eachTab, readScreens } from "./screens.ts"

/** Text that would be markup, would run, would turn what stands around it, or would push it out of the page. */
const MARKUP = `<img src=x onerror="globalThis.hit=1"><script>globalThis.hit=1</script><b id="made">'"></b>&lt;\u202e\u2067`
const NAME = `${MARKUP}${"w".repeat(100)}`
const LONG = `${MARKUP}${"w".repeat(16 * 1024)}`

const dashboard = await startDashboard({ RETRY_SCHEDULE: "3600,3600" })
const screens = await readScreens(dashboard)
const shownOn: string[] = []

describe("hostile data", () => {
  let receiver: Awaited<ReturnType<typeof startSampleReceiver>>
  let params: Record<string, string>

  beforeAll(async () => {
    receiver = await startSampleReceiver({ wording: () => LONG })
    ;({ params } = await fillWithSamples({
      call: dashboard.call,
      receiver,
      messages: 6,
      wording: () => NAME,
    }))
    const app = `/api/v1/app/${params.app}`
    await dashboard.call("PATCH", `${app}/endpoint/${params.endpoint}`, {
      url: `${receiver.url}/crm.example/${"w".repeat(1_000)}?q=${encodeURIComponent(MARKUP)}`,
      metadata: { [MARKUP.slice(0, 64)]: NAME },
    })
    await dashboard.call("PUT", `${app}/endpoint/${params.endpoint}/headers`, {
      headers: { "x-hostile": NAME.replace(/[^\x20-\x7e]/g, "") },
    })
    const { id } = await dashboard.call<{ id: string }>("POST", `${app}/msg`, {
      eventType: "invoice.paid",
      eventId: "w".repeat(200),
      channels: ["w".repeat(100)],
      payload: { [LONG]: LONG, list: [MARKUP], "</script>": null },
    })
    params.message = id
    await vi.waitUntil(
      async () =>
        (await dashboard.call<{ data: unknown[] }>("GET", `${app}/attempt/msg/${id}`)).data.length > 1,
      { timeout: 20_000, interval: 200 },
    )
  })
  afterAll(async () => {
    await receiver?.close()
    await dashboard.stop()
  })

  it.each(screens)(
    "%s: text and only text, and the layout whole",
    async (path) => {
      const watched = await dashboard.open(addressOf(path, params))
      const { page } = watched
      for await (const shown of eachTab(page)) {
        expect(await page.evaluate("probe.madeOfText()"), shown).toEqual([])
        if (await page.getByText(MARKUP.slice(0, 30)).count()) shownOn.push(shown)
        await expectToFit(watched)
      }
      await page.context().close()
    },
    180_000,
  )

  it("was there to be seen", () => expect(shownOn.length).toBeGreaterThan(3))
})
