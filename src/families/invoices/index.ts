import { textDialect } from "../../http/dialects/text.ts"
import { Problem } from "../../http/problem.ts"
import { createRouter, type Dialect } from "../../http/router.ts"
import { events } from "./events.ts"
import { invoices as book } from "./invoices.ts"
import { registrations } from "./registrations.ts"

const router = createRouter()
for (const part of [registrations, book, events]) router.route("/", part)

/** Registering speaks in sentences, and knows no 422. */
const dialect: Dialect = (c, { status, code, detail, extra }) =>
  textDialect(c, new Problem(status === 422 ? 400 : status, code, detail, extra))

/** B, the invoice webhooks. */
export const invoices = { router, paths: /^\/(un)?register$/, dialect }
