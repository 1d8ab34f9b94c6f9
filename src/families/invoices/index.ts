import { plainDialect } from "../../http/dialects/plain.ts"
import { textDialect } from "../../http/dialects/text.ts"
import type { Family } from "../../http/family.ts"
import { Problem } from "../../http/problem.ts"
import { createRouter, type Dialect } from "../../http/router.ts"
import { events } from "./events.ts"
import { invoices as book } from "./invoices.ts"
import { registrations } from "./registrations.ts"
import { APPLICATION } from "./store.ts"

/** Registering speaks in sentences, and knows no 422. */
const inSentences: Dialect = (c, { status, code, detail, extra }) =>
  textDialect(c, new Problem(status === 422 ? 400 : status, code, detail, extra))

/** B, the invoice webhooks. */
export const invoices: Family = {
  application: APPLICATION,
  parts: () => [
    { router: registrations, dialect: inSentences },
    { router: createRouter(book, events), dialect: plainDialect },
  ],
  tags: [{ name: "Invoices", description: "B, the invoices" }],
}
