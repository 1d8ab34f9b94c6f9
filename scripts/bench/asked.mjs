// What each screen of the dashboard asks of the management API, and what it may cost: held to by test/cost, timed by
// npm run bench:screens. No number of messages moves these bounds.

/**
 * What is known of what is stored, by the names that stand in paths: ids, a page of messages, and a time that half of
 * them are older than, epoch ms.
 * @typedef {{ failing: string, well: string, message: string, attempt: string, invoice: string, inbox: string,
 *   page: readonly string[], middle: number }} Stored
 */

export const ASKED = [
  asked("Needs attention", "/overview/attention", 8, 12_000),
  asked("Live", "/overview/activity", 6, 3_000),
  asked("Live", "/health", 4, 100),
  asked("Tasks", "/background-task", 2, 200),
  asked("Applications", "/app?limit=50&order=descending", 2, 200),
  asked("Endpoints", "/app/screens/endpoint?limit=50", 4, 500),
  asked("Endpoints", "/app/screens/endpoint-health", 4, 2_000),
  asked("Endpoint", "/app/screens/endpoint/:failing", 3, 100),
  asked("Endpoint", "/app/screens/endpoint/:failing/health", 3, 500),
  asked("Endpoint", "/app/screens/endpoint/:well/history", 5, 8_000),
  asked("Endpoint", "/app/screens/endpoint/:failing/delivery-counts", 3, 10_000),
  asked("Endpoint", "/app/screens/endpoint/:failing/delivery-counts?:since", 3, 10_000),
  asked("Endpoint", "/app/screens/endpoint/:failing/stats", 3, 10_000),
  asked("Endpoint", "/app/screens/endpoint/:well/stats?:until", 3, 10_000),
  asked("Endpoint", "/app/screens/endpoint/:failing/msg?limit=50&with_content=false", 5, 12_000),
  asked("Endpoint", "/app/screens/endpoint/:failing/msg?limit=50&with_content=false&status=2", 5, 12_000),
  asked("Messages", "/app/screens/msg?limit=50&with_content=false", 4, 12_000),
  asked("Messages", "/app/screens/message-progress?:page", 3, 2_000),
  asked("Message", "/app/screens/msg/:message", 3, 100),
  asked("Message", "/app/screens/msg/:message/verdict", 5, 500),
  asked("Delivery", "/app/screens/attempt/msg/:message", 6, 500),
  asked("Delivery", "/app/screens/msg/:message/attempt/:attempt/exchange", 4, 500),
  asked("Catalog", "/event-type?limit=100&include_archived=false", 3, 1_500),
  asked("Catalog", "/event-type?limit=100&include_archived=true&group=screen&search=shown", 3, 6_000),
  asked("Catalog", "/event-type?limit=250", 3, 3_000),
  asked("Catalog", "/event-type/screen.shown", 3, 10),
  asked("Inbox", "/inbox", 2, 100),
  asked("Inbox", "/inbox/:inbox", 2, 10),
  asked("Inbox", "/inbox/:inbox/request", 3, 200),
  asked("Users", "/users?order=descending&limit=50", 2, 200),
  asked("Users", "/users/messages?recipient=alice&order=descending&limit=50", 5, 500),
  asked("Invoices", "/invoices?order=descending&limit=50", 2, 200),
  asked("Invoices", "/invoices/:invoice", 2, 10),
  asked("Uploads", "/uploads?order=descending&limit=50", 2, 200),
  asked("Uploads", "/app/uploads/endpoint?limit=250&order=descending", 4, 100),
]

/**
 * The path that is asked for, with what is stored in place of names.
 * @param {string} path
 * @param {Stored} stored
 */
export function pathOf(path, stored) {
  const filled = path
    .replace(":page", stored.page.map((id) => `message_id=${id}`).join("&"))
    .replace(/:(since|until)/, (_, name) => `${name}=${new Date(stored.middle).toISOString()}`)
    .replace(/:(failing|well|message|attempt|invoice|inbox)/g, (_, name) => stored[name])
  return /^\/(health|dashboard|users|invoices|uploads)/.test(filled) ? filled : `/api/v1${filled}`
}

/**
 * @param {string} screen
 * @param {string} path
 * @param {number} statements at most
 * @param {number} rowsRead in all of them
 */
function asked(screen, path, statements, rowsRead) {
  return { screen, path, statements, rowsRead }
}
