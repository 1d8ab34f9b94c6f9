/**
 * Rows as aligned text: words to the left, numbers to the right with at most two decimals.
 * @param {string[]} heads
 * @param {(string | number | null)[][]} rows
 */
export function table(heads, rows) {
  const lines = [heads, ...rows.map((row) => row.map(show))]
  const widths = heads.map((_, column) => Math.max(...lines.map((line) => line[column].length)))
  const isNumber = heads.map((_, column) => rows.every((row) => typeof row[column] !== "string"))
  return lines
    .map((line) =>
      line
        .map((cell, column) =>
          isNumber[column] ? cell.padStart(widths[column]) : cell.padEnd(widths[column]),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n")
}

/** Whether something holds, so that what does not is seen. */
export function yesOrNo(holds) {
  return holds ? "yes" : "NO"
}

function show(value) {
  if (value === null) return "–"
  return typeof value === "number" ? String(Math.round(value * 100) / 100) : value
}
