import { globSync } from "node:fs"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"

import { findFreePort, startServer } from "../dev-server.mjs"
import { copyRowStatement, copyStatement, EVENT_TABLES, shareOf } from "./copies.mjs"

/**
 * Starts a system on this folder for as long as the work takes.
 * @template T
 * @param {{ folder: string, args?: readonly string[], signal?: AbortSignal | undefined }} how
 * @param {(system: { url: string }) => Promise<T>} work
 */
export async function withSystem({ folder, args = [], signal }, work) {
  const where = ["--port", String(await findFreePort()), "--persist-to", folder]
  const server = await startServer({ args: [...where, ...args], ...(signal && { signal }) })
  try {
    return await work(server)
  } finally {
    await server.stop()
  }
}

/**
 * Copies an application's only endpoint, its secret among it, in the database of a system that has stopped, until there
 * are so many: through the API that would take minutes. A path of its own tells each apart.
 * @param {string} folder
 * @param {string} endpointId
 * @param {number} count
 */
export function multiplyEndpoint(folder, endpointId, count) {
  const db = openStopped(folder)
  try {
    db.exec("BEGIN")
    copyRows(db, { table: "endpoints", key: "id", endpointId, count }, { url: "o.url || '/' || n.i" })
    copyRows(db, { table: "secrets", key: "endpoint_id", endpointId, count }, {})
    db.exec("COMMIT")
  } finally {
    db.close()
  }
}

/**
 * Copies events with all that belongs to them in the database of a system that has stopped, until there are `total`
 * copies, as many of each, spread over a time that has just passed.
 * @param {string} folder
 * @param {readonly string[]} eventIds
 * @param {number} total
 * @param {{ spanMs: number }} over
 */
export function multiplyEvents(folder, eventIds, total, { spanMs }) {
  const db = openStopped(folder)
  const from = Date.now() - spanMs
  try {
    db.exec("BEGIN")
    for (const [index, eventId] of eventIds.entries()) {
      const copies = shareOf(total, index, eventIds.length)
      for (const table of EVENT_TABLES) {
        db.prepare(copyStatement(table, columnsOf(db, table))).run(copies, eventId, from, spanMs, index)
      }
    }
    db.exec("COMMIT")
  } finally {
    db.close()
  }
}

/**
 * Copies a row of each table, in the database of a system that has stopped, until there are so many more.
 * @param {string} folder
 * @param {readonly { table: string, like?: string, unique?: string }[]} rows
 * @param {number} copies
 */
export function multiplyRows(folder, rows, copies) {
  const db = openStopped(folder)
  try {
    db.exec("BEGIN")
    for (const { table, ...row } of rows) {
      db.prepare(copyRowStatement(table, columnsOf(db, table), row)).run(copies)
    }
    db.exec("COMMIT")
  } finally {
    db.close()
  }
}

/** The database of a system that has stopped, or died. */
export function openStopped(folder) {
  for (const file of globSync(join(folder, "v3/d1/*/*.sqlite"))) {
    const db = new DatabaseSync(file)
    if (db.prepare("SELECT 1 FROM sqlite_master WHERE name = 'endpoints'").get()) return db
    db.close()
  }
  throw new Error(`There is no database of Posthorn's in ${folder}`)
}

/** @param {Record<string, string>} changed columns, each with what it is in a copy */
function copyRows(db, { table, key, endpointId, count }, changed) {
  const columns = columnsOf(db, table)
  const values = { ...changed, [key]: `substr(o.${key}, 1, length(o.${key}) - 8) || printf('%08x', n.i)` }
  db.prepare(`
    WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
    INSERT INTO ${table} (${columns.join(", ")})
    SELECT ${columns.map((name) => values[name] ?? `o.${name}`).join(", ")}
    FROM ${table} o CROSS JOIN n WHERE o.${key} = ?`).run(count, endpointId)
}

/** @returns {string[]} */
function columnsOf(db, table) {
  return db
    .prepare("SELECT name FROM pragma_table_info(?)")
    .all(table)
    .map(({ name }) => name)
}
