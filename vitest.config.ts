import "./scripts/assets.mjs"

import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin"
import { defineConfig } from "vitest/config"

/** POSTHORN_TEST_SHARDS=2: the built-in applications live in one database, everybody else in another. */
const SHARDS = Number(process.env.POSTHORN_TEST_SHARDS ?? 1)

/** As many files at once as there are processors: both kinds share them. */
const WORKERS = { maxWorkers: "100%" }
/** What a poll waits for comes, or a fault keeps it away: how soon is a matter of the machine. */
const PATIENCE = { expect: { poll: { timeout: 20_000 } } }

export const inWorkerd = cloudflareTest(async () => ({
  wrangler: { configPath: "./wrangler.toml" },
  miniflare: {
    d1Databases: Object.fromEntries(
      Array.from({ length: SHARDS - 1 }, (_, index) => [`DB_${index + 1}`, `posthorn-${index + 1}`]),
    ),
    bindings: { TEST_MIGRATIONS: await readD1Migrations("migrations"), SHARDS: String(SHARDS) },
  },
}))

export default defineConfig({
  test: {
    projects: [
      {
        // What the Worker does, inside workerd, against real D1 and queues.
        plugins: [inWorkerd],
        test: {
          name: "worker",
          include: ["test/{rules,engine,api,families,http,cost}/**/*.test.ts"],
          // What a message costs, and by which plans, is held for the one database of a small deployment.
          exclude: SHARDS > 1 ? ["test/cost/**", "test/engine/plans.test.ts"] : [],
          setupFiles: ["test/apply-migrations.ts"],
          isolate: false,
          testTimeout: 30_000,
          ...WORKERS,
          ...PATIENCE,
        },
      },
      {
        // What a person runs: scripts, a real receiver, a real browser. Each file has a whole system of its own.
        test: {
          name: "system",
          environment: "node",
          include: ["test/{system,pages}/**/*.test.ts"],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          ...WORKERS,
          ...PATIENCE,
        },
      },
    ],
  },
})
