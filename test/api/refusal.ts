import { ApiException } from "svix"
import { expect } from "vitest"

/** How the API refused what the official client asked for; throws if it did not. */
export async function refusalOf(work: Promise<unknown>): Promise<{ status: number; body: unknown }> {
  const outcome = await work.catch((error: unknown) => error)
  if (!(outcome instanceof ApiException)) throw outcome instanceof Error ? outcome : new Error("not refused")
  const { body } = outcome
  return { status: outcome.code, body: typeof body === "string" ? JSON.parse(body) : body }
}

export const conflict = { status: 409, body: { code: "conflict", detail: expect.any(String) } }
export const absent = { status: 404, body: { code: "not_found", detail: expect.any(String) } }

/** The refusal of one part of the input. */
export function unfit(...loc: string[]) {
  return {
    status: 422,
    body: { detail: [{ loc, msg: expect.any(String), type: expect.any(String) }] },
  }
}

/** Everything that a list holds, read a page at a time. */
export async function readAll<Row>(
  list: (iterator: string | null) => Promise<{ data: Row[]; iterator: string | null; done: boolean }>,
): Promise<Row[]> {
  const rows: Row[] = []
  let iterator: string | null = null
  for (let pages = 0; pages < 100; pages++) {
    const page = await list(iterator)
    rows.push(...page.data)
    if (page.done) return rows
    iterator = page.iterator
  }
  throw new Error("the list does not end")
}
