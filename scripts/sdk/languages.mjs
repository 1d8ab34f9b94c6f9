// How the lives of test/sdk are made ready and run, each in a folder of its own below dist/sdk.
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"

import { root } from "../wrangler.mjs"

const life = join(root, "test/sdk/javascript/life.mjs")
const binaries = process.platform === "win32" ? "Scripts" : "bin"

/**
 * `needs` are programs that the machine must have, each as a command that shows that it has it; `fetch`
 * brings what the registries hold. A life whose needs or packages are not to be had is skipped; one that does
 * not `build` fails. Commands run in the life's folder, which `run` gets.
 * @typedef {{ language: string, version: string, folder: string, source?: string, needs: string[][],
 *   fetch: string[][], build: string[][], run: (directory: string) => string[] }} Sdk
 */

/** @type {Sdk[]} */
export const sdks = [
  npm("svix"),
  npm("svix-v1"),
  python("2.9.1"),
  python("1.99.1"),
  {
    language: "go",
    version: "1.99.1",
    folder: "go",
    source: "go",
    needs: [["go", "version"]],
    fetch: [["go", "mod", "download"]],
    build: [["go", "build", "-o", "life.exe", "."]],
    run: (directory) => [join(directory, "life.exe")],
  },
  {
    language: "rust",
    version: "2.9.1",
    folder: "rust",
    source: "rust",
    needs: [["cargo", "--version"]],
    fetch: [["cargo", "fetch", "--quiet"]],
    build: [["cargo", "build", "--quiet", "--offline"]],
    run: (directory) => [join(directory, "target/debug", process.platform === "win32" ? "life.exe" : "life")],
  },
  {
    language: "java",
    version: "1.99.1",
    folder: "java",
    source: "java",
    needs: [
      ["java", "-version"],
      ["mvn", "--version"],
    ],
    fetch: [["mvn", "--quiet", "--batch-mode", "dependency:build-classpath", "-Dmdep.outputFile=classpath"]],
    build: [],
    run: (directory) => [
      "java",
      "-cp",
      readFileSync(join(directory, "classpath"), "utf8").trim(),
      "Life.java",
    ],
  },
]

/** @returns {Sdk} */
function npm(name) {
  const { resolve } = createRequire(life)
  const { version } = JSON.parse(readFileSync(join(resolve(name), "../../package.json"), "utf8"))
  return {
    language: "npm",
    version,
    folder: `npm-${version}`,
    needs: [],
    fetch: [],
    build: [],
    run: () => [process.execPath, life, name],
  }
}

/** @returns {Sdk} */
function python(version) {
  const python = join("venv", binaries, "python")
  const install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1"]
  return {
    language: "python",
    version,
    folder: `python-${version}`,
    source: "python",
    needs: [["python3", "--version"]],
    fetch: [
      ["python3", "-m", "venv", "venv"],
      [python, ...install, "-r", "requirements.txt", `svix==${version}`],
    ],
    build: [],
    run: (directory) => [join(directory, python), "life.py"],
  }
}
