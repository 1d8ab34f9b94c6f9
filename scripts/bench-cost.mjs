// npm run bench:cost [-- --json | --trips]: what an event costs, counted exactly (test/cost/measure.ts
// says what each figure means). As a table; with --json as one JSON array on stdout; with --trips each
// case's statements too.
import { createVitest } from "vitest/node"

import { readFlags } from "./bench/flags.mjs"
import { table } from "./bench/table.mjs"

const flags = readFlags(["json", "trips"])

const COLUMNS = {
  rowsWritten: "written",
  rowsRead: "read",
  rowsDeletedLater: "deleted later",
  transactions: "trips",
  statements: "statements",
  queueOperations: "queue ops",
  invocations: "invocations",
  subrequests: "subrequests",
  logLines: "log lines",
  dollarsPerMillion: "$/million",
}

const { cost, pricesReadOn } = await measure()
if (flags.json) {
  console.log(
    JSON.stringify(
      cost.map(({ name, figures }) => ({ case: name, ...figures })),
      null,
      2,
    ),
  )
} else {
  console.log(
    table(
      ["case", ...Object.values(COLUMNS), "from 2026-12-01", "log bytes"],
      cost.map(({ name, figures, dollarsFromDecember, logBytes }) => [
        name,
        ...Object.keys(COLUMNS).map((figure) => figures[figure]),
        dollarsFromDecember,
        logBytes,
      ]),
    ),
  )
  console.log(`\nFor one event each (idle-minute: one minute). $ per million by the prices of ${pricesReadOn}, logs
included, without what retention writes later; the family row of user-1 is left out.`)
  if (flags.trips) for (const one of cost) printTrips(one)
}

/**
 * Runs test/cost/table.bench.ts and takes the figures from its meta; what the tools say goes to stderr.
 * @returns {Promise<any>}
 */
async function measure() {
  const { write } = process.stdout
  process.stdout.write = process.stderr.write.bind(process.stderr)
  const vitest = await createVitest("test", {
    config: "vitest.cost.config.ts",
    watch: false,
    reporters: [{}],
  })
  try {
    const { testModules, unhandledErrors } = await vitest.start()
    const tests = testModules.flatMap((module) => [...module.children.allTests()])
    const errors = [
      ...unhandledErrors,
      ...testModules.flatMap((module) => module.errors()),
      ...tests.flatMap((test) => test.result().errors ?? []),
    ]
    const [bench] = tests
    if (bench === undefined || errors.length > 0) {
      throw new Error(
        `The cost could not be counted:\n${errors.map((/** @type {any} */ error) => error.stack ?? error.message).join("\n")}`,
      )
    }
    return bench.meta()
  } finally {
    await vitest.close()
    process.stdout.write = write
  }
}

function printTrips({ name, trips }) {
  console.log(`\n${name}`)
  for (const [index, { by, statements }] of trips.entries()) {
    console.log(`  trip ${index + 1}, ${by}`)
    for (const { sql, rowsRead, rowsWritten } of statements) {
      console.log(
        `    read ${rowsRead}, written ${rowsWritten}: ${sql.replace(/\s+/g, " ").trim().slice(0, 140)}`,
      )
    }
  }
}
