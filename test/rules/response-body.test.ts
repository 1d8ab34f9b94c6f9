import { describe, expect, it } from "vitest"
import { encodeBody } from "../../src/engine/rules/response-body.ts"

const utf8 = (text: string) => new TextEncoder().encode(text)

describe("a response body", () => {
  it.each([
    ["nothing", ""],
    ["ASCII", "hello\r\n\tworld"],
    ["text beyond ASCII", "žluťoučký kůň 🐎"],
    ["a byte order mark", "\u{feff}hello"],
    ["a replacement character of its own", "a\u{fffd}b"],
  ])("is kept as text when it is %s", (_case, text) => {
    expect(encodeBody(utf8(text), 1_024)).toEqual({ text, encoding: "utf8", truncated: false })
  })

  it.each([
    ["a NUL", [0x61, 0x00, 0x62], "YQBi"],
    ["a stray byte", [0x61, 0xff], "Yf8="],
    ["an overlong form", [0xc0, 0x80], "wIA="],
    ["an encoded surrogate", [0xed, 0xa0, 0x80], "7aCA"],
    ["a character left unfinished by the receiver", [0x61, 0xe2, 0x82], "YeKC"],
  ])("is kept as base64 when it holds %s", (_case, bytes, text) => {
    expect(encodeBody(Uint8Array.from(bytes), 1_024)).toEqual({ text, encoding: "base64", truncated: false })
  })

  it.each([
    ["just fits", "abcd", 4, "abcd", false],
    ["is too long", "abcde", 4, "abcd", true],
    ["ends in a whole character at the limit", "a€b", 4, "a€", true],
    ["has a character cut after two of three bytes", "a€b", 3, "a", true],
    ["has a character cut after one of three bytes", "a€b", 2, "a", true],
    ["has a character cut after three of four bytes", "🐎🐎", 7, "🐎", true],
    ["has its only character cut", "🐎", 3, "", true],
    ["may keep nothing", "abc", 0, "", true],
  ])("is cut cleanly when it %s", (_case, body, limit, text, truncated) => {
    expect(encodeBody(utf8(body), limit)).toEqual({ text, encoding: "utf8", truncated })
  })

  it("is judged by the part that is kept", () => {
    expect(encodeBody(Uint8Array.of(0x61, 0x62, 0xff), 2)).toEqual({
      text: "ab",
      encoding: "utf8",
      truncated: true,
    })
  })

  it("is cut to the very limit as base64", () => {
    const { text, encoding, truncated } = encodeBody(new Uint8Array(100).fill(0xff), 10)
    expect({ bytes: atob(text).length, encoding, truncated }).toEqual({
      bytes: 10,
      encoding: "base64",
      truncated: true,
    })
  })

  it("may be large", () => {
    const { text } = encodeBody(new Uint8Array(300_000).fill(0xff), 262_144)
    expect(atob(text)).toHaveLength(262_144)
  })

  it("does not carry an unfinished character over to the next body", () => {
    encodeBody(utf8("🐎"), 3)
    expect(encodeBody(utf8("a"), 3)).toEqual({ text: "a", encoding: "utf8", truncated: false })
  })
})
