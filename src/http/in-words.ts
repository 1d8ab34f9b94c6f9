import { EngineError, type Refusal } from "../engine/kit/errors.ts"
import type { Problem } from "./problem.ts"

/**
 * What a contract says, or what it makes of the engine's own sentence, where the engine
 * refuses with this code.
 */
type Words = Readonly<Partial<Record<Refusal, Problem | ((sentence: string) => Problem)>>>

/**
 * What the verb answers. Refusals for which the contract has words of its own are said in them,
 * all others as they are.
 */
export async function inWords<T>(words: Words, verb: Promise<T>): Promise<T> {
  try {
    return await verb
  } catch (error) {
    const said = error instanceof EngineError ? words[error.code] : undefined
    if (said === undefined) throw error
    throw typeof said === "function" ? said((error as EngineError).message) : said
  }
}
