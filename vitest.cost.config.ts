import { defineConfig } from "vitest/config"

import { inWorkerd } from "./vitest.config.ts"

// `npm run bench:cost` alone: it takes its time, and asserts nothing.
export default defineConfig({
  plugins: [inWorkerd],
  test: {
    name: "cost",
    include: ["test/cost/table.bench.ts"],
    setupFiles: ["test/apply-migrations.ts"],
  },
})
