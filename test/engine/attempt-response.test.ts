import { describe, expect, it } from "vitest"
import { attempt } from "../../src/engine/pipeline/attempt.ts"
import { attemptAt, ENDPOINT, EVENT, HOOK, withFetch } from "../support/attempt.ts"
import { registerHook, registerUser } from "../support/make.ts"
import { attemptsOf } from "../support/read.ts"
import { createWorld } from "../support/world.ts"

describe("the response that is kept", () => {
  it.each([
    [200, 1024],
    [299, 1024],
    [302, 16_384],
    [410, 16_384],
    [500, 16_384],
  ])("of a %i is its first %i bytes", async (status, limit) => {
    const exact = await attemptAt(() => new Response("x".repeat(limit), { status }))
    expect(exact.body).toEqual({ text: "x".repeat(limit), encoding: "utf8", truncated: false })
    const over = await attemptAt(() => new Response(`${"x".repeat(limit)}y`, { status }))
    expect(over.body).toEqual({ text: "x".repeat(limit), encoding: "utf8", truncated: true })
  })

  it("of a ping is up to 16 KiB, success or not", async () => {
    for (const status of [200, 500]) {
      const made = await attemptAt(() => new Response("x".repeat(20_000), { status }), "ping")
      expect(made.body.text).toHaveLength(16_384)
      expect(made.body.truncated).toBe(true)
    }
  })

  it("is read no further than it is kept, however long it goes on", async () => {
    const world = await createWorld()
    let chunks = 0
    let cancelled = false
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        chunks++
        controller.enqueue(new Uint8Array(512).fill(120))
      },
      cancel() {
        cancelled = true
      },
    })
    const made = await attempt(
      withFetch(world, async () => new Response(endless)),
      EVENT,
      ENDPOINT,
      "scheduled",
    )
    await expect.poll(() => cancelled, { interval: 1 }).toBe(true)
    expect(made.body).toEqual({ text: "x".repeat(1024), encoding: "utf8", truncated: true })
    expect(chunks).toBeLessThan(10)
  })

  it("is base64 when it is no clean UTF-8, or has a NUL", async () => {
    for (const bytes of [
      [0xff, 0xfe, 0x41],
      [0x41, 0x00, 0x42],
      [0xc3],
      [0xed, 0xa0, 0x80],
      [0x1f, 0x8b, 0x08],
    ]) {
      const made = await attemptAt(() => new Response(new Uint8Array(bytes), { status: 500 }))
      expect(made.body).toEqual({
        text: btoa(String.fromCharCode(...bytes)),
        encoding: "base64",
        truncated: false,
      })
    }
  })

  it("is text when only the limit cuts a character in two", async () => {
    const made = await attemptAt(() => new Response(`${"x".repeat(1023)}ü`))
    expect(made.body).toEqual({ text: "x".repeat(1023), encoding: "utf8", truncated: true })
  })

  it("comes back from D1 as it was, binary and Unicode alike", async () => {
    for (const [body, stored, encoding] of [
      ["Zoë 🦉 'quoted' \"too\" \\ \n", "Zoë 🦉 'quoted' \"too\" \\ \n", "utf8"],
      [new Uint8Array([0, 255, 128]), "AP+A", "base64"],
      ["", "", "utf8"],
    ] as const) {
      const world = await createWorld()
      world.receivers.at(HOOK, () => new Response(body, { status: 404 }))
      await registerHook(world, HOOK)
      const eventId = await registerUser(world, "alice")
      await world.runDue()
      const [kept] = await attemptsOf(world, eventId)
      expect(kept).toMatchObject({ statusCode: 404, url: HOOK, trigger: "scheduled", error: null })
      expect([kept?.body, kept?.bodyEncoding, kept?.bodyTruncated]).toEqual([stored, encoding, false])
    }
  })
})
