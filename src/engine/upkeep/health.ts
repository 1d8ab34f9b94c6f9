import { isMissingTable, MIGRATE } from "../../db/client.ts"
import type { Deps } from "../../platform/deps.ts"
import { NEARLY_FULL } from "./retention.ts"
import { readState } from "./state.ts"

/** The cron runs every minute; after three missed runs something is wrong. */
const SWEEP_LATE_MS = 3 * 60_000

export type Condition = "ok" | "degraded" | "failing"

export interface SystemHealth {
  status: Condition
  database: { status: Condition; detail: string | null; bytes: number | null; limitBytes: number }
  queues: { status: Condition; detail: string | null; backlog: Record<string, number | null> }
  sweep: { status: Condition; detail: string | null; lastAt: number | null }
}

/** Looks at D1, the queues and the last sweep without writing or sending anything. Never throws. */
export async function getSystemHealth(deps: Deps): Promise<SystemHealth> {
  const [{ database, sweep }, queues] = await Promise.all([lookAtDatabase(deps), lookAtQueues(deps)])
  const all = [database.status, queues.status, sweep.status]
  const status = all.includes("failing") ? "failing" : all.includes("degraded") ? "degraded" : "ok"
  return { status, database, queues, sweep }
}

async function lookAtDatabase(deps: Deps): Promise<Pick<SystemHealth, "database" | "sweep">> {
  const limitBytes = deps.config.databaseLimitBytes
  try {
    const states = (await Promise.all(deps.shards.map(readState))).filter((state) => state !== null)
    const bytes = Math.max(
      0,
      ...states.map(({ databaseBytes }) => databaseBytes),
      ...deps.shards.map((db) => db.sizeBytes()),
    )
    const sweeps = states.map(({ lastSweepAt }) => lastSweepAt).filter((at) => at > 0)
    const lastAt = sweeps.length === 0 ? null : Math.min(...sweeps)
    const late = lastAt !== null && deps.clock.now() - lastAt > SWEEP_LATE_MS
    const nearlyFull = bytes >= NEARLY_FULL * limitBytes
    return {
      database: {
        status: nearlyFull ? "degraded" : "ok",
        detail: nearlyFull
          ? "More than 80 % full: retention shortens, and from 95 % publishing answers 507"
          : null,
        bytes,
        limitBytes,
      },
      sweep: {
        status: late ? "degraded" : "ok",
        detail: late
          ? "Late: is the cron trigger on?"
          : lastAt === null
            ? "Has not run yet; it runs every minute"
            : null,
        lastAt,
      },
    }
  } catch (error) {
    deps.observe({ unit: "fault", during: "health", queue: null, error: String(error) })
    return {
      database: {
        status: "failing",
        detail: isMissingTable(error) ? MIGRATE : "D1 does not answer",
        bytes: null,
        limitBytes,
      },
      sweep: { status: "degraded", detail: "Unknown without the database", lastAt: null },
    }
  }
}

async function lookAtQueues(deps: Deps): Promise<SystemHealth["queues"]> {
  const backlog: Record<string, number | null> = {}
  let status: Condition = "ok"
  for (const [name, queue] of Object.entries(deps.queues)) {
    try {
      backlog[name] = (await queue.metrics()).backlogCount
    } catch (error) {
      backlog[name] = null
      status = "degraded"
      deps.observe({ unit: "fault", during: "health", queue: name, error: String(error) })
    }
  }
  return {
    status,
    detail: status === "ok" ? null : "A queue does not answer; the sweep delivers meanwhile, once a minute",
    backlog,
  }
}
