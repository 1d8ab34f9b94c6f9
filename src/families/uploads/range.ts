export interface Range {
  offset: number
  length: number
}

/**
 * The one byte range that a `Range` header asks for (RFC 9110, section 14.2). Null: send it all, since there
 * is no range, several, or none that can be read, which a server may ignore.
 */
export function parseRange(header: string | undefined, size: number): Range | "unsatisfiable" | null {
  const [, first = "", last = ""] = /^bytes=\s*(\d*)-(\d*)\s*$/i.exec(header ?? "") ?? []
  if (first === "" && last === "") return null
  if (first === "") {
    const length = Math.min(Number(last), size)
    return length === 0 ? "unsatisfiable" : { offset: size - length, length }
  }
  const offset = Number(first)
  if (last !== "" && Number(last) < offset) return null
  if (offset >= size) return "unsatisfiable"
  const end = last === "" ? size : Math.min(Number(last) + 1, size)
  return { offset, length: end - offset }
}
