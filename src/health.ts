import { createRoute, z } from "@hono/zod-openapi"

import { getSystemHealth, type SystemHealth } from "./engine/system-health.ts"
import { MIGRATE } from "./http/problem.ts"
import { createRouter, problems } from "./http/router.ts"

const CACHED_MS = 5_000
/** A failure is looked at again soon, so that a repair shows. */
const FAILURE_CACHED_MS = 1_000

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

/** The route /health, with a cache of its own: one look every few seconds per isolate, however many ask. */
export function createHealth() {
  let cached: { health: SystemHealth; until: number } | null = null
  const health = createRouter()
  health.openapi(
    createRoute({
      operationId: "getHealth",
      tags: ["System"],
      summary: "Whether the database, the queues and the sweep are well",
      method: "get",
      path: "/health",
      security: [],
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
      const { deps } = c.var
      const now = deps.clock.now()
      if (cached !== null && cached.until > now) return answer(cached.health)
      // Who comes during this look gets what the last one saw.
      if (cached !== null) cached.until = now + FAILURE_CACHED_MS
      const seen = await getSystemHealth(deps, MIGRATE)
      cached = { health: seen, until: now + (seen.status === "failing" ? FAILURE_CACHED_MS : CACHED_MS) }
      return answer(seen)

      function answer(seen: SystemHealth) {
        const lastAt = seen.sweep.lastAt === null ? null : new Date(seen.sweep.lastAt).toISOString()
        return c.json({ ...seen, sweep: { ...seen.sweep, lastAt } }, seen.status === "failing" ? 503 : 200)
      }
    },
  )
  return health
}
