import type { Context } from "hono"
import { html } from "hono/html"
import { secureHeaders } from "hono/secure-headers"

import { script, style } from "../../dist/dashboard.json"
import { access } from "../http/middleware/access.ts"
import { type AppEnv, createRouter } from "../http/router.ts"
import { VERSION } from "../platform/version.ts"

/** The dashboard's page (`app/`), whose screens are calls of the management API and find their way by themselves. */
export const dashboard = createRouter()

/** Nothing but the page's own files and the Worker's own answers; text becomes markup nowhere. */
const headers = secureHeaders({
  contentSecurityPolicy: {
    defaultSrc: ["'none'"],
    scriptSrc: ["'self'"],
    styleSrc: ["'self'"],
    imgSrc: ["'self'", "data:"],
    connectSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'none'"],
    frameAncestors: [(c: Context<AppEnv>) => ancestors(c.var.deps.config.portalOrigins)],
    requireTrustedTypesFor: ["'script'"],
  },
  // It would forbid what frame-ancestors allows.
  xFrameOptions: false,
})

dashboard.get("/", access("anybody"), headers, (c) =>
  c.var.deps.config.authMode === "open" ? page(c) : doorstep(c),
)
dashboard.get("/dashboard/*", access("anybody"), headers, (c) => page(c))

/** Where nobody is let in without a token: what this is, and where to sign in. */
function doorstep(c: Context<AppEnv>) {
  return c.html(
    frame(html`
<main class="doorstep">
  <h1>Posthorn</h1>
  <p>Webhooks sent from the edge.</p>
  <p><a class="button button-primary" href="/dashboard">Sign in</a></p>
  <ul>
    <li><a href="/docs">API documentation</a>: every operation, to try out from the page</li>
    <li><a href="/openapi.json">OpenAPI document</a></li>
    <li><a href="/health">Health</a></li>
  </ul>
  <p>Requests need <code>Authorization: Bearer &lt;API_TOKEN&gt;</code>.</p>
  <footer>Posthorn ${VERSION}</footer>
</main>`),
  )
}

function page(c: Context<AppEnv>) {
  // What it shows is asked of the API; the names of its files change with every version.
  c.header("cache-control", "no-cache")
  return c.html(
    frame(html`
<div id="page" data-auth-mode="${c.var.deps.config.authMode}" data-version="${VERSION}"></div>
<noscript>
  <main class="doorstep">
    <h1>Posthorn</h1>
    <p>The dashboard needs JavaScript. The <a href="/docs">API</a> does without.</p>
  </main>
</noscript>
<script type="module" src="${script}"></script>`),
  )
}

function frame(body: ReturnType<typeof html>) {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Posthorn</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="${style}">
</head>
<body>${body}
</body>
</html>`
}

function ancestors(origins: readonly string[]): string {
  return origins.length === 0 ? "'none'" : origins.join(" ")
}
