import { app } from "./app.ts"
import { runCron } from "./cron.ts"
import type { Job } from "./engine/jobs/job.ts"
import { families } from "./families.ts"
import { createDeps } from "./platform/deps.ts"
import { consume } from "./queue.ts"

export default {
  fetch: app.fetch,
  queue: (batch, env) => consume(batch, createDeps(env, families)),
  scheduled: (_controller, env) => runCron(createDeps(env, families)),
} satisfies ExportedHandler<Env, Job>
