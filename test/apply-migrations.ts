import { applyD1Migrations } from "cloudflare:test"
import { env } from "cloudflare:workers"

import { shards } from "./support/shards.ts"

for (const shard of shards) await applyD1Migrations(shard, env.TEST_MIGRATIONS)
