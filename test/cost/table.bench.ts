import { it } from "vitest"

import { measureAll } from "./cases.ts"
import { PRICES } from "./prices.ts"

/** Events stored in the second half of the table. */
const MANY = 100_000

// Not part of the ordinary run: scripts/bench-cost.mjs runs it and prints what it leaves in its meta.
it("counts every case", { timeout: 300_000 }, async ({ task }) => {
  const few = await measureAll()
  const many = await measureAll(MANY)
  Object.assign(task.meta, {
    pricesReadOn: PRICES.readOn,
    cost: [...few, ...many.map((one) => ({ ...one, name: `${one.name}-at-${MANY}` }))],
  })
})
