import type { JobKind } from "./engine/jobs/job.ts"
import type { Upkeep } from "./engine/upkeep/contribution.ts"
import { ENGINE_UPKEEP, sweep, sweepShard } from "./engine/upkeep/sweep.ts"
import { families as all } from "./families.ts"
import type { Family } from "./http/family.ts"
import type { Deps } from "./platform/deps.ts"

/** Every minute: what the engine and the families have the sweep do. */
export async function runCron(deps: Deps, families: readonly Family[] = all): Promise<void> {
  await sweep(deps, allUpkeep(families))
}

/** The jobs by which the cron has the further shards swept. */
export function sweepJobs(families: readonly Family[]): JobKind {
  return {
    lane: "retries",
    work: (deps, db, _work, budget) => sweepShard(deps, db, budget, allUpkeep(families)),
  }
}

function allUpkeep(families: readonly Family[]): Upkeep[] {
  return [...ENGINE_UPKEEP, ...families.flatMap(upkeepOf)]
}

/** In the database of the family's application, where it has one. */
function upkeepOf({ application, upkeep = [] }: Family): readonly Upkeep[] {
  return application === undefined ? upkeep : upkeep.map((part) => ({ application, ...part }))
}
