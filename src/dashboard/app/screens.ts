import type { Screen } from "./screen.ts"
import { applications } from "./screens/applications/applications.tsx"
import { portal } from "./screens/applications/portal.tsx"
import { attention } from "./screens/attention/attention.tsx"
import { catalog } from "./screens/catalog/catalog.tsx"
import { type } from "./screens/catalog/type.tsx"
import { delivery } from "./screens/delivery/delivery.tsx"
import { endpoint } from "./screens/endpoints/endpoint.tsx"
import { endpoints } from "./screens/endpoints/endpoints.tsx"
import { newEndpoint } from "./screens/endpoints/new-endpoint.tsx"
import { inbox } from "./screens/inbox/inbox.tsx"
import { inboxes } from "./screens/inbox/inboxes.tsx"
import { invoices } from "./screens/invoices/invoices.tsx"
import { live } from "./screens/live/live.tsx"
import { message } from "./screens/messages/message.tsx"
import { messages } from "./screens/messages/messages.tsx"
import { task } from "./screens/tasks/task.tsx"
import { tasks } from "./screens/tasks/tasks.tsx"
import { uploads } from "./screens/uploads/uploads.tsx"
import { users } from "./screens/users/users.tsx"

/** Every screen, in the order in which navigations show them; the first is where an operator arrives. */
export const screens: readonly Screen[] = [
  attention,
  live,
  applications,
  endpoints,
  endpoint,
  newEndpoint,
  messages,
  message,
  delivery,
  tasks,
  task,
  portal,
  catalog,
  type,
  inboxes,
  inbox,
  users,
  invoices,
  uploads,
]
