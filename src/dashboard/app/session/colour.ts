/** Red, green and blue, 0 to 255 each. */
export type Colour = readonly [red: number, green: number, blue: number]

const HEX = /^#?([0-9a-f]{3}|[0-9a-f]{6})$/i
const BLACK: Colour = [0, 0, 0]
const WHITE: Colour = [255, 255, 255]
/** What WCAG asks of text at level AA. */
const READABLE = 4.5
/** Text in the accent's colour stands on a tint of it as well: of a state, in a chosen row. */
const TINT = 0.2
const STEP = 0.02

/** `#aa3377`, `aa3377` or `a37`; null for whatever else it is. */
export function parseColour(text: string): Colour | null {
  const digits = HEX.exec(text)?.[1]
  if (digits === undefined) return null
  const full = digits.length === 3 ? digits.replace(/./g, "$&$&") : digits
  const value = Number.parseInt(full, 16)
  return [value >> 16, (value >> 8) & 255, value & 255]
}

export function toHex(colour: Colour): string {
  return `#${colour.map((part) => Math.round(part).toString(16).padStart(2, "0")).join("")}`
}

/** The contrast of two colours as WCAG 2 reckons it, 1 to 21. */
export function contrast(one: Colour, other: Colour): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b)
  return (light + 0.05) / (dark + 0.05)
}

/** The colour, made as much darker or lighter as it takes to be read on the ground, and on a tint of itself there. */
export function readableOn(colour: Colour, ground: Colour): Colour {
  const end = textOn(ground)
  for (let share = 0; share < 1; share += STEP) {
    const next = mixed(colour, end, share)
    if (contrast(next, mixed(ground, next, TINT)) >= READABLE) return next
  }
  return end
}

/** Black or white, whichever is read better on the colour; one of them always is. */
export function textOn(colour: Colour): Colour {
  return contrast(colour, WHITE) >= READABLE ? WHITE : BLACK
}

function mixed(from: Colour, to: Colour, share: number): Colour {
  const mix = (a: number, b: number) => a + (b - a) * share
  return [mix(from[0], to[0]), mix(from[1], to[1]), mix(from[2], to[2])]
}

function luminance([red, green, blue]: Colour): number {
  return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
}

function linear(part: number): number {
  const share = part / 255
  return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
}
