// npm start [-- arguments for wrangler dev]: the whole system on this machine, until SIGINT or SIGTERM.
import { StartError, startServer } from "./dev-server.mjs"

const PARENT_POLL_MS = 200

const stopping = new AbortController()
let server

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    // The first one asks, the second one forces.
    if (stopping.signal.aborted) server?.kill()
    stopping.abort()
  })
}

// npm ends its shell on SIGTERM, and a shell tells its children nothing: that it is gone is all that we notice.
if (process.env.npm_lifecycle_event === "start") {
  const shell = process.ppid
  setInterval(() => process.ppid !== shell && stopping.abort(), PARENT_POLL_MS).unref()
}

try {
  console.log("Posthorn: migrating the local database and starting wrangler dev …")
  server = await startServer({ args: process.argv.slice(2), signal: stopping.signal })
  console.log(banner(server))
  const code = await server.exited
  if (!stopping.signal.aborted) process.exitCode = code
} catch (error) {
  if (!(error instanceof StartError)) throw error
  if (!stopping.signal.aborted) {
    console.error(error.message)
    process.exitCode = 1
  }
}

function banner({ url, settings }) {
  const access =
    settings.AUTH_MODE === "open"
      ? ["Open: no token is asked for, so it answers this machine alone."]
      : ["Token mode: requests need Authorization: Bearer <API_TOKEN> (set one with --var API_TOKEN:…)."]
  if (/^(true|1)$/.test(settings.ALLOW_PRIVATE_TARGETS)) {
    access.push("Private targets are allowed, so that receivers on this machine can be tried.")
  }
  return `
  Posthorn is up at ${url}

    API      ${url}/
    Docs     ${url}/docs
    OpenAPI  ${url}/openapi.json
    Health   ${url}/health

  ${access.join("\n  ")}
  These are settings of local development; a deployment has neither. The cron fires every minute.
  Stop with Ctrl-C.
`
}
