import { z } from "@hono/zod-openapi"
import { plainDialect, problems } from "../../http/dialects/plain.ts"
import type { Family } from "../../http/family.ts"
import { operation } from "../../http/operation.ts"
import { createRouter } from "../../http/router.ts"
import { cachedHealth } from "./cached.ts"

// Open to everybody: of what the doors in front of it can answer, all but the 401.
const { 401: _, ...atTheDoor } = problems()

const Condition = z.enum(["ok", "degraded", "failing"])

const Health = z
  .object({
    status: Condition,
    database: z.object({
      status: Condition,
      detail: z.string().nullable(),
      bytes: z.number().nullable(),
      limitBytes: z.number(),
    }),
    queues: z.object({
      status: Condition,
      detail: z.string().nullable(),
      backlog: z.record(z.string(), z.number().nullable()),
    }),
    sweep: z.object({
      status: Condition,
      detail: z.string().nullable(),
      lastAt: z.iso.datetime().nullable(),
    }),
  })
  .openapi("Health")

const WELL = {
  status: "ok",
  database: { status: "ok", detail: null, bytes: 274_432, limitBytes: 10_000_000_000 },
  queues: { status: "ok", detail: null, backlog: { events: 0, retries: 0, tasks: 0 } },
  sweep: { status: "ok", detail: null, lastAt: "2026-11-25T14:57:00.000Z" },
} as const

const FAILING = {
  ...WELL,
  status: "failing",
  database: { status: "failing", detail: "D1 does not answer", bytes: null, limitBytes: 10_000_000_000 },
  sweep: { status: "degraded", detail: "Unknown without the database", lastAt: null },
} as const

/** Whether the whole system is well. */
export const system: Family = {
  parts: () => [{ router: createHealth(), dialect: plainDialect }],
  tags: [{ name: "System", description: "Whether the whole system is well" }],
}

function createHealth() {
  const look = cachedHealth()
  const health = createRouter()
  health.openapi(
    operation({
      operationId: "getHealth",
      access: "anybody",
      tags: ["System"],
      summary: "Whether the database, the queues and the sweep are well",
      method: "get",
      path: "/health",
      responses: {
        ...atTheDoor,
        200: {
          description: "Up; `degraded` works with delays",
          content: { "application/json": { schema: Health, example: WELL } },
        },
        503: {
          description: "The database does not answer, or has no tables yet",
          content: { "application/json": { schema: Health, example: FAILING } },
        },
      },
    }),
    async (c) => {
      const seen = await look(c.var.deps)
      const lastAt = seen.sweep.lastAt === null ? null : new Date(seen.sweep.lastAt).toISOString()
      return c.json({ ...seen, sweep: { ...seen.sweep, lastAt } }, seen.status === "failing" ? 503 : 200)
    },
  )
  return health
}
