import { describe, expect, it } from "vitest"
import {
  DEFAULT_RETRY_SCHEDULE_SECONDS,
  MAX_RETRY_AFTER_MS,
  nextAttemptAt,
  parseRetryAfter,
  parseRetrySchedule,
} from "../../src/engine/rules/retry-schedule.ts"

const NOW = Date.UTC(1994, 10, 6, 8, 49, 0)
const HOUR_MS = 3_600_000

describe("the retry schedule", () => {
  const nextAfter = (attempts: number, more: { random?: number; retryAfterMs?: number | null } = {}) =>
    nextAttemptAt({ schedule: DEFAULT_RETRY_SCHEDULE_SECONDS, attempts, now: NOW, random: 0, ...more })

  it.each([
    [1, "5 seconds", 5_000],
    [2, "5 minutes", 300_000],
    [3, "30 minutes", 1_800_000],
    [4, "2 hours", 2 * HOUR_MS],
    [5, "5 hours", 5 * HOUR_MS],
    [6, "10 hours", 10 * HOUR_MS],
    [7, "14 hours", 14 * HOUR_MS],
    [8, "20 hours", 20 * HOUR_MS],
    [9, "24 hours", 24 * HOUR_MS],
  ])("waits, after failure %i, for %s", (attempts, _words, delayMs) => {
    expect(nextAfter(attempts)).toBe(NOW + delayMs)
  })

  it.each([10, 11, 1_000])("is used up after failure %i", (attempts) => {
    expect(nextAfter(attempts)).toBeNull()
  })

  it("does not go past its end because a receiver asks for a later attempt", () => {
    expect(nextAfter(10, { retryAfterMs: 1_000 })).toBeNull()
  })

  it("adds at most a tenth as jitter, and only ever later", () => {
    expect(nextAfter(1, { random: 0.5 })).toBe(NOW + 5_250)
    expect(nextAfter(1, { random: 0.999_999 })).toBe(NOW + 5_500)
  })

  it("gives whole milliseconds, rounded to later", () => {
    const schedule = [0.0101]
    expect(nextAttemptAt({ schedule, attempts: 1, now: NOW, random: 0 })).toBe(NOW + 11)
  })

  it("tries again at once when an entry is 0", () => {
    expect(nextAttemptAt({ schedule: [0], attempts: 1, now: NOW, random: 0.9 })).toBe(NOW)
  })

  it.each([
    ["is later than the schedule", 60_000, 60_000],
    ["is earlier than the schedule", 1_000, 5_000],
    ["is zero", 0, 5_000],
    ["is absent", null, 5_000],
    ["is longer than a day", 48 * HOUR_MS, MAX_RETRY_AFTER_MS],
  ])("takes the later of the two when Retry-After %s", (_case, retryAfterMs, delayMs) => {
    expect(nextAfter(1, { retryAfterMs })).toBe(NOW + delayMs)
  })
})

describe("parsing a retry schedule", () => {
  it.each([
    ["5", [5]],
    ["5,300,1800", [5, 300, 1800]],
    [" 5 , 300 ", [5, 300]],
    ["0", [0]],
    ["0.2,1.5", [0.2, 1.5]],
    ["604800", [604_800]],
    [Array(20).fill("1").join(","), Array(20).fill(1)],
  ])("reads %j", (text, schedule) => {
    expect(parseRetrySchedule(text)).toEqual(schedule)
  })

  it("reads back the default", () => {
    expect(parseRetrySchedule(DEFAULT_RETRY_SCHEDULE_SECONDS.join(","))).toEqual(
      DEFAULT_RETRY_SCHEDULE_SECONDS,
    )
  })

  it.each([
    "",
    " ",
    ",",
    "5,",
    ",5",
    "5,,6",
    "-1",
    "+1",
    "abc",
    "5s",
    "1e3",
    "0x10",
    "NaN",
    "Infinity",
    ".5",
    "5.",
  ])("refuses %j", (text) => {
    expect(parseRetrySchedule(text)).toBeNull()
  })

  it("refuses a delay of more than seven days", () => {
    expect(parseRetrySchedule("604801")).toBeNull()
    expect(parseRetrySchedule("604800.5")).toBeNull()
  })

  it("refuses more than 20 entries", () => {
    expect(parseRetrySchedule(Array(21).fill("1").join(","))).toBeNull()
  })
})

describe("parsing Retry-After (RFC 9110 §10.2.3)", () => {
  it.each([
    ["seconds", "120", 120_000],
    ["zero seconds", "0", 0],
    ["padded seconds", " 7 ", 7_000],
    ["decimals, rounded up", "30.5", 31_000],
    ["a whole number with decimals", "30.0", 30_000],
    ["the least decimal", "0.001", 1_000],
    ["decimals of more than a day", "86400.5", MAX_RETRY_AFTER_MS],
    ["exactly a day", "86400", MAX_RETRY_AFTER_MS],
    ["more than a day", "86401", MAX_RETRY_AFTER_MS],
    ["an absurd number", "9".repeat(400), MAX_RETRY_AFTER_MS],
    ["a date", "Sun, 06 Nov 1994 08:49:37 GMT", 37_000],
    ["a date of RFC 850", "Sunday, 06-Nov-94 08:49:37 GMT", 37_000],
    ["a date of asctime", "Sun Nov  6 08:49:37 1994", 37_000],
    ["a date gone by", "Sun, 06 Nov 1994 08:48:00 GMT", 0],
    ["a date far away", "Fri, 06 Nov 2026 08:49:37 GMT", MAX_RETRY_AFTER_MS],
  ])("reads %s", (_case, header, delayMs) => {
    expect(parseRetryAfter(header, NOW)).toBe(delayMs)
  })

  it.each([
    null,
    "",
    " ",
    "soon",
    "-5",
    "-1.5",
    "1.",
    ".5",
    "1,5",
    "1.5.2",
    "5, 10",
    "1e3",
    "0x10",
    "30s",
    "NaN",
    "Infinity",
    "1994-11-06T08:49:37Z",
    "Sun, 06 Nov 1994 08:49:37 +0100",
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 06 Nov 1994 25:49:37 GMT",
    "Sun, 06 Foo 1994 08:49:37 GMT",
    "Wed, 30 Feb 1994 08:49:37 GMT",
    "Sun, 00 Nov 1994 08:49:37 GMT",
    "Sun Nov 31 08:49:37 1994",
  ])("ignores %j", (header) => {
    expect(parseRetryAfter(header, NOW)).toBeNull()
  })
})
