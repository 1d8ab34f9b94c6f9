import { describe, expect, it } from "vitest"
import {
  type AttemptResult,
  afterAttempts,
  BREAKER_MAX_MS,
  forgiveAfterMs,
  type Health,
  hasGone,
  isImpaired,
  QUICK_BELOW_MS,
  SLOW_AFTER_MS,
  SLOWEST_MS,
  slownessAfter,
  turnOf,
  whileOpen,
} from "../../src/engine/rules/endpoint-health.ts"

const NOW = 1_800_000_000_000
const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const PROVEN_AT = NOW - 30 * DAY_MS
const HEALTHY: Health = {
  provenAt: PROVEN_AT,
  failingSince: null,
  slowMs: null,
  pausedUntil: null,
  goneAt: null,
}

const result = (outcome: AttemptResult["outcome"], more: Partial<AttemptResult> = {}): AttemptResult => ({
  outcome,
  farewell: outcome === "gone" ? "gone" : null,
  durationMs: 0,
  at: NOW,
  retryAfterMs: null,
  ...more,
})
const healthAfter = (health: Partial<Health>, results: AttemptResult[], disableAfterMs = 5 * DAY_MS) =>
  afterAttempts({ ...HEALTHY, ...health }, results, {
    disableAfterMs,
    forgiveAfterMs: 2 * disableAfterMs,
    now: NOW,
    gone: false,
  })

describe("a failing spell", () => {
  it("begins with the earliest of the first failures, without a pause", () => {
    const results = [result("retry"), result("retry", { at: NOW - 10 }), result("retry", { at: NOW - 5 })]
    expect(healthAfter({}, results).health.failingSince).toBe(NOW - 10)
    expect(healthAfter({}, [result("retry", { at: NOW - 15_000 })]).health).toMatchObject({
      failingSince: NOW - 15_000,
      pausedUntil: null,
    })
  })

  it("keeps its beginning while failures go on", () => {
    const since = NOW - HOUR_MS
    expect(healthAfter({ failingSince: since }, [result("retry")]).health.failingSince).toBe(since)
  })

  it("begins anew once it is twice as old as what disables: the old failure is forgiven", () => {
    const since = NOW - 10 * DAY_MS
    expect(healthAfter({ failingSince: since }, [result("retry")])).toMatchObject({
      health: { failingSince: since },
      disable: "failing",
    })
    expect(healthAfter({ failingSince: since - 1 }, [result("retry")])).toMatchObject({
      health: { failingSince: NOW, pausedUntil: null },
      disable: null,
    })
  })

  it("ends with one success among failures", () => {
    const results = [result("retry"), result("delivered"), result("retry")]
    const { health, disable } = healthAfter(
      { failingSince: NOW - 9 * DAY_MS, pausedUntil: NOW + HOUR_MS },
      results,
    )
    expect(health).toEqual(HEALTHY)
    expect(disable).toBeNull()
  })

  it.each([
    ["8 seconds", 8 * SECOND_MS, SECOND_MS],
    ["8 minutes", 8 * MINUTE_MS, MINUTE_MS],
    ["40 minutes", 40 * MINUTE_MS, BREAKER_MAX_MS],
    ["a day", DAY_MS, BREAKER_MAX_MS],
  ])(
    "of %s pauses the endpoint for an eighth of it, five minutes at most",
    (_words, failedForMs, pauseMs) => {
      const { health } = healthAfter({ failingSince: NOW - failedForMs }, [result("retry")])
      expect(health.pausedUntil).toBe(NOW + pauseMs)
    },
  )

  it("does not shorten a longer pause", () => {
    const health = { failingSince: NOW - 8 * SECOND_MS, pausedUntil: NOW + HOUR_MS }
    expect(healthAfter(health, [result("retry")]).health.pausedUntil).toBe(NOW + HOUR_MS)
  })

  it("forgets a pause that is over", () => {
    expect(healthAfter({ pausedUntil: NOW - 1 }, [result("retry")]).health.pausedUntil).toBeNull()
  })
})

describe("an old failure", () => {
  it.each([
    ["twice the time that disables", 5 * DAY_MS, [5, 300, 86_400], 10 * DAY_MS],
    ["twice that time where nothing is retried", HOUR_MS, [], 2 * HOUR_MS],
    ["twice the longest pause of the schedule, if that is longer", HOUR_MS, [5, 86_400, 300], 2 * DAY_MS],
  ])("is forgiven after %s", (_words, disableAfterMs, schedule, expected) => {
    expect(forgiveAfterMs(disableAfterMs, schedule)).toBe(expected)
  })
})

describe("Retry-After", () => {
  it("pauses the whole endpoint, even after its first failure", () => {
    const results = [
      result("retry", { retryAfterMs: MINUTE_MS }),
      result("retry", { retryAfterMs: 3 * MINUTE_MS }),
    ]
    expect(healthAfter({}, results).health.pausedUntil).toBe(NOW + 3 * MINUTE_MS)
  })

  it("pauses the endpoint beside a success", () => {
    const results = [result("delivered"), result("retry", { retryAfterMs: MINUTE_MS })]
    const health = { failingSince: NOW - HOUR_MS, pausedUntil: NOW + HOUR_MS }
    expect(healthAfter(health, results).health).toMatchObject({
      failingSince: null,
      pausedUntil: NOW + MINUTE_MS,
    })
  })

  it("gives way to a longer pause of the breaker", () => {
    const { health } = healthAfter({ failingSince: NOW - DAY_MS }, [
      result("retry", { retryAfterMs: SECOND_MS }),
    ])
    expect(health.pausedUntil).toBe(NOW + BREAKER_MAX_MS)
  })

  it("counts from the end of its own attempt", () => {
    const early = result("retry", { at: NOW - 15_000, durationMs: 1_000, retryAfterMs: MINUTE_MS })
    expect(healthAfter({}, [early]).health.pausedUntil).toBe(NOW - 14_000 + MINUTE_MS)
  })

  it("holds for a day at most", () => {
    const { health } = healthAfter({}, [result("retry", { retryAfterMs: 9 * DAY_MS })])
    expect(health.pausedUntil).toBe(NOW + DAY_MS)
  })
})

describe("proof", () => {
  it.each<[string, number | null, AttemptResult[], number | null]>([
    ["a first success", null, [result("delivered")], NOW],
    [
      "the first of several, in whatever order",
      null,
      [result("delivered"), result("delivered", { at: NOW - 5 })],
      NOW - 5,
    ],
    ["a success among failures", null, [result("retry", { at: NOW - 5 }), result("delivered")], NOW],
    ["failures, which are none", null, [result("retry"), result("gone"), result("aborted")], null],
    ["a target that we refused, which is none", null, [result("refused")], null],
    ["a later success, which changes nothing", NOW - DAY_MS, [result("delivered")], NOW - DAY_MS],
    ["a later failure, which does not take it back", NOW - DAY_MS, [result("retry")], NOW - DAY_MS],
  ])("is %s", (_case, provenAt, results, expected) => {
    expect(healthAfter({ provenAt }, results).health.provenAt).toBe(expected)
  })
})

describe("slowness", () => {
  it.each([
    ["a slow success", result("delivered", { durationMs: 2_000 }), 2_000],
    [
      "a success that is hardly slow",
      result("delivered", { durationMs: SLOW_AFTER_MS + 1 }),
      SLOW_AFTER_MS + 1,
    ],
    ["a timeout", result("retry", { durationMs: 15_000 }), SLOWEST_MS],
    ["a success at the limit", result("delivered", { durationMs: SLOW_AFTER_MS }), null],
    ["a fast failure", result("retry"), null],
  ])("begins with %s", (_case, answer, slowMs) => {
    expect(healthAfter({}, [answer]).health.slowMs).toBe(slowMs)
  })

  it.each<[string, number | null, number[], (number | null)[]]>([
    ["4.9 s for ever is slow for ever", null, [4_900, 4_900, 4_900], [4_000, 4_000, 4_000]],
    [
      "one quick answer among slow ones makes nobody quick",
      null,
      [2_000, 0, 2_000, 0],
      [2_000, 1_500, 2_000, 1_500],
    ],
    ["three quick answers behind one of 2 s do", null, [2_000, 0, 0, 0], [2_000, 1_500, 1_125, null]],
    [
      "five do behind a timeout",
      null,
      [15_000, 10, 10, 10, 10, 10],
      [4_000, 3_002, 2_254, 1_693, 1_272, null],
    ],
    ["behind answers that become less slow it follows them", 4_000, [2_000, 2_000], [3_500, 3_125]],
    ["what is just not quick stays slow", 1_000, [1_000, 1_000], [1_000, 1_000]],
    ["what is just quick becomes it", 1_001, [QUICK_BELOW_MS - 1, QUICK_BELOW_MS - 1], [1_000, null]],
    ["who was quick is so between the two limits", null, [1_400, 1_400], [null, null]],
    ["a slower answer counts at once", 1_200, [3_000], [3_000]],
  ])("is measured: %s", (_case, slowMs, answers, expected) => {
    const measured: (number | null)[] = []
    for (const durationMs of answers)
      measured.push(slownessAfter(measured.length > 0 ? (measured.at(-1) ?? null) : slowMs, durationMs))
    expect(measured).toEqual(expected)
  })

  it("takes answers in the order in which they were asked for, however they are listed", () => {
    const early = result("delivered", { durationMs: 9_000, at: NOW - 20_000 })
    const late = result("delivered", { at: NOW - 10_000 })
    expect(healthAfter({}, [late, early]).health.slowMs).toBe(3_000)
    expect(
      healthAfter({}, [
        { ...late, durationMs: 9_000 },
        { ...early, durationMs: 0 },
      ]).health.slowMs,
    ).toBe(4_000)
  })

  it.each([
    ["as long as a slow answer", null, SLOW_AFTER_MS + 1, SLOW_AFTER_MS + 1],
    ["less than that", null, SLOW_AFTER_MS, null],
    ["less than it is known for", 3_000, 2_000, 2_750],
    ["longer than it is known for", 2_000, 3_000, 3_000],
  ])("counts a request that is open %s", (_case, slowMs, waitedMs, expected) => {
    expect(whileOpen({ ...HEALTHY, slowMs }, waitedMs).slowMs).toBe(expected)
  })

  it.each([
    ["until one quick answer", 250, QUICK_BELOW_MS, 400, null],
    ["for one that has let it wait long, as for any other", 2_000, 2_000, 0, 1_500],
  ])(
    "is that of an unproven endpoint with a request open, %s",
    (_case, waitedMs, meanwhile, answerMs, then) => {
      const { slowMs } = whileOpen({ ...HEALTHY, provenAt: null }, waitedMs)
      expect(slowMs).toBe(meanwhile)
      expect(slownessAfter(slowMs, answerMs)).toBe(then)
    },
  )
})

describe("a batch", () => {
  it.each<[string, Partial<Health>, number]>([
    ["first who has taken a delivery", {}, 0],
    ["then who has not yet", { provenAt: null }, 1],
    ["last who is slow", { slowMs: 2_000 }, 2],
    ["last who is slow, and has taken none", { provenAt: null, slowMs: 2_000 }, 2],
  ])("asks %s", (_case, health, turn) => {
    expect(turnOf({ ...HEALTHY, ...health })).toBe(turn)
  })
})

describe("disabling an endpoint", () => {
  it.each<[string, boolean, number | null, AttemptResult["outcome"][], boolean]>([
    ["one that never answered better", false, null, ["gone"], true],
    ["one that never answered better, among failures", false, null, ["retry", "gone", "retry"], true],
    ["one that has been answering", true, null, ["gone"], false],
    ["one that has been answering, several times at once", true, null, ["gone", "gone"], false],
    ["one that said it before", true, NOW - HOUR_MS, ["gone"], true],
    ["one that said it before, beside a success", true, NOW - HOUR_MS, ["delivered", "gone"], false],
    ["one whose first success is beside it", false, null, ["gone", "delivered"], false],
  ])("believes the 410 of %s", (_case, answering, goneAt, outcomes, gone) => {
    const results = outcomes.map((outcome) => result(outcome))
    expect(hasGone({ ...HEALTHY, goneAt }, results, answering)).toBe(gone)
  })

  const asked = (outcome: AttemptResult["outcome"], at = NOW) => result(outcome, { farewell: "asked", at })
  it.each<[string, boolean, number | null, AttemptResult[], boolean]>([
    ["a success of one that never answered without it", false, null, [asked("delivered")], true],
    ["a success of one that has been answering", true, null, [asked("delivered")], false],
    ["a success of one that said it before", true, NOW - 1, [asked("delivered")], true],
    ["a failure", false, null, [asked("retry")], true],
    ["a failure beside a success without it", false, null, [asked("retry"), result("delivered")], false],
    ["a success beside another without it", false, NOW - 1, [asked("delivered"), result("delivered")], false],
  ])("believes the wish to be disabled in %s", (_case, answering, goneAt, results, gone) => {
    expect(hasGone({ ...HEALTHY, goneAt }, results, answering)).toBe(gone)
  })

  it("remembers the wish in a success, and which farewell came last", () => {
    const options = { forgiveAfterMs: 10 * DAY_MS, disableAfterMs: DAY_MS, now: NOW, gone: true }
    expect(afterAttempts(HEALTHY, [result("gone", { at: NOW - 5 }), asked("delivered")], options)).toEqual({
      health: { ...HEALTHY, goneAt: NOW - 5 },
      disable: "asked",
    })
  })

  it("believes no 410 where there is none", () => {
    expect(hasGone({ ...HEALTHY, goneAt: NOW }, [result("retry")], false)).toBe(false)
  })

  it("follows a farewell that is believed", () => {
    expect(
      afterAttempts(HEALTHY, [result("gone")], {
        forgiveAfterMs: 10 * DAY_MS,
        disableAfterMs: DAY_MS,
        now: NOW,
        gone: true,
      }),
    ).toEqual({ health: { ...HEALTHY, failingSince: NOW, goneAt: NOW }, disable: "gone" })
  })

  it.each<[string, number | null, [AttemptResult["outcome"], number][], number | null]>([
    [
      "is remembered from the first on",
      null,
      [
        ["gone", -10],
        ["gone", 0],
      ],
      NOW - 10,
    ],
    [
      "stays what it was",
      NOW - HOUR_MS,
      [
        ["gone", 0],
        ["retry", -5],
      ],
      NOW - HOUR_MS,
    ],
    [
      "is forgotten with a success",
      NOW - HOUR_MS,
      [
        ["gone", -10],
        ["delivered", 0],
      ],
      null,
    ],
    [
      "begins anew behind a success",
      NOW - HOUR_MS,
      [
        ["gone", 0],
        ["delivered", -10],
      ],
      NOW,
    ],
  ])("a 410 %s", (_case, goneAt, outcomes, expected) => {
    const results = outcomes.map(([outcome, ago]) => result(outcome, { at: NOW + ago }))
    expect(healthAfter({ goneAt }, results).health.goneAt).toBe(expected)
  })

  it.each([
    ["five days", 5 * DAY_MS, "failing"],
    ["a moment less than five days", 5 * DAY_MS - 1, null],
  ])("follows %s of nothing but failures", (_words, failedForMs, disable) => {
    expect(healthAfter({ failingSince: NOW - failedForMs }, [result("retry")]).disable).toBe(disable)
  })

  it("does not follow a first failure, however long it took", () => {
    const slowFailure = result("retry", { at: NOW - 15_000, durationMs: 15_000 })
    expect(healthAfter({}, [slowFailure], 10_000).disable).toBeNull()
  })

  it.each([
    ["a tenth of the limit", NOW - 9_000, "failing"],
    ["less than that", NOW - 9_001, null],
  ])("needs two failures at least %s apart", (_words, at, disable) => {
    expect(healthAfter({ failingSince: NOW - 10_000 }, [result("retry", { at })], 10_000).disable).toBe(
      disable,
    )
  })

  it("needs no more than twelve hours between failures", () => {
    const failingSince = NOW - 30 * DAY_MS
    const late = (gapMs: number) => [result("retry", { at: failingSince + gapMs })]
    expect(healthAfter({ failingSince }, late(12 * HOUR_MS), 30 * DAY_MS).disable).toBe("failing")
    expect(healthAfter({ failingSince }, late(12 * HOUR_MS - 1), 30 * DAY_MS).disable).toBeNull()
  })
})

describe("a target that we refused", () => {
  const ailing: Health = {
    provenAt: PROVEN_AT,
    failingSince: NOW - 9 * DAY_MS,
    slowMs: 1_200,
    pausedUntil: NOW + HOUR_MS,
    goneAt: NOW,
  }

  it("says nothing about the endpoint", () => {
    expect(healthAfter(ailing, [result("refused")])).toEqual({ health: ailing, disable: null })
  })

  it("does not hide a success", () => {
    expect(healthAfter(ailing, [result("refused"), result("delivered")]).health).toEqual(HEALTHY)
  })

  it("changes nothing, as does no attempt at all", () => {
    expect(healthAfter(ailing, [])).toEqual({ health: ailing, disable: null })
  })
})

describe("an impaired endpoint", () => {
  it.each<[string, Partial<Health>, boolean]>([
    ["is failing", { failingSince: NOW - 1 }, true],
    ["is slow", { slowMs: 1_000 }, true],
    ["is paused", { pausedUntil: NOW + 1 }, true],
    ["was paused until now", { pausedUntil: NOW }, false],
    ["is healthy", {}, false],
  ])("is told when it %s", (_case, health, impaired) => {
    expect(isImpaired({ ...HEALTHY, ...health }, NOW)).toBe(impaired)
  })
})
