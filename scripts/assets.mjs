// Puts Swagger UI, as npm brings it, among the Worker's static assets, so that /docs needs no other server.
// Also wrangler's [build] command: it writes only what differs, for wrangler dev reloads on every write.
import { copyFileSync, existsSync, mkdirSync, readFileSync } from "node:fs"

const from = new URL("../node_modules/swagger-ui-dist/", import.meta.url)
const to = new URL("../dist/assets/assets/swagger-ui-dist/", import.meta.url)
// Its licence asks that LICENSE and NOTICE travel along.
const files = [
  "swagger-ui-bundle.js",
  "swagger-ui-bundle.js.LICENSE.txt",
  "swagger-ui.css",
  "LICENSE",
  "NOTICE",
]

mkdirSync(to, { recursive: true })
for (const file of files) {
  const [source, target] = [new URL(file, from), new URL(file, to)]
  if (!existsSync(target) || !readFileSync(source).equals(readFileSync(target))) copyFileSync(source, target)
}
