import { describe, expect, it } from "vitest"

import {
  type Colour,
  contrast,
  parseColour,
  readableOn,
  textOn,
  toHex,
} from "../../src/dashboard/app/session/colour.ts"

const WHITE: Colour = [255, 255, 255]
const DARK: Colour = [0x1a, 0x1c, 0x1f]

describe("a link's colour", () => {
  it.each([
    ["#aa3377", "#aa3377"],
    ["AA3377", "#aa3377"],
    ["a37", "#aa3377"],
    ["000", "#000000"],
  ])("%s is %s", (text, hex) => {
    const colour = parseColour(text)
    expect(colour && toHex(colour)).toBe(hex)
  })

  it.each([
    "",
    "red",
    "#aa33",
    "#aa33777",
    "rgb(1,2,3)",
    "aa3377;background:url(https://example.com)",
    "var(--text)",
    "a37\n",
  ])("%j is none", (text) => expect(parseColour(text)).toBeNull())

  it("has the contrasts that WCAG gives for examples", () => {
    expect(contrast(WHITE, [0, 0, 0])).toBe(21)
    expect(contrast([0x77, 0x77, 0x77], WHITE)).toBeCloseTo(4.48, 2)
    expect(contrast(WHITE, WHITE)).toBe(1)
  })

  it("can be read on light and on dark, and has text that can be read on it, whatever it is", () => {
    for (const colour of everyColour()) {
      const name = toHex(colour)
      expect(contrast(textOn(colour), colour), name).toBeGreaterThanOrEqual(4.5)
      for (const ground of [WHITE, DARK])
        expect(contrast(readableOn(colour, ground), ground), name).toBeGreaterThanOrEqual(4.5)
    }
  })

  it("stays as it is where it can be read", () => {
    expect(toHex(readableOn([0x1f, 0x3f, 0x8e], WHITE))).toBe("#1f3f8e")
    expect(toHex(readableOn([0x9d, 0xc8, 0xff], DARK))).toBe("#9dc8ff")
  })
})

/** A grid over all colours. */
function everyColour(): Colour[] {
  const parts = [0, 51, 102, 153, 204, 255]
  return parts.flatMap((red) => parts.flatMap((green) => parts.map((blue): Colour => [red, green, blue])))
}
