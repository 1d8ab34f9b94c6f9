import { receive } from "../../engine/inboxes/receive.ts"
import { access } from "../../http/middleware/access.ts"
import { createRouter } from "../../http/router.ts"

export const receiver = createRouter()

/** Where anybody may send who knows the inbox's URL, by whatever method. */
receiver.all("/inbox/:inbox_id{ibx_[0-9a-f]{32}}", access("anybody"), (c) =>
  receive(c.var.deps, c.req.param("inbox_id"), c.req.raw),
)
