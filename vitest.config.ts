import { cloudflareTest, readD1Migrations } from "@cloudflare/vitest-plugin"
import { defineConfig } from "vitest/config"

export const inWorkerd = cloudflareTest(async () => ({
  wrangler: { configPath: "./wrangler.toml" },
  miniflare: {
    bindings: { TEST_MIGRATIONS: await readD1Migrations("migrations") },
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
          setupFiles: ["test/apply-migrations.ts"],
          isolate: false,
          testTimeout: 30_000,
        },
      },
      {
        // What a person runs: scripts, a real receiver, a real browser. One at a time: each starts a whole system.
        test: {
          name: "system",
          environment: "node",
          include: ["test/system/**/*.test.ts"],
          fileParallelism: false,
          testTimeout: 120_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
})
