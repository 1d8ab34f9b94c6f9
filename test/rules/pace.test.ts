import { expect, it } from "vitest"

import { type PacedDelivery, paceOf } from "../../src/engine/rules/pace.ts"

const NOW = 1_800_000_000_000
const ago = (...seconds: number[]) => seconds.map((one) => NOW - one * 1000)
const delivery = (
  status: PacedDelivery["status"],
  secondsAgo: number,
  lagMs: number | null,
): PacedDelivery => ({
  status,
  attempts: lagMs === null ? 0 : 1,
  publishedAt: NOW - secondsAgo * 1000,
  attemptedAt: lagMs === null ? null : NOW - secondsAgo * 1000 + lagMs,
})
const NOTHING = { eventsPerMinute: 0, deliveriesPerMinute: 0, success: null, lagP50Ms: null, lagP95Ms: null }

it.each([
  ["nothing without events", [], [], false, NOTHING],
  ["the last minute's alone", ago(5, 30, 61, 900), [], false, { ...NOTHING, eventsPerMinute: 2 }],
  [
    "what a cut sample of ten seconds would come to in a minute",
    ago(1, 5, 10),
    [],
    true,
    { ...NOTHING, eventsPerMinute: 18 },
  ],
  [
    "a cut sample that is older than a minute, as it is",
    ago(1, 5, 70),
    [],
    true,
    { ...NOTHING, eventsPerMinute: 2 },
  ],
  [
    "successes among what was attempted, and lags among first attempts",
    ago(1, 2),
    [
      delivery("delivered", 1, 20),
      delivery("pending", 1, 100),
      delivery("pending", 2, null),
      delivery("delivered", 90, -5),
    ],
    false,
    { eventsPerMinute: 2, deliveriesPerMinute: 3, success: 2 / 3, lagP50Ms: 20, lagP95Ms: 100 },
  ],
] as const)("tells %s", (_, publishedAt, deliveries, isCut, pace) => {
  expect(paceOf(publishedAt, deliveries, { now: NOW, isCut })).toEqual(pace)
})
