import { existsSync, readdirSync, rmSync } from "node:fs"
import { basename } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"
import { minifySync } from "rolldown/utils"

import { ASSETS, DIST, keep } from "./files.mjs"

const MAIN = fileURLToPath(new URL("../../src/dashboard/app/main.tsx", import.meta.url))
const FOLDER = new URL("assets/dashboard/", ASSETS)

/**
 * Bundles the dashboard's page into one script and one style sheet, named by their content, and tells the
 * Worker their names in dist/dashboard.json; what the page imports later has scripts of its own. What an
 * earlier bundle was called is removed.
 */
export async function bundleDashboard() {
  const { outputFiles } = await build({
    entryPoints: [MAIN],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    charset: "utf8",
    splitting: true,
    // What preact-iso renders on servers with.
    external: ["*/prerender.js"],
    entryNames: "[name]-[hash]",
    chunkNames: "[name]-[hash]",
    outdir: fileURLToPath(FOLDER),
    write: false,
  })
  const files = outputFiles.map(({ path, text }) => ({ name: basename(path), contents: smaller(path, text) }))
  for (const { name, contents } of files) keep(new URL(name, FOLDER), contents)
  keep(new URL("dashboard.json", DIST), `${JSON.stringify(namesOf(files))}\n`)

  const kept = new Set(files.map(({ name }) => name))
  for (const name of existsSync(FOLDER) ? readdirSync(FOLDER) : []) {
    if (!kept.has(name)) rmSync(new URL(name, FOLDER))
  }
}

/**
 * The same in fewer bytes, if it is a script: esbuild leaves in what nobody uses of a package's single file.
 */
function smaller(path, text) {
  if (!path.endsWith(".js")) return text
  const { code, errors } = minifySync(path, text, { module: true, mangle: { toplevel: true } })
  if (errors.length > 0) throw new Error(`${path}: ${errors.map(({ message }) => message).join(", ")}`)
  return code
}

/** @param {{ name: string }[]} files */
function namesOf(files) {
  const isMain = ({ name }, ending) => name.startsWith("main-") && name.endsWith(ending)
  const named = (ending) => `/assets/dashboard/${files.find((file) => isMain(file, ending))?.name}`
  return { script: named(".js"), style: named(".css") }
}
