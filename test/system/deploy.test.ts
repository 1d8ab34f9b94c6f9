import { spawnSync } from "node:child_process"
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"

interface Account {
  loggedIn: boolean
  databases: { name: string; migrated: boolean }[]
  workers: Record<string, { secrets: Record<string, string> }>
  calls: string[]
  secretListFails?: boolean
  deployFails?: boolean
  withoutR2?: boolean
  deployedBuckets?: boolean
  dies?: { at: string; when: "before" | "after" }
}

const root = join(import.meta.dirname, "../..")
let directory: string
let file: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "posthorn-stand-in-"))
  file = join(directory, "account.json")
  symlinkSync(join(import.meta.dirname, "stand-in-wrangler.mjs"), join(directory, "wrangler"))
  change({ loggedIn: true, databases: [], workers: {}, calls: [] })
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

describe("npm run deploy", () => {
  it("creates the database, migrates it, and deploys with new secrets, on an empty account", () => {
    const { status, output } = deploy()

    const { databases, workers, calls } = account()
    expect(status).toBe(0)
    expect(databases).toMatchObject([{ name: "posthorn", migrated: true }])
    const { API_TOKEN = "", ENCRYPTION_KEY = "" } = workers.posthorn?.secrets ?? {}
    expect(API_TOKEN).toMatch(/^ph_[\w-]{43}$/)
    expect(Buffer.from(ENCRYPTION_KEY, "base64")).toHaveLength(32)
    expect(output.split(API_TOKEN)).toHaveLength(2)
    expect(output).not.toContain(ENCRYPTION_KEY)
    expect(output).toContain("https://posthorn.example.workers.dev/docs")
    expect(output).toContain(
      'curl https://posthorn.example.workers.dev/webhooks -H "Authorization: Bearer <API_TOKEN>"',
    )
    expect(calls.map((call) => call.replace(/ --secrets-file.*/, ""))).toEqual([
      "whoami --json",
      "d1 list --json",
      "d1 create posthorn",
      "d1 migrations apply DB --remote",
      "secret list",
      "r2 bucket list",
      "deploy",
    ])
  })

  it("deploys without uploads, and says so, on an account that has not enabled R2", () => {
    change({ withoutR2: true })
    const { status, output } = deploy()

    expect(status).toBe(0)
    expect(output).toContain("enable R2 in the dashboard")
    expect(account().deployedBuckets).toBe(false)
    expect(existsSync(join(root, "wrangler.without-r2.toml"))).toBe(false)
  })

  it("deploys with uploads once R2 is enabled", () => {
    change({ withoutR2: true })
    deploy()
    change({ withoutR2: false })
    deploy()

    expect(account().deployedBuckets).toBe(true)
  })

  it("leaves no secret on the disk", () => {
    deploy()

    expect(account().calls.at(-1)).toContain(`--secrets-file ${directory}`)
    expect(readdirSync(directory).sort()).toEqual(["account.json", "wrangler"])
  })

  it("changes no secret and shows none the second time", () => {
    deploy()
    const first = account()
    const { status, output } = deploy()

    expect(status).toBe(0)
    expect(account().workers).toEqual(first.workers)
    expect(output).not.toContain("ph_")
    expect(output).toContain("npx wrangler secret put API_TOKEN")
    expect(account().calls.slice(first.calls.length)).toEqual([
      "whoami --json",
      "d1 list --json",
      "d1 migrations apply DB --remote",
      "secret list",
      "r2 bucket list",
      "deploy",
    ])
  })

  it("sets only the secret that is missing", () => {
    change({ workers: { posthorn: { secrets: { API_TOKEN: "chosen by hand" } } } })
    const { output } = deploy()

    const { secrets } = account().workers.posthorn ?? {}
    expect(secrets).toEqual({ API_TOKEN: "chosen by hand", ENCRYPTION_KEY: expect.any(String) })
    expect(output).not.toContain("ph_")
  })

  it.each([
    { at: "whoami", when: "before" },
    { at: "d1 list", when: "before" },
    { at: "d1 create posthorn", when: "before" },
    { at: "d1 create posthorn", when: "after" },
    { at: "d1 migrations apply DB", when: "before" },
    { at: "d1 migrations apply DB", when: "after" },
    { at: "secret list", when: "before" },
    { at: "deploy", when: "before" },
    { at: "deploy", when: "after" },
  ] as const)("goes on after a run that was killed $when `$at`, and the token was seen", (dies) => {
    change({ dies })
    const first = deploy()
    const second = deploy()

    expect(first.signal).toBe("SIGKILL")
    expect(second.status).toBe(0)
    const { databases, workers } = account()
    expect(databases).toMatchObject([{ name: "posthorn", migrated: true }])
    expect(Object.keys(workers.posthorn?.secrets ?? {}).sort()).toEqual(["API_TOKEN", "ENCRYPTION_KEY"])
    expect(first.output + second.output).toContain(workers.posthorn?.secrets.API_TOKEN)
  })

  it("makes no new keys when it cannot find out which there are", () => {
    change({
      workers: { posthorn: { secrets: { API_TOKEN: "a", ENCRYPTION_KEY: "b" } } },
      secretListFails: true,
    })
    const { status, output } = deploy()

    expect(status).toBe(1)
    expect(output).toContain("code: 10013")
    expect(output).toContain("nothing was deployed")
    expect(account().calls.some((call) => call.startsWith("deploy"))).toBe(false)
    expect(account().workers.posthorn?.secrets).toEqual({ API_TOKEN: "a", ENCRYPTION_KEY: "b" })
  })

  it("says how to go on after wrangler refused", () => {
    change({ deployFails: true })
    const { status, output } = deploy()

    expect(status).toBe(1)
    expect(output).toContain("workers.dev subdomain")
    expect(output).toContain("Run it again")
    expect(output).toContain("npx wrangler secret put API_TOKEN")
    expect(output).not.toContain("is deployed")
  })

  it("says how to log in, and does nothing else, without a login", () => {
    change({ loggedIn: false })
    const { status, output } = deploy()

    expect(status).toBe(1)
    expect(output).toContain("npx wrangler login")
    expect(account().calls).toEqual(["whoami --json"])
  })

  it("hands its arguments to wrangler, and the Worker's name to `secret list` too", () => {
    const { output } = deploy("--name", "staging")

    expect(account().calls).toContain("secret list --name staging")
    expect(Object.keys(account().workers)).toEqual(["staging"])
    expect(output).toContain("https://staging.example.workers.dev/docs")
  })

  it("touches nothing in a dry run", () => {
    expect(deploy("--dry-run").status).toBe(0)
    expect(account().calls).toEqual(["deploy --dry-run"])
  })
})

function deploy(...args: string[]) {
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, ["scripts/deploy.mjs", ...args], {
    cwd: root,
    encoding: "utf8",
    env: {
      ...process.env,
      PATH: `${directory}${delimiter}${process.env.PATH}`,
      TMPDIR: directory,
      STAND_IN_ACCOUNT: file,
    },
  })
  return { status, signal, output: stdout + stderr }
}

function account(): Account {
  return JSON.parse(readFileSync(file, "utf8"))
}

function change(changes: Partial<Account>) {
  writeFileSync(file, JSON.stringify({ ...(existsSync(file) && account()), ...changes }))
}
