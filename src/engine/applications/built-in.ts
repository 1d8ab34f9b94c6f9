/** Owns the event types that applications made through the management API share; never listed itself. */
export const CATALOG = "app_catalog"
/** Its messages tell what happens to endpoints and messages. */
export const OPERATIONS = "app_operations"
/** The applications that come with the system: they keep their uid, and they stay. */
export const BUILT_IN: readonly string[] = ["app_users", "app_invoices", "app_uploads", OPERATIONS, CATALOG]
