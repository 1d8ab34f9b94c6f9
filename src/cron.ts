import { ENGINE_UPKEEP, sweep } from "./engine/upkeep/sweep.ts"
import { uploadsUpkeep } from "./families/uploads/sweep.ts"
import type { Deps } from "./platform/deps.ts"

/** Every minute: what the engine and the families have the sweep do. */
export async function runCron(deps: Deps): Promise<void> {
  await sweep(deps, [...ENGINE_UPKEEP, ...(deps.files ? [uploadsUpkeep(deps.files)] : [])])
}
