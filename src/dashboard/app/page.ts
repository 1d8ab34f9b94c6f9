/** What the Worker says about itself in the shell that it serves. */
const { authMode, version } = (document.getElementById("page") as HTMLElement).dataset

/** Nobody is asked for a token here. */
export const isOpen = authMode === "open"
export const VERSION = version ?? ""

/** What a command to copy needs beside its address. */
export const AUTHORIZATION = isOpen ? "" : ` \\\n  -H "Authorization: Bearer $API_TOKEN"`
