import { app } from "./app.ts"
import { createDeps } from "./deps.ts"
import type { Job } from "./engine/pipeline/jobs.ts"
import { sweep } from "./engine/pipeline/sweep.ts"
import { consume } from "./queue.ts"

export default {
  fetch: app.fetch,
  queue: (batch, env) => consume(batch, createDeps(env)),
  scheduled: (_controller, env) => sweep(createDeps(env)),
} satisfies ExportedHandler<Env, Job>
