// Copies of events for measurements: through the API a hundred thousand would take an hour. Pure SQL, for whichever
// door to the database is at hand.

/** Where an event stands, and all that belongs to it; what others refer to comes first. */
export const EVENT_TABLES = ["events", "deliveries", "attempts"]
/** Stands in a copied id behind the time; no generated id has it, as its variant is none of UUIDv7's. */
const MARK = "7fff0000"

/**
 * The statement that copies an event's rows of a table with these columns, so that any schema will do. Its parameters:
 * how many copies, the event's id, over which time they are spread (from when, epoch ms, and how long), and which of
 * several copied events it is.
 * @param {string} table
 * @param {readonly string[]} columns
 */
export function copyStatement(table, columns) {
  // Where a row stands is for the database to say.
  const own = columns.filter((name) => name !== "seq")
  return `WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i < ?1 - 1)
    INSERT INTO ${table} (${own}) SELECT ${own.map(copied)}
    FROM c JOIN ${table} t ON t.${keyOf(table)} = ?2 WHERE ?1 > 0`
}

/**
 * The statement that copies a row of a table with these columns, the first that is `like` this: each copy with an id of
 * its own, and with a number behind the text that no two rows may share. Its parameter: how many copies.
 * @param {string} table
 * @param {readonly string[]} columns
 * @param {{ like?: string, unique?: string }} [row]
 */
export function copyRowStatement(table, columns, { like = "true", unique = "id" } = {}) {
  const values = columns.map((column) => {
    if (column === "id") return "substr(t.id, 1, length(t.id) - 9) || printf('%09x', i)"
    return column === unique ? `t.${column} || i` : `t.${column}`
  })
  return `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ?1)
    INSERT INTO ${table} (${columns}) SELECT ${values} FROM c JOIN (SELECT * FROM ${table} WHERE ${like} LIMIT 1) t`
}

/** What stands for many rows of the other screens: the table, and the row of it that is copied. */
export const COPIED_ROWS = [
  { table: "users", unique: "username" },
  { table: "messages" },
  { table: "invoices" },
  { table: "uploads" },
  { table: "event_types", like: "name = 'screen.shown'", unique: "name" },
]

/**
 * The condition that a row of one of the tables is a copy.
 * @param {string} table
 */
export function isCopy(table) {
  return `substr(${keyOf(table)}, 17, 8) = '${MARK}'`
}

/**
 * How many copies of an event are to be made, so that all of them together are `total`.
 * @param {number} total
 * @param {number} index of the event among the `events` that are copied
 * @param {number} events
 */
export function shareOf(total, index, events) {
  return Math.floor((total + index) / events)
}

function keyOf(table) {
  return table === "events" ? "id" : "event_id"
}

/** The value of a copy's column: ids of events and attempts are new in each copy, everything else is the same. */
function copied(column) {
  const time = "printf('%012x', ?3 + i * ?4 / ?1)"
  return `CASE
    WHEN t.${column} = ?2 THEN 'evt_' || ${time} || printf('${MARK}%03x%09x', ?5, i)
    -- The counter in an attempt's id tells an event's attempts from each other.
    WHEN substr(t.${column}, 1, 4) = 'att_'
      THEN 'att_' || ${time} || '${MARK}' || substr(t.${column}, 18, 3) || printf('%09x', i)
    ELSE t.${column} END`
}
