import { parseArgs } from "node:util"

/**
 * The flags that were given, of those that there are; anything else ends the program with a sentence.
 * @param {string[]} names
 */
export function readFlags(names) {
  try {
    /** @type {import("node:util").ParseArgsOptionsConfig} */
    const options = Object.fromEntries(names.map((name) => [name, { type: "boolean", default: false }]))
    return parseArgs({ options }).values
  } catch (error) {
    console.error(`${error.message}. There are: ${names.map((name) => `--${name}`).join(", ")}`)
    process.exit(2)
  }
}
