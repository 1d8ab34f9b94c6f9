import { spawnSync } from "node:child_process"
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

const root = join(import.meta.dirname, "../..")

/** Layer by layer: what a file there may import, and what it may not. */
const layers: { file: string; may: string[]; mayNot: string[] }[] = [
  {
    file: "src/engine/rules/probe.ts",
    may: ["./base64.ts"],
    mayNot: [
      "../seal.ts",
      "../pipeline/jobs.ts",
      "../../deps.ts",
      "../../clock.ts",
      "../../db/ids.ts",
      "drizzle-orm",
      "zod",
    ],
  },
  {
    file: "src/engine/probe.ts",
    may: [
      "./events.ts",
      "./rules/outcome.ts",
      "./pipeline/jobs.ts",
      "../db/client.ts",
      "../deps.ts",
      "../config.ts",
      "../clock.ts",
      "../log.ts",
      "drizzle-orm",
    ],
    mayNot: [
      "hono",
      "hono/http-exception",
      "@hono/zod-openapi",
      "../app.ts",
      "../queue.ts",
      "../http/problem.ts",
      "../apps/users/store.ts",
      "../api/v1.ts",
      "../dashboard/index.tsx",
    ],
  },
  {
    file: "src/engine/pipeline/probe.ts",
    may: [
      "./jobs.ts",
      "../seal.ts",
      "../rules/outcome.ts",
      "../../db/schema.ts",
      "../../deps.ts",
      "drizzle-orm",
    ],
    mayNot: [
      "hono",
      "@hono/zod-openapi",
      "../../queue.ts",
      "../../http/problem.ts",
      "../../apps/users/store.ts",
      "../../api/v1.ts",
    ],
  },
  {
    file: "src/db/probe.ts",
    may: ["./schema.ts", "../clock.ts", "drizzle-orm/sqlite-core"],
    mayNot: [
      "../deps.ts",
      "../config.ts",
      "../engine/errors.ts",
      "../engine/rules/secret.ts",
      "../apps/users/store.ts",
      "hono",
    ],
  },
  {
    file: "src/apps/users/store.ts",
    may: ["drizzle-orm", "../../db/schema.ts", "../../engine/events.ts", "../../deps.ts"],
    mayNot: [
      "hono",
      "@hono/zod-openapi",
      "../../http/problem.ts",
      "../../engine/pipeline/record.ts",
      "../invoices/store.ts",
      "../../app.ts",
    ],
  },
  {
    file: "src/apps/users/probe.ts",
    may: [
      "./store.ts",
      "../../engine/endpoints.ts",
      "../../engine/rules/secret.ts",
      "../../http/router.ts",
      "../../deps.ts",
      "@hono/zod-openapi",
    ],
    mayNot: [
      "drizzle-orm",
      "drizzle-orm/sqlite-core",
      "../../db/schema.ts",
      "../../engine/pipeline/jobs.ts",
      "../invoices/store.ts",
      "../../api/v1.ts",
      "../../app.ts",
    ],
  },
  {
    file: "src/api/probe.ts",
    may: ["./errors.ts", "../engine/endpoints.ts", "../http/router.ts"],
    mayNot: [
      "drizzle-orm",
      "../db/schema.ts",
      "../engine/pipeline/jobs.ts",
      "../apps/users/store.ts",
      "../dashboard/ui.tsx",
      "../app.ts",
    ],
  },
  {
    file: "src/dashboard/probe.tsx",
    may: ["./ui.tsx", "../engine/deliveries.ts", "hono/jsx"],
    mayNot: ["drizzle-orm", "../db/schema.ts", "../engine/pipeline/jobs.ts", "../api/v1.ts", "../app.ts"],
  },
  {
    file: "src/http/probe.ts",
    may: ["../engine/errors.ts", "../deps.ts", "hono/factory"],
    mayNot: [
      "drizzle-orm",
      "../db/schema.ts",
      "../engine/pipeline/jobs.ts",
      "../apps/users/users.ts",
      "../app.ts",
    ],
  },
  {
    file: "src/probe.ts",
    may: ["./apps/users/index.ts", "./engine/pipeline/sweep.ts"],
    mayNot: ["drizzle-orm", "drizzle-orm/d1", "./db/schema.ts"],
  },
]

describe("npm run lint", () => {
  const scratch = mkdtempSync(join(tmpdir(), "posthorn-lint-"))
  afterAll(() => rmSync(scratch, { recursive: true, force: true }))
  beforeAll(() => {
    for (const name of ["biome.json", ".gitignore", "package.json", "tsconfig.json"]) {
      cpSync(join(root, name), join(scratch, name))
    }
    symlinkSync(join(root, "node_modules"), join(scratch, "node_modules"))
  })

  it.each(layers)("lets $file import what is below it and nothing else", ({ file, may, mayNot }) => {
    // Types count too, or a layer could lean on another one's shapes.
    const lines = [...may, ...mayNot].map((source) => `export type * from "${source}"`)
    const source = [...lines, ...mayNot.map((source) => `export * from "${source}"`)]
    expect(refusedLines(file, source)).toEqual(
      source.filter((line) => mayNot.some((name) => line.includes(`"${name}"`))),
    )
  })

  it("finds modules that import each other in a ring", () => {
    write("src/engine/one.ts", ['import { two } from "./two.ts"', "export const one = () => two"])
    write("src/engine/two.ts", ['import { three } from "./three.ts"', "export const two = () => three"])
    write("src/engine/three.ts", ['import { one } from "./one.ts"', "export const three = () => one"])
    const { status, stderr } = spawnSync(join(root, "node_modules/.bin/biome"), ["lint", "src/engine"], {
      cwd: scratch,
      encoding: "utf8",
    })
    rmSync(join(scratch, "src/engine"), { recursive: true })
    expect(stderr).toContain("noImportCycles")
    expect(status).toBe(1)
  })

  it("finds promises that nobody waits for", () => {
    write("src/promises.ts", [
      "export async function send(): Promise<void> {}",
      "",
      "export function floating(): void {",
      "  send()",
      "}",
      "",
      "export function misused(list: number[]): void {",
      "  list.forEach(async () => send())",
      "}",
    ])
    const { status, stdout } = spawnSync("npm", ["run", "--silent", "lint"], {
      cwd: scratch,
      encoding: "utf8",
    })
    expect(stdout).toContain("typescript(no-floating-promises)")
    expect(stdout).toContain("typescript(no-misused-promises)")
    expect(status).toBe(1)
  })

  it("keeps Node's globals and modules out of the Worker", () => {
    write("src/engine/probe.ts", [
      'import { readFileSync } from "node:fs"',
      'export const bytes = Buffer.from(process.argv[0] ?? "")',
      "export const read = readFileSync",
    ])
    const { status, stderr } = spawnSync(join(root, "node_modules/.bin/biome"), ["lint", "src/engine"], {
      cwd: scratch,
      encoding: "utf8",
    })
    rmSync(join(scratch, "src/engine"), { recursive: true })
    for (const text of ["noNodejsModules", "take a Uint8Array", "The Worker has no process"])
      expect(stderr).toContain(text)
    expect(status).toBe(1)
  })

  function write(file: string, lines: string[]) {
    mkdirSync(dirname(join(scratch, file)), { recursive: true })
    writeFileSync(join(scratch, file), `${lines.join("\n")}\n`)
  }

  /** Those lines of a file that biome refuses for what they import. */
  function refusedLines(file: string, lines: string[]): string[] {
    write(file, lines)
    const args = [
      "lint",
      "--only=style/noRestrictedImports",
      "--reporter=json",
      "--max-diagnostics=none",
      file,
    ]
    const { stdout } = spawnSync(join(root, "node_modules/.bin/biome"), args, {
      cwd: scratch,
      encoding: "utf8",
    })
    rmSync(join(scratch, file))
    const { diagnostics } = JSON.parse(stdout) as { diagnostics: { location: { start: { line: number } } }[] }
    return diagnostics.map(({ location }) => lines[location.start.line - 1] ?? "")
  }
})
