import { system } from "./api/health/system.ts"
import { management } from "./api/index.ts"
import { invoices } from "./families/invoices/index.ts"
import { ping } from "./families/ping/index.ts"
import { uploads } from "./families/uploads/index.ts"
import { users } from "./families/users/index.ts"
import type { Family } from "./http/family.ts"

/** All that has routes, jobs, tables and settings of its own, in the order of the document: a line each. */
export const families: readonly Family[] = [users, ping, invoices, uploads, management, system]
