import { parameters } from "./multipart.ts"

/** Enough for any file system's names; longer ones are cut. */
const MAX_LABEL_CHARS = 255
const NAMELESS = "file"
// Control characters, line separators, and marks that turn the reading direction: a
// label that lies on screen.
const UNSEEMLY = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu

/** What a part's `Content-Disposition` says; `fileName` null: it is no file. */
export interface Disposition {
  name: string | null
  fileName: string | null
}

/**
 * Reads a part's `Content-Disposition`. A `filename*` (RFC 5987) that can be decoded wins over `filename`.
 */
export function parseDisposition(header: string | undefined): Disposition {
  const given = new Map(parameters(header ?? "").toReversed())
  const plain = given.get("filename")
  const extended = given.get("filename*")
  return {
    name: given.get("name") ?? null,
    fileName:
      decodeExtended(extended) ?? (plain === undefined ? (extended ?? null) : unescapeFormName(plain)),
  }
}

/** The label that a file name from a stranger becomes: no path, nothing invisible, at most 255 characters. */
export function toLabel(fileName: string): string {
  const base = fileName.toWellFormed().split(/[/\\]/).at(-1) ?? ""
  const seemly = base.replaceAll(UNSEEMLY, "").trim()
  let label = ""
  for (const character of seemly) {
    if (label.length + character.length > MAX_LABEL_CHARS) break
    label += character
  }
  return /^\.{0,2}$/.test(label) ? NAMELESS : label
}

/** A `Content-Disposition` under which a browser saves the file, whatever its name is made of. */
export function attachment(label: string): string {
  const ascii = label.replaceAll(/[^\x20-\x7e]/gu, "_").replaceAll(/["\\%]/g, "_")
  const encoded = encodeURIComponent(label).replaceAll(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `attachment; filename="${ascii}"; filename*=UTF-8''${encoded}`
}

/** Browsers, and curl, send these three characters of a name percent-encoded (HTML, multipart/form-data). */
function unescapeFormName(name: string): string {
  return name.replaceAll(/%(22|0D|0A)/gi, (encoded) => decodeURIComponent(encoded))
}

/** `UTF-8''na%C3%AFve.txt` as text; null when there is none, or none that can be read. */
function decodeExtended(value: string | undefined): string | null {
  const [, charset = "", encoded = ""] = /^([^']*)'[^']*'(.*)$/s.exec(value ?? "") ?? []
  if (charset === "" || /%(?![0-9a-f]{2})/i.test(encoded)) return null
  const bytes = encoded
    .split(/(%[0-9a-f]{2})/i)
    .flatMap((piece) =>
      piece.startsWith("%") ? [Number.parseInt(piece.slice(1), 16)] : [...new TextEncoder().encode(piece)],
    )
  try {
    return new TextDecoder(charset, { fatal: true, ignoreBOM: false }).decode(new Uint8Array(bytes))
  } catch {
    return null
  }
}
