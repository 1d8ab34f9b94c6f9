import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import sparticuz, { inflate } from "@sparticuz/chromium"
import { type Browser, chromium } from "playwright-core"

/**
 * A headless Chromium from npm alone: the binary, the libraries that a bare machine lacks, and a font, all from
 * the package. It is built for Linux on x64; elsewhere an installed Chrome takes its place.
 */
export async function launchBrowser(): Promise<Browser> {
  if (process.platform !== "linux" || process.arch !== "x64") return chromium.launch({ channel: "chrome" })

  const directory = await mkdtemp(join(tmpdir(), "posthorn-chromium-"))
  const executablePath = await inTmpdir(directory, () => sparticuz.executablePath())
  await inTmpdir(directory, () => inflate(packaged("al2023.tar.br")))
  // The package's own fonts.conf looks in fixed places; text without any font would end the renderer.
  const fonts = join(directory, "fonts.conf")
  await writeFile(
    fonts,
    `<fontconfig><dir>${directory}/fonts</dir><cachedir>${directory}</cachedir></fontconfig>`,
  )
  const browser = await chromium.launch({
    executablePath,
    env: {
      ...process.env,
      HOME: directory,
      FONTCONFIG_FILE: fonts,
      LD_LIBRARY_PATH: join(directory, "al2023/lib"),
    },
  })
  browser.once("disconnected", () => void rm(directory, { recursive: true, force: true }))
  return browser
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

function packaged(file: string): string {
  return join(dirname(fileURLToPath(import.meta.resolve("@sparticuz/chromium"))), "../bin", file)
}
