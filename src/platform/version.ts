import { version } from "../../package.json"

/** The release, as package.json names it. */
export const VERSION = version
/** What our requests call themselves; the check for loops relies on it. */
export const USER_AGENT = `Posthorn/${VERSION}`
