import { RE2JS } from "re2js"

/** Instructions of one compiled pattern: what a step over one character may cost at worst. */
const MAX_PROGRAM = 2_000
/** Patterns that an isolate keeps compiled. */
const KEPT = 500

const kept = new Map<string, RE2JS | string>()

/**
 * A regular expression of JavaScript's, compiled for an engine that takes time linear in the text, whatever
 * the pattern: `^(a+)+$` keeps a backtracking engine busy for seconds. If that engine cannot have it, a
 * sentence that says why: it has no lookaround and no back references.
 */
export function compilePattern(pattern: string): RE2JS | string {
  const found = kept.get(pattern)
  if (found !== undefined) return found
  const compiled = compile(pattern)
  if (kept.size >= KEPT) kept.clear()
  kept.set(pattern, compiled)
  return compiled
}

function compile(pattern: string): RE2JS | string {
  try {
    const compiled = RE2JS.compile(RE2JS.translateRegExp(pattern))
    if (compiled.programSize() <= MAX_PROGRAM) return compiled
    return "The pattern is too large: its repetitions multiply"
  } catch {
    return "The pattern cannot be matched in linear time, or is none: it must do without lookaround and back references (RE2)"
  }
}
