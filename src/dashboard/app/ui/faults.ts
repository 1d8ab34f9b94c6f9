import { Problem } from "../api/problem.ts"

/** What is wrong with single places of a body, such as `url` or `schemas.1.type`. */
type Faults = readonly (readonly [place: string, words: string])[]

export function faultsOf(problem: unknown): Faults {
  return problem instanceof Problem ? Object.entries(problem.fields) : []
}

/** What is said of a field's value or of something in it, which is named then; members of a list nobody counts. */
export function faultAt(name: string, faults: Faults): string | undefined {
  const found = faults.find(([place]) => isIn(name, place))
  if (found === undefined) return undefined
  const [place, words] = found
  const inside = place.slice(name.length).replace(/^(\.\d+)*\.?/, "")
  return inside === "" ? words : `${inside}: ${words}`
}

/** There are faults, and each is at one of the fields. */
export function areAllAt(names: readonly string[], faults: Faults): boolean {
  return faults.length > 0 && faults.every(([place]) => names.some((name) => isIn(name, place)))
}

function isIn(name: string, place: string): boolean {
  return `${place}.`.startsWith(`${name}.`)
}
