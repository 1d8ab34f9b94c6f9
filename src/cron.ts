import { sweepUploads } from "./apps/uploads/sweep.ts"
import type { Deps } from "./deps.ts"
import { sweep } from "./engine/pipeline/sweep.ts"

/** Every minute: the engine's sweep, then the uploads'. One that fails does not stop the other. */
export async function runCron(deps: Deps): Promise<void> {
  const faults: unknown[] = []
  for (const run of [sweep, sweepUploads]) {
    await run(deps).catch((error) => {
      deps.log({ unit: "fault", during: run.name, error: String(error) })
      faults.push(error)
    })
  }
  if (faults.length > 0) throw faults[0]
}
