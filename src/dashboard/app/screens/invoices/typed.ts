import { Problem } from "../../api/problem.ts"

/** The number that somebody has typed. Throws a Problem of the field if it is none. */
export function numberIn(text: string, field = "amount"): number {
  const number = Number(text)
  if (text.trim() === "" || Number.isNaN(number)) {
    throw new Problem(422, "unfit", "", { [field]: "must be a number, such as 200.00" })
  }
  return number
}

/** The date that somebody has typed, if it is there, for the API to judge. */
export function dateIn(text: string): { due_date?: string } {
  return text.trim() === "" ? {} : { due_date: text.trim() }
}
