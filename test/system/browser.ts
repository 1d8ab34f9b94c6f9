import { existsSync } from "node:fs"
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import sparticuz, { inflate } from "@sparticuz/chromium"
import { type Browser, chromium } from "playwright-core"

const PACKAGE = join(dirname(createRequire(import.meta.url).resolve("@sparticuz/chromium")), "..")
const DIST = join(import.meta.dirname, "../../dist")

/**
 * A headless Chromium from npm alone: the binary, the libraries that a bare machine lacks, and a font, all from
 * the package. It is built for Linux on x64; elsewhere an installed Chrome takes its place.
 */
export async function launchBrowser(): Promise<Browser> {
  if (process.platform !== "linux" || process.arch !== "x64") return chromium.launch({ channel: "chrome" })

  const unpacked = await unpackOnce()
  const home = await mkdtemp(join(tmpdir(), "posthorn-chromium-"))
  // The package's own fonts.conf looks in fixed places; text without any font would end the renderer.
  const fonts = join(home, "fonts.conf")
  await writeFile(fonts, `<fontconfig><dir>${unpacked}/fonts</dir><cachedir>${home}</cachedir></fontconfig>`)
  const browser = await chromium.launch({
    executablePath: join(unpacked, "chromium"),
    env: {
      ...process.env,
      HOME: home,
      FONTCONFIG_FILE: fonts,
      LD_LIBRARY_PATH: join(unpacked, "al2023/lib"),
    },
  })
  browser.once("disconnected", () => void rm(home, { recursive: true, force: true }))
  return browser
}

/** The folder that the package is unpacked in: that takes seconds, and is done once for all who launch one. */
async function unpackOnce(): Promise<string> {
  const { version } = JSON.parse(await readFile(join(PACKAGE, "package.json"), "utf8"))
  const folder = join(DIST, `chromium-${version}`)
  if (existsSync(folder)) return folder
  await mkdir(DIST, { recursive: true })
  const own = await mkdtemp(`${folder}-`)
  await inTmpdir(own, () => sparticuz.executablePath())
  await inTmpdir(own, () => inflate(join(PACKAGE, "bin/al2023.tar.br")))
  // Whoever else has unpacked it meanwhile has unpacked the same.
  await rename(own, folder).catch(() => rm(own, { recursive: true }))
  return folder
}

/** The package unpacks into the temporary directory of the process, whoever else may have put a `chromium` there. */
async function inTmpdir<T>(directory: string, unpack: () => Promise<T>): Promise<T> {
  const before = process.env.TMPDIR
  process.env.TMPDIR = directory
  try {
    return await unpack()
  } finally {
    if (before === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = before
  }
}
