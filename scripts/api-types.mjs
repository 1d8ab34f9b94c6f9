// Writes the types of the management API, as /openapi.json has it, for the dashboard's page. The document
// needs no server: the app itself is bundled and asked.
import { registerHooks } from "node:module"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"

import "./assets.mjs"
import { DIST, keep } from "./dashboard/files.mjs"

const APP = fileURLToPath(new URL("../src/app.ts", import.meta.url))
const TYPES = new URL("../src/dashboard/app/api/schema.d.ts", import.meta.url)
const BUNDLE = new URL("app-for-types.mjs", DIST)

/** What the app is bound to, as far as a document needs it: the database is never asked. */
const BINDINGS = { DB: {} }

const compiler = new URL("./dashboard/typescript.mjs", import.meta.url).href
/**
 * What Node resolves otherwise: the compiler's old face, and the runtime's own module, of which a
 * document needs nothing.
 */
const INSTEAD = new Map([
  ["typescript", compiler],
  ["cloudflare:workers", "data:text/javascript,export const waitUntil = () => {}"],
])
registerHooks({
  resolve: (specifier, context, next) => next(INSTEAD.get(specifier) ?? specifier, context),
})

const { outputFiles } = await build({
  entryPoints: [APP],
  bundle: true,
  format: "esm",
  external: ["cloudflare:workers"],
  platform: "browser",
  write: false,
  logLevel: "error",
})
// The request has its line in the log, as any other: nobody waits for it here.
console.log = () => {}
keep(BUNDLE, outputFiles[0]?.contents ?? "")
const { app } = await import(BUNDLE.href)
const answer = await app.request("/openapi.json", {}, BINDINGS)
if (!answer.ok) throw new Error(`/openapi.json answered ${answer.status}: ${await answer.text()}`)

const { astToString, default: openapiTS } = await import("openapi-typescript")
keep(TYPES, astToString(await openapiTS(await answer.text())))
