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
          content: { "application/json": { schema: Health } },
        },
        503: {
          description: "The database does not answer, or has no tables yet",
          content: { "application/json": { schema: Health } },
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
