import { spawnSync } from "node:child_process"
import {
  cpSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

const root = join(import.meta.dirname, "../..")

/** Layer by layer: what a file there may import, and what it may not. */
const layers: { file: string; may: string[]; mayNot: string[] }[] = [
  {
    file: "src/engine/rules/probe.ts",
    may: ["./secret.ts"],
    mayNot: [
      "../kit/encryption.ts",
      "../pipeline/jobs.ts",
      "../../platform/deps.ts",
      "../../platform/clock.ts",
      "../../db/ids.ts",
      "drizzle-orm",
      "zod",
    ],
  },
  {
    file: "src/engine/endpoints/probe.ts",
    may: [
      "./endpoint.ts",
      "../events/publish.ts",
      "../rules/outcome.ts",
      "../pipeline/jobs.ts",
      "../../db/client.ts",
      "../../platform/deps.ts",
      "../../platform/clock.ts",
      "drizzle-orm",
    ],
    mayNot: [
      "hono",
      "hono/http-exception",
      "@hono/zod-openapi",
      "../../app.ts",
      "../../queue.ts",
      "../../http/problem.ts",
      "../../families/users/store.ts",
      "../../api/index.ts",
      "../../dashboard/shell.ts",
    ],
  },
  {
    file: "src/engine/pipeline/probe.ts",
    may: [
      "./jobs.ts",
      "../kit/encryption.ts",
      "../rules/outcome.ts",
      "../../db/schema/events.ts",
      "../../platform/deps.ts",
      "drizzle-orm",
    ],
    mayNot: [
      "hono",
      "@hono/zod-openapi",
      "../../http/problem.ts",
      "../../families/users/store.ts",
      "../../app.ts",
    ],
  },
  {
    file: "src/platform/probe.ts",
    may: [
      "./clock.ts",
      "../db/client.ts",
      "../engine/jobs/job.ts",
      "../engine/rules/retry-schedule.ts",
      "zod",
    ],
    mayNot: [
      "../engine/events/publish.ts",
      "../engine/pipeline/jobs.ts",
      "../http/problem.ts",
      "../app.ts",
      "drizzle-orm",
    ],
  },
  {
    file: "src/db/probe.ts",
    may: ["./client.ts", "../platform/clock.ts", "drizzle-orm"],
    mayNot: ["../platform/deps.ts", "../engine/kit/errors.ts", "../platform/config.ts"],
  },
  {
    file: "src/families/users/store.ts",
    may: [
      "drizzle-orm",
      "./schema.ts",
      "../../db/client.ts",
      "../../engine/events/publish.ts",
      "../../engine/rules/outcome.ts",
      "../../platform/deps.ts",
    ],
    mayNot: [
      "hono",
      "@hono/zod-openapi",
      "../../db/schema/events.ts",
      "../../http/problem.ts",
      "../../engine/pipeline/jobs.ts",
      "../invoices/store.ts",
      "../../app.ts",
    ],
  },
  {
    file: "src/families/uploads/store/probe.ts",
    may: [
      "drizzle-orm",
      "./uploads.ts",
      "../schema.ts",
      "../../../db/client.ts",
      "../../../engine/events/publish.ts",
      "../../../platform/deps.ts",
    ],
    mayNot: [
      "hono",
      "../upload.ts",
      "../../../db/schema/events.ts",
      "../../../http/problem.ts",
      "../../../engine/pipeline/jobs.ts",
      "../../invoices/store.ts",
      "../../../app.ts",
    ],
  },
  {
    file: "src/families/users/schema.ts",
    may: ["drizzle-orm", "drizzle-orm/sqlite-core"],
    mayNot: ["./store.ts", "../../db/schema/events.ts", "../../engine/events/publish.ts", "hono"],
  },
  {
    file: "src/families/users/probe.ts",
    may: [
      "./store.ts",
      "../../engine/jobs/job.ts",
      "../../engine/events/publish.ts",
      "../../engine/rules/outcome.ts",
      "../../db/client.ts",
      "../../db/ids.ts",
      "../../http/router.ts",
      "../../http/middleware/json-body.ts",
      "../../platform/deps.ts",
      "@hono/zod-openapi",
    ],
    mayNot: [
      "drizzle-orm",
      "drizzle-orm/sqlite-core",
      "../../db/schema/events.ts",
      "../../engine/pipeline/jobs.ts",
      "../invoices/store.ts",
      "../../api/index.ts",
      "../../app.ts",
    ],
  },
  {
    file: "src/api/endpoint/probe.ts",
    may: [
      "./wire.ts",
      "../page.ts",
      "../message/wire.ts",
      "../../engine/endpoints/endpoint.ts",
      "../../http/router.ts",
    ],
    mayNot: [
      "drizzle-orm",
      "../../db/schema/events.ts",
      "../../engine/pipeline/jobs.ts",
      "../../families/users/store.ts",
      "../../dashboard/shell.ts",
      "../../app.ts",
    ],
  },
  {
    file: "src/dashboard/probe.tsx",
    may: ["./ui.tsx", "../engine/deliveries/delivery.ts", "hono/jsx"],
    mayNot: [
      "drizzle-orm",
      "../db/schema/events.ts",
      "../engine/pipeline/jobs.ts",
      "../api/index.ts",
      "../app.ts",
    ],
  },
  {
    file: "src/dashboard/app/screens/probe.tsx",
    may: ["../ui/button.tsx", "../api/client.ts", "preact", "@preact/signals", "preact-iso"],
    mayNot: ["hono", "zod", "drizzle-orm", "../../../http/router.ts", "../../../engine/rules/outcome.ts"],
  },
  {
    file: "src/http/probe.ts",
    may: ["../engine/kit/errors.ts", "../platform/deps.ts", "./middleware/access.ts", "hono/factory"],
    mayNot: [
      "drizzle-orm",
      "../db/schema/events.ts",
      "../engine/pipeline/jobs.ts",
      "../families/users/users.ts",
      "../app.ts",
    ],
  },
  {
    file: "src/probe.ts",
    may: ["./families/users/index.ts", "./engine/upkeep/sweep.ts"],
    mayNot: ["drizzle-orm", "drizzle-orm/d1", "./db/schema/events.ts"],
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

/** What the management API calls things, and the engine does not. Names of `svix-*` headers are the deliveries' own. */
const WIRE_WORDS = [
  /svix(?!-)/i,
  /message\.attempt/,
  /\bapp(?:Id|Uid)\b/,
  /\bmsg\w*/i,
  /\blastAttempt\b/,
  /\bresponseStatusCode\b/,
  /\bfailSince\b/,
  /\bfilterTypes\b/,
  /\bbackgroundTask/i,
  /endpoint\.(?:recover|replay)\b/,
]
/** Of a header that has no other description. */
const SOURCES = /https:\/\/docs\.svix\.com\S*/g

it("the engine knows no word of the management API's wire", () => {
  const files = globSync("src/{engine,db}/**/*.ts", { cwd: root })
  expect(files.length).toBeGreaterThan(80)
  const found = files.flatMap((file) =>
    readFileSync(join(root, file), "utf8")
      .replaceAll(SOURCES, "")
      .split("\n")
      .filter((line) => WIRE_WORDS.some((word) => word.test(line)))
      .map((line) => `${file}: ${line.trim()}`),
  )
  expect(found).toEqual([])
})
