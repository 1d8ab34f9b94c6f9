/** What the Worker says about itself in the shell that it serves. */
const { authMode, version } = (document.getElementById("page") as HTMLElement).dataset

/** Nobody is asked for a token here. */
export const isOpen = authMode === "open"
export const VERSION = version ?? ""
