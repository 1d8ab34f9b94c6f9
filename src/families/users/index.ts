import { createRouter } from "../../http/router.ts"
import { messages } from "./messages.ts"
import { users as registry } from "./users.ts"
import { webhooks } from "./webhooks.ts"

const router = createRouter()
for (const part of [registry, messages, webhooks]) router.route("/", part)

/** A, the user notification service. */
export const users = { router }
