import { plainDialect, problems } from "../../http/dialects/plain.ts"
import type { Family } from "../../http/family.ts"
import { operation } from "../../http/operation.ts"
import { createRouter } from "../../http/router.ts"
import { dialect } from "../problems.ts"
import { cachedHealth, type Look } from "./cached.ts"
import { createApiHealth } from "./health.ts"
import { Health, toHealth } from "./wire.ts"

// Open to everybody: of what the doors in front of it can answer, all but the 401.
const { 401: _, ...atTheDoor } = problems()

const WELL = {
  status: "ok",
  database: { status: "ok", detail: null, bytes: 274_432, limitBytes: 10_000_000_000 },
  queues: { status: "ok", detail: null, backlog: { events: 0, retries: 0, tasks: 0 } },
  sweep: { status: "ok", detail: null, lastAt: "2026-11-25T14:57:00.000Z" },
  dispatch: { status: "ok", detail: null, oldestMs: 40 },
  retries: { status: "ok", detail: null, overdueMs: 0 },
} as const

const UNKNOWN = { status: "degraded", detail: "Unknown without the database" } as const

const FAILING = {
  ...WELL,
  status: "failing",
  database: { status: "failing", detail: "D1 does not answer", bytes: null, limitBytes: 10_000_000_000 },
  sweep: { ...UNKNOWN, lastAt: null },
  dispatch: { ...UNKNOWN, oldestMs: null },
  retries: { ...UNKNOWN, overdueMs: null },
} as const

/** Whether the whole system is well: told at length, and in the management API's way. */
export const system: Family = {
  parts: () => {
    const look = cachedHealth()
    return [
      { router: createApiHealth(look), dialect },
      { router: createHealth(look), dialect: plainDialect },
    ]
  },
  tags: [
    { name: "Health", description: "Management: whether the API is up" },
    { name: "System", description: "Whether the whole system is well" },
  ],
}

function createHealth(look: Look) {
  const health = createRouter()
  health.openapi(
    operation({
      operationId: "getHealth",
      access: "anybody",
      tags: ["System"],
      summary: "Whether the system is well, and keeps up",
      description:
        "`degraded` while the database is more than 80 % full, a queue does not answer, the last sweep is more than three minutes ago, or an event or a due delivery has waited for more than three minutes and a lease (twice `ATTEMPT_TIMEOUT_MS` and 30 s): four minutes, unless that is set.",
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
      return c.json(toHealth(seen), seen.status === "failing" ? 503 : 200)
    },
  )
  return health
}
