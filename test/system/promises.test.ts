import { readFileSync } from "node:fs"
import { join } from "node:path"
import { expect, it } from "vitest"

const root = join(import.meta.dirname, "../..")
const PROMISES = 7

/** The rows of the table below the README's heading, and in each the tests that are named: `[file](path) “title”`. */
function readPromises(): { promise: string; tests: { path: string; title: string }[] }[] {
  const [, section = ""] = readFileSync(join(root, "README.md"), "utf8").split("\n### Promises\n")
  const rows = (section.split("\n#")[0] ?? "").split("\n").filter((line) => line.startsWith("| **"))
  return rows.map((row) => ({
    promise: /\*\*(.+?)\*\*/.exec(row)?.[1] ?? "",
    tests: [...row.matchAll(/\]\((test\/\S+?)\) “(.+?)”/g)].map(([, path = "", title = ""]) => ({
      path,
      title,
    })),
  }))
}

/** The titles of groups and tests in a file, as they stand there: what is called with a text and a function. */
function titlesOf(path: string): string[] {
  const source = readFileSync(join(root, path), "utf8")
  const literals = source.matchAll(/\(\s*"((?:[^"\\]|\\.)*)",\s*(?:async\s*)?\(/g)
  return Array.from(literals, ([, title = ""]) => title)
}

const promises = readPromises()

it("are seven, each with the tests that hold it", () => {
  expect(promises).toHaveLength(PROMISES)
  for (const { promise, tests } of promises) expect(tests, promise).not.toEqual([])
})

it.each(promises.flatMap(({ promise, tests }) => tests.map((test) => ({ promise, ...test }))))(
  "$promise: $path has “$title”",
  ({ path, title }) => {
    expect(titlesOf(path)).toEqual(expect.arrayContaining(title.split(" › ")))
  },
)
