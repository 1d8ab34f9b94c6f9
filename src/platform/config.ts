import { z } from "zod"

import { DEFAULT_RETRY_SCHEDULE_SECONDS, parseRetrySchedule } from "../engine/rules/retry-schedule.ts"

/** The settings of families: each declares this interface once more, with its own. */
// biome-ignore lint/suspicious/noEmptyInterface: it is there to be added to
export interface FamilyConfig {}

/** What families declare of settings: how theirs are read. */
export interface Declared {
  settings?: z.ZodType<Partial<FamilyConfig>>
}

/** The settings of one deployment, parsed. README.md, "Configuration", lists them for people. */
export interface Config extends FamilyConfig {
  authMode: "token" | "open"
  /** What shows in open mode that a request came through `npm start`'s own door; null asks for no proof. */
  openSecret: string | null
  apiTokens: readonly string[]
  /** 32 bytes each, base64; the first seals, all of them open. */
  encryptionKeys: readonly string[]
  allowPrivateTargets: boolean
  publicUrl: string | null
  /** Origins whose pages may show the dashboard in a frame. */
  portalOrigins: readonly string[]
  /** Whether deliveries carry `svix-*` copies of their `webhook-*` headers. */
  olderHeaders: boolean
  retryScheduleSeconds: readonly number[]
  attemptTimeoutMs: number
  disableAfterMs: number
  retentionDays: number
  databaseLimitBytes: number
  /** D1 databases that applications are spread over. */
  shards: number
  /** Requests that one invocation may make: the Free plan allows 50 subrequests to the outside. */
  attemptsPerInvocation: number
  maxEndpointsPerApplication: number
}

const list = z
  .string()
  .default("")
  .transform((text) =>
    text
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== ""),
  )

const flag = z
  .union([z.boolean(), z.enum(["true", "false", "1", "0", ""])])
  .default(false)
  .transform((value) => value === true || value === "true" || value === "1")

/** A setting that is a number. */
// Zod's own words for this one would show what came: "received NaN", "received Infinity".
export const number = () =>
  z.coerce.number({ error: ({ input }) => (Number.isFinite(input) ? undefined : "must be a number") })

const settings = z
  .object({
    AUTH_MODE: z.enum(["token", "open"]).default("token"),
    OPEN_SECRET: z.string().min(32, "must be 32 characters or more").optional(),
    API_TOKEN: list,
    ENCRYPTION_KEY: list.refine(
      (keys) => keys.every(isKey),
      "must be base64 of 32 bytes (openssl rand -base64 32)",
    ),
    ALLOW_PRIVATE_TARGETS: flag,
    PUBLIC_URL: z.url({ protocol: /^https?$/ }).optional(),
    PORTAL_ORIGINS: list.refine(
      (origins) => origins.every(isOrigin),
      "must be origins such as https://app.example.com, comma separated",
    ),
    SVIX_HEADERS: flag,
    RETRY_SCHEDULE: z
      .string()
      .optional()
      .transform((text) => (text === undefined ? DEFAULT_RETRY_SCHEDULE_SECONDS : parseRetrySchedule(text)))
      .refine((schedule) => schedule !== null, "must be seconds, comma separated, such as 5,300,1800"),
    ATTEMPT_TIMEOUT_MS: number().int().min(100).max(60_000).default(15_000),
    DISABLE_AFTER_SECONDS: number()
      .min(1)
      .default(5 * 24 * 3600),
    RETENTION_DAYS: number().int().min(1).max(90).default(7),
    ATTEMPTS_PER_INVOCATION: number().int().min(6).max(1_000).default(40),
    MAX_ENDPOINTS_PER_APPLICATION: number().int().min(1).max(1_000_000).default(1_000),
    DATABASE_LIMIT_MB: number().min(1).default(10_000),
    SHARDS: number().int().min(1).max(100).default(1),
  })
  .refine((given) => given.AUTH_MODE !== "open" || given.OPEN_SECRET !== undefined, {
    path: ["AUTH_MODE"],
    message: "open is for `npm start`, which brings an OPEN_SECRET along; anywhere else it must be token",
  })

export class ConfigError extends Error {}

const configs = new WeakMap<object, { families: readonly Declared[]; config: Config }>()

/**
 * The settings of an instance, parsed once: what `env` holds stays as it is. Throws a ConfigError, each time.
 */
export function configOf(env: object, families: readonly Declared[]): Config {
  const known = configs.get(env)
  if (known?.families === families) return known.config
  const config = parseConfig(env, families)
  configs.set(env, { families, config })
  return config
}

/**
 * Reads the settings, the families' among them; throws a ConfigError that names each bad one and what it
 * must be, never its value.
 */
export function parseConfig(env: object, families: readonly Declared[] = []): Config {
  const own = settings.safeParse(env)
  const theirs = families.flatMap((family) => family.settings?.safeParse(env) ?? [])
  const issues = [own, ...theirs].flatMap(({ error }) => error?.issues ?? [])
  if (!own.success || issues.length > 0) {
    throw new ConfigError(
      issues.map((issue) => `The setting ${issue.path.join(".")}: ${issue.message}`).join("; "),
    )
  }
  const s = own.data
  const ofFamilies: FamilyConfig = Object.assign({}, ...theirs.map(({ data }) => data))
  return {
    ...ofFamilies,
    authMode: s.AUTH_MODE,
    openSecret: s.OPEN_SECRET ?? null,
    apiTokens: s.API_TOKEN,
    encryptionKeys: s.ENCRYPTION_KEY,
    allowPrivateTargets: s.ALLOW_PRIVATE_TARGETS,
    publicUrl: s.PUBLIC_URL ?? null,
    olderHeaders: s.SVIX_HEADERS,
    portalOrigins: s.PORTAL_ORIGINS,
    retryScheduleSeconds: s.RETRY_SCHEDULE ?? DEFAULT_RETRY_SCHEDULE_SECONDS,
    attemptTimeoutMs: s.ATTEMPT_TIMEOUT_MS,
    disableAfterMs: s.DISABLE_AFTER_SECONDS * 1000,
    retentionDays: s.RETENTION_DAYS,
    attemptsPerInvocation: s.ATTEMPTS_PER_INVOCATION,
    maxEndpointsPerApplication: s.MAX_ENDPOINTS_PER_APPLICATION,
    databaseLimitBytes: s.DATABASE_LIMIT_MB * 1_000_000,
    shards: s.SHARDS,
  }
}

function isOrigin(text: string): boolean {
  return /^https?:/.test(text) && URL.parse(text)?.origin === text
}

function isKey(text: string): boolean {
  try {
    return atob(text).length === 32
  } catch {
    return false
  }
}
