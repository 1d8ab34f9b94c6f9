/**
 * The text of one member's value within the text of a JSON object, exactly as it stands there: numbers, escapes,
 * order of keys and white space are the sender's. As for JSON.parse the last of several members of that name
 * counts; null if there is none. The text must be valid JSON.
 */
export function rawMember(text: string, name: string): string | null {
  let found: string | null = null
  let at = skipSpace(text, text.indexOf("{") + 1)
  while (text[at] === '"') {
    const keyEnd = endOfString(text, at)
    const key: unknown = JSON.parse(text.slice(at, keyEnd))
    // Behind the key stand a colon, the value, and a comma or the end.
    const start = skipSpace(text, skipSpace(text, keyEnd) + 1)
    const end = endOfValue(text, start)
    if (key === name) found = text.slice(start, end)
    at = skipSpace(text, skipSpace(text, end) + 1)
  }
  return found
}

function skipSpace(text: string, at: number): number {
  let next = at
  while (text[next] === " " || text[next] === "\n" || text[next] === "\r" || text[next] === "\t") next++
  return next
}

function endOfString(text: string, start: number): number {
  let at = start + 1
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1
  return at + 1
}

function endOfValue(text: string, start: number): number {
  let depth = 0
  for (let at = start; at < text.length; ) {
    const character = text[at]
    if (character === '"') {
      at = endOfString(text, at)
      if (depth === 0) return at
      continue
    }
    if (depth === 0 && (character === "," || character === "}" || character === "]"))
      return trimmed(text, start, at)
    if (character === "{" || character === "[") depth++
    if (character === "}" || character === "]") depth--
    at++
    if (depth === 0 && (character === "}" || character === "]")) return at
  }
  return text.length
}

/** Where a number or a word ends that reaches to `end` with white space behind it. */
function trimmed(text: string, start: number, end: number): number {
  return start + text.slice(start, end).trimEnd().length
}
