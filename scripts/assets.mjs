// Puts what a browser is shown among the Worker's static assets: the dashboard, bundled, and Swagger UI, as
// npm brings it, so that /docs needs no other server. Also wrangler's [build] command, and what the tests
// start with: it writes only what differs, for wrangler dev reloads on every write.
import { readFileSync } from "node:fs"

import { bundleDashboard } from "./dashboard/bundle.mjs"
import { ASSETS, keep } from "./dashboard/files.mjs"

const SWAGGER_UI = new URL("../node_modules/swagger-ui-dist/", import.meta.url)
// Its licence asks that LICENSE and NOTICE travel along.
const SWAGGER_UI_FILES = [
  "swagger-ui-bundle.js",
  "swagger-ui-bundle.js.LICENSE.txt",
  "swagger-ui.css",
  "LICENSE",
  "NOTICE",
]

/** A name with a hash in it stands for one content, for ever. */
const HEADERS = `/assets/dashboard/*
  Cache-Control: public, max-age=31536000, immutable
  X-Content-Type-Options: nosniff
`

for (const file of SWAGGER_UI_FILES) {
  keep(new URL(`assets/swagger-ui-dist/${file}`, ASSETS), readFileSync(new URL(file, SWAGGER_UI)))
}
keep(new URL("_headers", ASSETS), HEADERS)
await bundleDashboard()
