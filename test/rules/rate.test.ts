import { expect, it } from "vitest"

import { usedUntil } from "../../src/engine/rules/rate.ts"

const NOW = 1_000_000

it.each([
  ["one a second uses a second", { perSecond: 1, usedUntil: null }, 1, NOW, NOW + 1_000],
  [
    "a portion of a high rate uses its part of a second",
    { perSecond: 100, usedUntil: null },
    40,
    NOW,
    NOW + 400,
  ],
  [
    "counts from where the last ones ended, however late it is",
    { perSecond: 10, usedUntil: NOW - 900 },
    10,
    NOW - 60_000,
    NOW + 100,
  ],
  [
    "saves nothing up: not from before something waited",
    { perSecond: 10, usedUntil: NOW - 9_000 },
    10,
    NOW - 200,
    NOW + 800,
  ],
  [
    "nor from long ago: we were late, and bursts help nobody",
    { perSecond: 10, usedUntil: NOW - 60_000 },
    10,
    NOW - 60_000,
    NOW - 4_000,
  ],
  ["takes nothing for later than now", { perSecond: 10, usedUntil: null }, 10, NOW + 5, NOW + 1_000],
])("%s", (_, rate, count, since, until) => {
  expect(usedUntil(rate, count, { since, now: NOW })).toBe(until)
})
