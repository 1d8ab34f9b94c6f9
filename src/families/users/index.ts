import { plainDialect } from "../../http/dialects/plain.ts"
import type { Family } from "../../http/family.ts"
import { createRouter } from "../../http/router.ts"
import { messages } from "./messages.ts"
import { APPLICATION } from "./store.ts"
import { users as registry } from "./users.ts"
import { webhooks } from "./webhooks.ts"

/** A, the user notification service. */
export const users: Family = {
  application: APPLICATION,
  parts: () => [{ router: createRouter(registry, messages, webhooks), dialect: plainDialect }],
  tags: [
    { name: "Users", description: "A, the user notification service" },
    { name: "Webhooks", description: "Who is told of users and invoices, and pings" },
  ],
}
