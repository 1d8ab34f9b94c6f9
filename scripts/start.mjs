// npm start [-- options]: the whole system on this machine, until SIGINT or SIGTERM.
import { readStartOptions, StartError, UsageError } from "./dev-server/options.mjs"
import { startServer } from "./dev-server.mjs"
import { onOutputClosed } from "./output.mjs"

const PARENT_POLL_MS = 200

const HELP = `Usage: npm start [-- options]

Starts the whole system on this machine: a migrated database, the Worker, its queues and its cron.

  --port 8787                    where it listens
  --ip 127.0.0.1                 on which address; open mode answers this machine alone, whatever it is
  --persist-to .wrangler/state   the folder of its database and files; one system at a time works on it
  --var NAME:value               a setting of README.md, "Configuration"; as many as there are
  --help                         this

--config, --env, --define, --inspector-port, --log-level and --live-reload go on to wrangler dev as they are.

  npm start -- --port 8000 --persist-to /tmp/posthorn --var RETRY_SCHEDULE:1,1,2
`

const stopping = new AbortController()
let server

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => {
    // The first one asks, the second one forces.
    if (stopping.signal.aborted) server?.kill()
    stopping.abort()
  })
}
onOutputClosed(() => stopping.abort())

// npm ends its shell on SIGTERM, and a shell tells its children nothing: that it is gone is all that we notice.
if (process.env.npm_lifecycle_event === "start") {
  const shell = process.ppid
  setInterval(() => process.ppid !== shell && stopping.abort(), PARENT_POLL_MS).unref()
}

const args = process.argv.slice(2)
if (args.includes("--help") || args.includes("-h")) console.log(HELP)
else await run()

async function run() {
  try {
    readStartOptions(args)
    console.log("Posthorn: migrating the local database and starting wrangler dev …")
    server = await startServer({ args, signal: stopping.signal, say })
    console.log(banner(server))
    server.show(console.log)
    const code = await server.exited
    if (!stopping.signal.aborted) process.exitCode = code
  } catch (error) {
    if (!(error instanceof StartError)) throw error
    if (stopping.signal.aborted) return
    console.error(error.message)
    if (error instanceof UsageError) console.error(`\n${HELP}`)
    process.exitCode = 1
  }
}

function say(line) {
  console.log(`Posthorn: ${line}`)
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

    Dashboard  ${url}/
    API docs   ${url}/docs
    OpenAPI    ${url}/openapi.json
    Health     ${url}/health

  ${access.join("\n  ")}
  These are settings of local development; a deployment has neither. The cron fires every minute.
  Stop with Ctrl-C.
`
}
