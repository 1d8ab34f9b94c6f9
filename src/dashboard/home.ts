import { html } from "hono/html"
import { access } from "../http/middleware/access.ts"
import { createRouter } from "../http/router.ts"
import { VERSION } from "../platform/version.ts"

export const home = createRouter()

home.get("/", access("anybody"), (c) => {
  const open = c.var.deps.config.authMode === "open"
  return c.html(html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Posthorn</title>
<style>
  :root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
  main { max-width: 36rem; margin: 12vh auto; padding: 0 1.25rem }
  h1 { margin: 0; font-size: 2rem; letter-spacing: -.02em }
  code { font-family: ui-monospace, monospace }
  li { margin: .35rem 0 }
  footer { margin-top: 2rem; opacity: .7; font-size: .875rem }
</style>
</head>
<body>
<main>
<h1>Posthorn</h1>
<p>Webhooks sent from the edge.</p>
<ul>
  <li><a href="/docs">API documentation</a>: every operation, to try out from the page</li>
  <li><a href="/openapi.json">OpenAPI document</a></li>
  <li><a href="/health">Health</a></li>
</ul>
<p>${open ? "Open mode: this machine needs no token." : html`Requests need <code>Authorization: Bearer &lt;API_TOKEN&gt;</code>.`}</p>
<footer>Posthorn ${VERSION}</footer>
</main>
</body>
</html>`)
})
