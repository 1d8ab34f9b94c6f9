import { Problem } from "../api/problem.ts"

/** The number that somebody has typed. Throws a Problem of the field if it is none. */
export function numberIn(text: string, field: string): number {
  const number = Number(text)
  if (text.trim() === "" || Number.isNaN(number)) throw unfit(field, "must be a number")
  return number
}

/** The JSON object that somebody has typed; null for nothing. Throws a Problem of the field if it is none. */
export function objectIn(text: string, field: string): Record<string, unknown> | null {
  if (text.trim() === "") return null
  const value = parsed(text, field)
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw unfit(field, 'must be a JSON object, such as {"key": "value"}')
  }
  return value as Record<string, unknown>
}

/** The date that somebody has typed, if it is there, for the API to judge. */
export function dateIn(text: string): { due_date?: string } {
  return text.trim() === "" ? {} : { due_date: text.trim() }
}

/** What stands between commas. */
export function wordsIn(text: string): string[] {
  return text
    .split(",")
    .map((word) => word.trim())
    .filter(Boolean)
}

function parsed(text: string, field: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw unfit(field, `is not JSON: ${error instanceof Error ? error.message : String(error)}`)
  }
}

function unfit(field: string, words: string): Problem {
  return new Problem(422, "unfit", words, { [field]: words })
}
