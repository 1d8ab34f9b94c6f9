import { beforeEach, describe, expect, it } from "vitest"

import { verify } from "../support/receiver.ts"
import { followLinks, insertMessages, NOON } from "../support/users.ts"
import { createWorld, type World } from "../support/world.ts"

const HOOK = "http://receiver.example/hook"

let world: World

beforeEach(async () => {
  world = await createWorld()
})

async function register(event: string): Promise<string> {
  const response = await world.fetch("/webhook", { json: { event, url: HOOK } })
  const { secret } = await response.json<{ secret: string }>()
  return secret
}

async function createUsers(...names: string[]): Promise<void> {
  for (const username of names) await world.fetch("/users", { json: { username } })
}

const send = (message: object) => world.fetch("/users/messages", { json: message })

describe("POST /users/messages", () => {
  const hello = { sender: "Alice", recipient: "BOB", subject: "Hello", message: "How are you?" }

  beforeEach(() => createUsers("Alice", "Bob"))

  it("answers the four fields, names in lower case, and the time", async () => {
    const response = await send(hello)
    expect(response.status).toBe(200)
    expect(await response.text()).toBe(
      `{"sender":"alice","recipient":"bob","subject":"Hello","message":"How are you?","received_at":"${NOON}"}`,
    )
  })

  it("publishes user_send_message with the answer's object as data", async () => {
    await register("user_send_message")
    const answer = await (await send(hello)).text()
    await world.runAll()
    expect(world.receivers.received.map(({ body }) => body)).toEqual([
      `{"event":"user_send_message","data":${answer}}`,
    ])
  })

  it.each([
    ["an empty subject and message", { subject: "", message: "" }],
    ["line breaks and tabs", { subject: "a\tb\r\nc", message: "\n\n\r\t\n" }],
    ["a subject of 256 characters", { subject: "🦉".repeat(256), message: "" }],
    ["a message of 16 KiB", { subject: "", message: "x".repeat(16 * 1024) }],
    ["a message of 16 KiB beyond ASCII", { subject: "", message: "🦉".repeat(4 * 1024) }],
    ["spaces at both ends", { subject: " a ", message: "  " }],
  ])("takes %s as it is", async (_, text) => {
    const response = await send({ ...hello, ...text })
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual({ sender: "alice", recipient: "bob", ...text, received_at: NOON })
  })

  it.each([
    ["an unknown sender", { sender: "Nobody" }, "Sender does not exist"],
    ["an unknown recipient", { recipient: "Nobody" }, "Recipient does not exist"],
    ["a message to oneself", { recipient: "aLiCe" }, "Sender and recipient cannot be the same"],
    ["the sender first", { sender: "Nobody", recipient: "No one" }, "Sender does not exist"],
    ["the sender before sameness", { sender: "Nobody", recipient: "nobody" }, "Sender does not exist"],
  ])("refuses %s", async (_, change, detail) => {
    const response = await send({ ...hello, ...change })
    expect(response.status).toBe(400)
    expect(await response.json()).toEqual({ detail })
  })

  it("publishes and stores nothing for a refused message", async () => {
    await register("user_send_message")
    await send({ ...hello, recipient: "Alice" })
    await world.runAll()
    expect(world.receivers.received).toEqual([])
    expect(await (await world.fetch("/users/messages?recipient=alice")).json()).toEqual([])
  })

  it("ignores unknown fields", async () => {
    const response = await send({ ...hello, received_at: "1970-01-01", cc: ["x"] })
    expect(await response.json()).toEqual({
      ...hello,
      sender: "alice",
      recipient: "bob",
      received_at: NOON,
    })
  })

  it("finds names in any case beyond ASCII", async () => {
    await createUsers("Élodie")
    const response = await send({ ...hello, sender: "éLODIE" })
    expect(await response.json()).toMatchObject({ sender: "élodie" })
  })

  it.each(["Grüße, 你好 🦉🇩🇪", "a\r\n\tb\n", "\u2028\u2029\ufeff\u200d", '"\\/', "\uFFFD 𝒳"])(
    "delivers the message %j byte for byte as signed",
    async (text) => {
      const secret = await register("user_send_message")
      await send({ ...hello, subject: text, message: text })
      await world.runAll()
      expect(verify(secret, world.receivers.to(HOOK)[0])).toEqual({
        event: "user_send_message",
        data: { sender: "alice", recipient: "bob", subject: text, message: text, received_at: NOON },
      })
    },
  )
})

describe("GET /users/messages", () => {
  const list = (query: string) => world.fetch(`/users/messages${query}`)

  beforeEach(() => createUsers("Alice", "Bob", "Carol"))

  it("lists the recipient's messages alone, oldest first", async () => {
    await send({ sender: "Alice", recipient: "Bob", subject: "1", message: "first" })
    await send({ sender: "Bob", recipient: "Carol", subject: "-", message: "not for Bob" })
    world.clock.advance(1)
    await send({ sender: "Carol", recipient: "Bob", subject: "0", message: "second" })
    const response = await list("?recipient=bob")
    expect(response.status).toBe(200)
    expect(await response.json()).toEqual([
      { sender: "alice", recipient: "bob", subject: "1", message: "first", received_at: NOON },
      {
        sender: "carol",
        recipient: "bob",
        subject: "0",
        message: "second",
        received_at: "2026-01-15T12:00:00.001+00:00",
      },
    ])
  })

  it("compares the name without case", async () => {
    await createUsers("Ötzi")
    await send({ sender: "Alice", recipient: "Ötzi", subject: "", message: "" })
    expect(await (await list(`?recipient=${encodeURIComponent("öTZI")}`)).json()).toHaveLength(1)
  })

  it("answers an empty array for a user without messages", async () => {
    const response = await list("?recipient=Alice")
    expect(response.status).toBe(200)
    expect(await response.text()).toBe("[]")
  })

  it.each(["?recipient=Nobody", "?recipient="])(
    "answers 400 when there is no such user: %s",
    async (query) => {
      const response = await list(query)
      expect(response.status).toBe(400)
      expect(await response.json()).toEqual({ detail: "Recipient does not exist" })
    },
  )

  it("answers 422 without the parameter", async () => {
    const response = await list("")
    expect(response.status).toBe(422)
    expect(await response.json()).toEqual({
      detail: [{ loc: ["query", "recipient"], msg: "Field required", type: "missing" }],
    })
  })

  it("stops at 1,000 and lists every message once along the links", async () => {
    await insertMessages(1001)
    const pages = await followLinks(world, "/users/messages?recipient=BOB")
    expect(pages.map(({ length }) => length)).toEqual([1000, 1])
    expect(pages.flat().map((message) => (message as { subject: string }).subject)).toEqual(
      Array.from({ length: 1001 }, (_, n) => String(n)),
    )
  })

  it("has no Link on a page of exactly 1,000", async () => {
    await insertMessages(1000)
    const response = await list("?recipient=bob")
    expect(await response.json()).toHaveLength(1000)
    expect(response.headers.get("link")).toBeNull()
  })
})
