import { app } from "./app.ts"
import { runCron } from "./cron.ts"
import type { Job } from "./engine/pipeline/jobs.ts"
import { createDeps } from "./platform/deps.ts"
import { consume } from "./queue.ts"

export default {
  fetch: app.fetch,
  queue: (batch, env) => consume(batch, createDeps(env)),
  scheduled: (_controller, env) => runCron(createDeps(env)),
} satisfies ExportedHandler<Env, Job>
