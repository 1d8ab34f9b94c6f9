/** D1 takes values of up to 2 MB; half of that leaves room for their encoding. */
const PARAMETER_BYTES = 900_000

/** The rows as JSON arrays for `json_each(?)`, each small enough to be one parameter. */
export function inChunks(rows: readonly object[]): string[] {
  const chunks: string[] = []
  let chunk: string[] = []
  let bytes = 0
  for (const row of rows) {
    const json = JSON.stringify(row)
    const length = new TextEncoder().encode(json).byteLength
    if (chunk.length > 0 && bytes + length > PARAMETER_BYTES) {
      chunks.push(`[${chunk.join(",")}]`)
      chunk = []
      bytes = 0
    }
    chunk.push(json)
    bytes += length + 1
  }
  if (chunk.length > 0) chunks.push(`[${chunk.join(",")}]`)
  return chunks
}
