// npm run move -- APPLICATION SHARD [-- options]: moves an application to another database, step by step.
// What has died in between goes on when it is run again.
import { setTimeout as sleep } from "node:timers/promises"
import { parseArgs } from "node:util"

const HELP = `Usage: npm run move -- APPLICATION SHARD [options]

Moves an application (id or uid) to the database DB_<SHARD> (0: DB). Until it is there it can be read, and
writes to it answer 503. Run it again if it has died, on whatever machine.

  --cancel                      take the move back, which is possible until it says "leave"
  --url http://127.0.0.1:8787   where Posthorn answers
  API_TOKEN                     in the environment: the operator's token, which open mode does not need
`

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    cancel: { type: "boolean", default: false },
    url: { type: "string", default: "http://127.0.0.1:8787" },
    help: { type: "boolean", short: "h" },
  },
})
const [application, shard] = positionals
if (values.help) console.log(HELP)
else if (application === undefined || !/^\d+$/.test(shard ?? "") || positionals.length > 2) {
  console.error(HELP)
  process.exitCode = 2
} else await run(application, Number(shard))

/**
 * Asks for the next steps until there are none.
 * @param {string} application
 * @param {number} shard
 */
async function run(application, shard) {
  /** @type {string | null} */
  let told = null
  for (;;) {
    const move = await ask(application, shard)
    if (move.step === null) {
      console.log(`${application} lives in shard ${move.shard}.`)
      if (!values.cancel && move.shard !== shard) process.exitCode = 1
      return
    }
    if (move.step !== told) console.log(`${move.step} …`)
    told = move.step
    await sleep(move.waitMs)
  }
}

/**
 * @param {string} application
 * @param {number} shard
 * @returns {Promise<{ shard: number, step: string | null, waitMs: number }>}
 */
async function ask(application, shard) {
  const token = process.env.API_TOKEN
  const url = `${values.url}/api/v1/app/${encodeURIComponent(application)}/shard/${shard}`
  try {
    const response = await fetch(url, {
      method: values.cancel ? "DELETE" : "PUT",
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    })
    if (response.ok) return /** @type {Awaited<ReturnType<typeof ask>>} */ (await response.json())
    throw new Error(`${response.status}: ${await response.text()}`)
  } catch (error) {
    console.error(`${error.cause?.message ?? error.message}\nRun it again to go on where it has stopped.`)
    process.exit(1)
  }
}
