// One system at a time works on a state folder: two on one database hold each other up in
// the middle of a write.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { setTimeout as sleep } from "node:timers/promises"

const SQLITE_BUSY = 5
const NOTE_TIMEOUT_MS = 1_000
const POLL_MS = 50

/** Why a state folder cannot be had, in words for the person who started us. */
export class StateError extends Error {}

/**
 * Takes a state folder, which is made if need be, until `release` is called or this process ends, however it
 * ends: what is held is a lock of the operating system's. Throws a StateError that names who has it.
 */
export async function lockState(directory, url) {
  const note = join(directory, "posthorn.pid")
  let lock
  try {
    mkdirSync(directory, { recursive: true })
    lock = new DatabaseSync(join(directory, "posthorn.lock"), { timeout: 0 })
    lock.exec("BEGIN EXCLUSIVE")
    writeFileSync(note, `${process.pid} ${url}`)
  } catch (error) {
    if (lock?.isOpen) lock.close()
    throw new StateError(
      error.errcode === SQLITE_BUSY
        ? `${await holder(note)} works on the state folder ${directory}. Stop it, or choose another folder with --persist-to`
        : `Cannot write to the state folder ${directory}: ${error.message}. Choose another one with --persist-to`,
    )
  }
  return {
    release() {
      rmSync(note, { force: true })
      lock.close()
    },
  }
}

/**
 * Who left the note: whoever has just taken the lock may be about to write it over that
 * of somebody who is dead.
 */
async function holder(note) {
  const deadline = Date.now() + NOTE_TIMEOUT_MS
  do {
    const [, pid, url] = /^(\d+) (\S+)$/.exec(read(note)) ?? []
    if (pid !== undefined && isAlive(Number(pid))) return `Process ${pid} (${url})`
    await sleep(POLL_MS)
  } while (Date.now() < deadline)
  return "Another process"
}

function read(file) {
  try {
    return readFileSync(file, "utf8")
  } catch {
    return ""
  }
}

function isAlive(pid) {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return error.code === "EPERM"
  }
}
