import { z } from "@hono/zod-openapi"

import type { SystemHealth } from "../../engine/upkeep/health.ts"
import { toTime } from "../wire.ts"

const Condition = z.enum(["ok", "degraded", "failing"])

export const Health = z
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
    dispatch: z.object({
      status: Condition,
      detail: z.string().nullable(),
      oldestMs: z
        .number()
        .nullable()
        .openapi({ description: "How long the oldest event that is not dispatched has waited; 0: all are" }),
    }),
    retries: z.object({
      status: Condition,
      detail: z.string().nullable(),
      overdueMs: z.number().nullable().openapi({
        description:
          "How overdue the retry lane is: for how long the request that has waited longest could have been made. Endpoints that are paused, rate-limited, between two retries or slow themselves do not count",
      }),
    }),
  })
  .openapi("Health")

/** The system's health on the wire. */
export function toHealth(seen: SystemHealth): z.infer<typeof Health> {
  const { sweep } = seen
  return { ...seen, sweep: { ...sweep, lastAt: sweep.lastAt === null ? null : toTime(sweep.lastAt) } }
}
