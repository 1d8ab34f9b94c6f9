import { describe, expect, it } from "vitest"

import {
  addTallies,
  type CountedAttempt,
  durationOf,
  hourOf,
  outcomesOf,
  resultOf,
  TALLIED_TYPES,
  tallyOf,
} from "../../src/engine/rules/tally.ts"

const AT = Date.UTC(2026, 0, 15, 12, 34)

function attempt(given: Partial<CountedAttempt> = {}): CountedAttempt {
  return { at: AT, statusCode: 200, error: null, durationMs: 12, eventType: "a", ...given }
}

describe("how an attempt ended", () => {
  it.each([
    [200, null, "2xx"],
    [299, null, "2xx"],
    [101, null, "1xx"],
    [301, null, "3xx"],
    [410, null, "4xx"],
    [530, null, "5xx"],
    [null, "timeout", "timeout"],
    [null, "refused-target", "refused-target"],
    [null, null, "internal"],
  ] as const)("with status %s and error %s is %s", (statusCode, error, result) => {
    expect(resultOf(statusCode, error)).toBe(result)
  })
})

describe("a tally", () => {
  it("counts results, types, and the last of each outcome", () => {
    const tally = tallyOf([
      attempt(),
      attempt({ at: AT + 5 }),
      attempt({ at: AT + 9, statusCode: 500, eventType: "b" }),
      attempt({ at: AT + 1, statusCode: null, error: "timeout", eventType: null }),
    ])
    expect(tally.results).toEqual({ "2xx": 2, "5xx": 1, timeout: 1 })
    expect(outcomesOf(tally)).toEqual({ success: 2, fail: 2 })
    expect(tally.types).toEqual([
      ["a", 2, 0],
      ["b", 0, 1],
      ["", 0, 1],
    ])
    expect([tally.lastSuccessAt, tally.lastFailureAt]).toEqual([AT + 5, AT + 9])
  })

  it("comes to the same however its attempts are parted, and after JSON", () => {
    const attempts = Array.from({ length: 100 }, (_, n) =>
      attempt({ statusCode: 200 + (n % 4) * 100, durationMs: n * n, eventType: `t${n % 7}`, at: AT + n }),
    )
    const parts = [attempts.slice(0, 13), attempts.slice(13, 70), attempts.slice(70)].map(tallyOf)
    expect(addTallies(JSON.parse(JSON.stringify(parts)))).toEqual(tallyOf(attempts))
  })

  it("tells a bounded number of types apart, and takes names that objects know for names", () => {
    const names = ["__proto__", "constructor", ...Array.from({ length: 100 }, (_, n) => `t${n}`)]
    const { types } = tallyOf(names.map((eventType) => attempt({ eventType })))
    expect(types).toHaveLength(TALLIED_TYPES + 1)
    expect(types[0]).toEqual(["__proto__", 1, 0])
    expect(types.at(-1)).toEqual(["", names.length - TALLIED_TYPES, 0])
  })
})

describe("durations", () => {
  it.each([
    [[], 0.5, null],
    [[12], 0.5, 15],
    [[12], 0.95, 20],
    [[60_000], 0.5, 30_000],
    [[0], 0.5, 3],
  ])("of %j have the share %f below %s ms", (durations, share, expected) => {
    const tally = tallyOf(durations.map((durationMs) => attempt({ durationMs })))
    expect(durationOf(tally, share)).toBe(expected)
  })

  it("are estimated within a third of what they are", () => {
    const durations = Array.from({ length: 1000 }, (_, n) => 10 + n * 9)
    const tally = tallyOf(durations.map((durationMs) => attempt({ durationMs })))
    for (const share of [0.5, 0.95, 0.99]) {
      const exact = durations[Math.floor(share * 1000)] ?? 0
      expect(Math.abs((durationOf(tally, share) ?? 0) / exact - 1)).toBeLessThan(1 / 3)
    }
  })

  it("leave out what was refused before it was sent", () => {
    expect(durationOf(tallyOf([attempt({ statusCode: null, error: "refused-target" })]), 0.5)).toBe(null)
  })
})

it("finds the hour of a moment", () => {
  expect(new Date(hourOf(AT)).toISOString()).toBe("2026-01-15T12:00:00.000Z")
  expect(hourOf(hourOf(AT))).toBe(hourOf(AT))
})
