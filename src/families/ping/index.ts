import { plainDialect } from "../../http/dialects/plain.ts"
import { textDialect } from "../../http/dialects/text.ts"
import type { Family } from "../../http/family.ts"
import { ping as pinging, wantsText } from "./ping.ts"
import { results } from "./results.ts"

/** The ping of A and B together; refusals are sentences for who asks for text. */
export const ping: Family = {
  parts: () => [
    { router: pinging, dialect: (c, problem) => (wantsText(c) ? textDialect : plainDialect)(c, problem) },
    { router: results, dialect: plainDialect },
  ],
}
