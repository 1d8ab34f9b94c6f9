// npm run receive -- [port] [status] [--secret whsec_…]: a receiver that prints what arrives, until Ctrl-C.
// Told the signing secret of an endpoint, it says of each delivery whether the signature is good.
import { parseArgs } from "node:util"

import { Webhook } from "standardwebhooks"

import { onOutputClosed } from "./output.mjs"
import { startReceiver } from "./receiver.mjs"

const USAGE = "Usage: npm run receive -- [port, 9000] [status, 200] [--secret whsec_…]"

try {
  const { port, status, webhook } = readArguments(process.argv.slice(2))
  const receiver = await startReceiver(port, { status, onArrival })
  onOutputClosed(() => process.exit())
  console.log(`Receiving at ${receiver.url}, answering ${status}. Stop with Ctrl-C.`)

  function onArrival(request) {
    console.log(describe(request, webhook))
  }
} catch (error) {
  console.error(error.code === "EADDRINUSE" ? "Another program has that port." : error.message)
  console.error(USAGE)
  process.exitCode = 1
}

function readArguments(args) {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: { secret: { type: "string" } },
  })
  const [port = "9000", status = "200"] = positionals
  if (!isWithin(port, 1, 65_535)) throw new Error(`${port} is no port.`)
  if (!isWithin(status, 200, 599)) throw new Error(`${status} is no status of an answer.`)
  return {
    port: Number(port),
    status: Number(status),
    webhook: values.secret === undefined ? undefined : new Webhook(values.secret),
  }
}

function isWithin(text, least, most) {
  return /^\d+$/.test(text) && Number(text) >= least && Number(text) <= most
}

/** A delivery as people read it: the verdict, the headers that tell deliveries apart, the body. */
function describe({ path, headers, body }, webhook) {
  const lines = Object.entries(headers)
    .filter(([name]) => name.startsWith("webhook-") || name === "content-type")
    .map(([name, value]) => `  ${name}: ${value}`)
  return [`\nPOST ${path}  ${verdict(headers, body, webhook)}`, ...lines, `  ${body}`].join("\n")
}

function verdict(headers, body, webhook) {
  if (webhook === undefined) return "(not verified: no --secret)"
  try {
    webhook.verify(body, headers)
    return "✓ verified"
  } catch (error) {
    return `✗ ${error.message}`
  }
}
