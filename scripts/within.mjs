// node scripts/within.mjs SECONDS COMMAND [ARGUMENT…]: runs a command to its end, or for so long and no longer; then it
// ends with 124, and with it all that it has started.
import { spawn } from "node:child_process"

import { endTree } from "./processes.mjs"
import { exitCode } from "./wrangler.mjs"

const TOO_LATE = 124

const [seconds, command = "", ...args] = process.argv.slice(2)
const child = spawn(command, args, { stdio: "inherit" })
const timer = setTimeout(() => {
  console.error(`\n${[command, ...args].join(" ")} has not ended within ${seconds} seconds.`)
  process.exitCode = TOO_LATE
  endTree(child.pid)
}, Number(seconds) * 1_000)
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => endTree(child.pid))

const code = await exitCode(child)
clearTimeout(timer)
process.exitCode ??= code
