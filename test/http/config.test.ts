import { env } from "cloudflare:workers"
import { afterEach, describe, expect, it, vi } from "vitest"

import { createApp } from "../../src/app.ts"
import { families } from "../../src/families.ts"
import { ConfigError, configOf, parseConfig } from "../../src/platform/config.ts"
import { ORIGIN } from "../support/world.ts"

const KEY = btoa("k".repeat(32))
const GOOD = { AUTH_MODE: "token", API_TOKEN: "good-token", ENCRYPTION_KEY: KEY, ALLOW_PRIVATE_TARGETS: "" }

/** The Worker as it is deployed, with these settings. */
function ask(path: string, settings: Record<string, unknown>): Promise<Response> {
  const headers = { authorization: "Bearer good-token" }
  return Promise.resolve(createApp().request(ORIGIN + path, { headers }, { ...env, ...GOOD, ...settings }))
}

const logged = vi.spyOn(console, "log").mockImplementation(() => {})
afterEach(() => logged.mockClear())

/** Setting, bad value, and a word of the hint that says what it must be. */
const BAD: [string, string, RegExp][] = [
  ["AUTH_MODE", "sesame", /token.*open/],
  ["AUTH_MODE", "", /token.*open/],
  ["AUTH_MODE", "OPEN", /token.*open/],
  ["AUTH_MODE", " open", /token.*open/],
  ["AUTH_MODE", "none", /token.*open/],
  // Without the secret of npm start's own door, wrangler dev would let anybody say which Host was asked for.
  ["AUTH_MODE", "open", /npm start.*token/],
  ["OPEN_SECRET", "sesame", /32 characters/],
  ["ENCRYPTION_KEY", "c2VzYW1l", /base64 of 32 bytes/],
  ["ENCRYPTION_KEY", "sesame sesame sesame!", /base64 of 32 bytes/],
  ["ENCRYPTION_KEY", `${KEY},c2VzYW1l`, /base64 of 32 bytes/],
  ["ENCRYPTION_KEY", btoa("k".repeat(31)), /base64 of 32 bytes/],
  ["ENCRYPTION_KEY", btoa("k".repeat(33)), /base64 of 32 bytes/],
  ["ALLOW_PRIVATE_TARGETS", "sesame", /\w/],
  ["ALLOW_PRIVATE_TARGETS", "TRUE", /\w/],
  ["ALLOW_PRIVATE_TARGETS", "yes", /\w/],
  ["SVIX_HEADERS", "sesame", /\w/],
  ["PUBLIC_URL", "sesame.example", /URL/],
  ["PUBLIC_URL", "ftp://sesame.example", /URL/],
  ["PUBLIC_URL", "javascript:sesame", /URL/],
  ["RETRY_SCHEDULE", "5,sesame", /seconds, comma separated/],
  ["RETRY_SCHEDULE", "5,,300", /seconds, comma separated/],
  ["RETRY_SCHEDULE", "-5", /seconds, comma separated/],
  ["RETRY_SCHEDULE", "", /seconds, comma separated/],
  ["RETRY_SCHEDULE", "5;300", /seconds, comma separated/],
  ["RETRY_SCHEDULE", Array(21).fill("5").join(","), /seconds, comma separated/],
  ["RETRY_SCHEDULE", "604801", /seconds, comma separated/],
  ["ATTEMPT_TIMEOUT_MS", "sesame", /number/],
  ["ATTEMPT_TIMEOUT_MS", "99", /100/],
  ["ATTEMPT_TIMEOUT_MS", "60001", /60000/],
  ["ATTEMPT_TIMEOUT_MS", "1500.5", /int/],
  ["ATTEMPT_TIMEOUT_MS", "", /\d/],
  ["PORTAL_ORIGINS", "sesame", /origins/],
  ["PORTAL_ORIGINS", "https://app.example.com/", /origins/],
  ["PORTAL_ORIGINS", "https://app.example.com, javascript:sesame", /origins/],
  ["PORTAL_ORIGINS", "https://app.example.com; script-src *", /origins/],
  ["DISABLE_AFTER_SECONDS", "sesame", /number/],
  ["DISABLE_AFTER_SECONDS", "0", /1/],
  ["DISABLE_AFTER_SECONDS", "-86400", /1/],
  ["DISABLE_AFTER_SECONDS", "Infinity", /number/],
  ["RETENTION_DAYS", "sesame", /number/],
  ["RETENTION_DAYS", "0", /1/],
  ["RETENTION_DAYS", "91", /90/],
  ["RETENTION_DAYS", "7.5", /int/],
  ["ATTEMPTS_PER_INVOCATION", "5", /6/],
  ["ATTEMPTS_PER_INVOCATION", "1001", /1000/],
  ["DATABASE_LIMIT_MB", "sesame", /number/],
  ["DATABASE_LIMIT_MB", "0", /1/],
]

describe("a bad setting", () => {
  it.each(BAD)(
    "%s = %j makes every answer a 503 that names it and never shows it",
    async (name, value, hint) => {
      for (const path of ["/users", "/health", "/", "/docs", "/unknown"]) {
        const response = await ask(path, { [name]: value })
        expect([path, response.status]).toEqual([path, 503])
        const text = await response.text()
        const { code, detail } = JSON.parse(text) as { code: string; detail: string }
        expect(code).toBe("misconfigured")
        expect(detail).toContain(name)
        expect(detail).toMatch(hint)
        for (const secret of ["sesame", "c2VzYW1l", KEY]) expect(text).not.toContain(secret)
        if (value.length > 4) expect(detail).not.toContain(value)
      }
      expect(JSON.stringify(logged.mock.calls)).not.toMatch(/sesame|c2VzYW1l|good-token/)
    },
  )

  it("is named together with all the others", async () => {
    const response = await ask("/users", { AUTH_MODE: "sesame", RETENTION_DAYS: "0", PUBLIC_URL: "x" })
    const { detail } = await response.json<{ detail: string }>()
    for (const name of ["AUTH_MODE", "RETENTION_DAYS", "PUBLIC_URL"]) expect(detail).toContain(name)
    expect(detail).not.toContain("ENCRYPTION_KEY")
  })

  it("opens nothing: with a bad AUTH_MODE no token helps, and none is needed to hear why", async () => {
    const app = createApp()
    const response = await app.request(`${ORIGIN}/users`, {}, { ...env, ...GOOD, AUTH_MODE: "Open" })
    expect(response.status).toBe(503)
    expect((await ask("/users", { AUTH_MODE: "Open" })).status).toBe(503)
  })

  it("stops the consumer and the cron before they touch anything", () => {
    expect(() => parseConfig({ ...GOOD, ATTEMPT_TIMEOUT_MS: "sesame" })).toThrow(ConfigError)
  })
})

describe("good settings", () => {
  it("are parsed once for an env, and anew for another one", () => {
    const settings = { ...GOOD }
    const config = configOf(settings, families)
    expect(config).toEqual(parseConfig(settings, families))
    expect(configOf(settings, families)).toBe(config)
    expect(configOf({ ...settings, RETENTION_DAYS: "3" }, families).retentionDays).toBe(3)
    const bad = { ...GOOD, RETENTION_DAYS: "0" }
    for (const _ of [1, 2]) expect(() => configOf(bad, families)).toThrow(ConfigError)
  })

  it("are taken as they are", async () => {
    const settings = {
      ...GOOD,
      ENCRYPTION_KEY: ` ${KEY} , ${btoa("l".repeat(32))} `,
      ALLOW_PRIVATE_TARGETS: "1",
      PUBLIC_URL: "https://posthorn.example",
      RETRY_SCHEDULE: " 1, 2.5 ,3",
      ATTEMPT_TIMEOUT_MS: "100",
      DISABLE_AFTER_SECONDS: "60",
      RETENTION_DAYS: "90",
      ATTEMPTS_PER_INVOCATION: "120",
      DATABASE_LIMIT_MB: "500",
    }
    expect(parseConfig(settings)).toMatchObject({
      authMode: "token",
      apiTokens: ["good-token"],
      encryptionKeys: [KEY, btoa("l".repeat(32))],
      allowPrivateTargets: true,
      publicUrl: "https://posthorn.example",
      retryScheduleSeconds: [1, 2.5, 3],
      attemptTimeoutMs: 100,
      disableAfterMs: 60_000,
      retentionDays: 90,
      attemptsPerInvocation: 120,
      databaseLimitBytes: 500_000_000,
    })
    expect((await ask("/users", settings)).status).toBe(200)
  })

  it("have the defaults of the design", () => {
    expect(parseConfig({})).toMatchObject({
      attemptsPerInvocation: 40,
      authMode: "token",
      apiTokens: [],
      encryptionKeys: [],
      allowPrivateTargets: false,
      publicUrl: null,
      retryScheduleSeconds: [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400],
      attemptTimeoutMs: 15_000,
      disableAfterMs: 5 * 24 * 3_600_000,
      retentionDays: 7,
      databaseLimitBytes: 10_000_000_000,
    })
  })

  it("allow private targets only when they say so", () => {
    for (const value of ["false", "0", "", undefined]) {
      expect(parseConfig({ ALLOW_PRIVATE_TARGETS: value }).allowPrivateTargets).toBe(false)
    }
    for (const value of ["true", "1", true]) {
      expect(parseConfig({ ALLOW_PRIVATE_TARGETS: value }).allowPrivateTargets).toBe(true)
    }
  })
})
