import { spawn } from "node:child_process"
import { setTimeout as sleep } from "node:timers/promises"

import { onLines } from "../output.mjs"
import { livingMembers } from "../processes.mjs"
import { exitCode, root } from "../wrangler.mjs"

const START_TIMEOUT_MS = 90_000
const POLL_MS = 20

/**
 * Runs `npm start` in a process group of its own, and resolves once it says that it is up.
 * @param {readonly string[]} args
 */
export async function startInGroup(args) {
  const child = spawn("npm", ["start", "--", ...args], {
    cwd: root,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  })
  if (child.pid === undefined) throw new Error("npm could not be started")
  const group = child.pid
  const lines = []
  const exited = exitCode(child)
  let hasEnded = false
  void exited.then(() => (hasEnded = true))
  onLines(child, (line) => lines.push(line))

  /** Ends all its processes at once; nobody gets to say anything. */
  function kill() {
    if (livingMembers(group).length > 0) process.kill(-group, "SIGKILL")
  }
  async function gone() {
    while (livingMembers(group).length > 0) await sleep(POLL_MS)
    await exited
  }

  const giveUpAt = Date.now() + START_TIMEOUT_MS
  while (!lines.some((line) => line.includes("Posthorn is up at"))) {
    if (hasEnded || Date.now() > giveUpAt) {
      kill()
      throw new Error(`npm start did not come up:\n${lines.join("\n")}`)
    }
    await sleep(POLL_MS)
  }
  return {
    kill,
    gone,
    /** Resolves once it has ended in its own time. */
    stop() {
      process.kill(group, "SIGTERM")
      return gone()
    },
    /** Fires the cron, around the door, which lets nobody else do it. */
    async sweep() {
      const wrangler = livingMembers(group).find(({ command }) => /cli\.js dev /.test(command))
      const port = /--port (\d+)/.exec(wrangler?.command ?? "")?.[1]
      await fetch(`http://127.0.0.1:${port}/cdn-cgi/handler/scheduled?cron=*+*+*+*+*`)
    },
  }
}
