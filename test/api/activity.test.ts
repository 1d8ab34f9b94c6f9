import { beforeEach, describe, expect, it } from "vitest"

import { createWorld, type World } from "../support/world.ts"
import { svixFor } from "./svix.ts"

const HOOK = "http://receiver.example/hook"
const MINUTE_MS = 60_000
const HOUR_MS = 3600_000

interface Answer {
  data: ({ kind: string; id: string; name: string; state: string } & Record<string, unknown>)[]
  iterator: string
}

let world: World

beforeEach(async () => {
  world = await createWorld({ RETRY_SCHEDULE: "600" })
  const svix = svixFor(world)
  for (const uid of ["acme", "globex"]) {
    await svix.application.create({ name: uid, uid })
    await svix.endpoint.create(uid, { url: `${HOOK}/${uid}`, uid: "hook" })
  }
})

async function tail(query = ""): Promise<Answer> {
  const response = await world.fetch(`/api/v1/overview/activity${query}`)
  expect(response.status).toBe(200)
  return response.json()
}

async function send(uid: string): Promise<string> {
  const { id } = await svixFor(world).message.create(uid, { eventType: `${uid}.made`, payload: {} })
  return id
}

const kindsOf = ({ data }: Answer) => data.map(({ kind, name, state }) => `${kind} ${name} ${state}`)

describe("what happens", () => {
  it("is told of all applications: a message that waits, then its attempt, with what came back", async () => {
    const id = await send("acme")
    expect(await tail()).toMatchObject({
      data: [
        {
          kind: "event",
          id,
          application: { uid: "acme" },
          name: "acme.made",
          state: "waiting",
          runtimeMs: null,
        },
      ],
    })
    world.receivers.at(`${HOOK}/globex`, 503)
    await send("globex")
    world.clock.advance(1000)
    await world.runDue()
    const { data } = await tail()
    expect(data.filter(({ kind }) => kind === "event").map(({ state }) => state)).toEqual([
      "dispatched",
      "dispatched",
    ])
    const attempts = data.filter(({ kind }) => kind === "attempt")
    expect(attempts).toHaveLength(2)
    expect(attempts).toContainEqual({
      kind: "attempt",
      id: expect.stringMatching(/^att_/),
      application: { id: expect.any(String), uid: "globex", name: "globex" },
      name: "globex.made",
      state: "failed",
      receivedAt: "2026-01-15T12:00:00.000Z",
      startedAt: "2026-01-15T12:00:01.000Z",
      runtimeMs: expect.any(Number),
      tries: 1,
      result: "503",
      messageId: expect.stringMatching(/^evt_/),
      endpointId: expect.stringMatching(/^ep_/),
      url: `${HOOK}/globex`,
    })
  })

  it("is told behind an iterator again while it may have changed, and later no more; a retry when it is made", async () => {
    world.receivers.at(`${HOOK}/acme`, 500, 200)
    await send("acme")
    await world.runDue()
    const { iterator } = await tail()
    expect(kindsOf(await tail(`?iterator=${iterator}`))).toHaveLength(2)
    world.clock.advance(5 * MINUTE_MS)
    const later = await tail()
    expect((await tail(`?iterator=${later.iterator}`)).data).toEqual([])
    await world.runAllWithSweeps(6 * MINUTE_MS)
    const retried = await tail(`?iterator=${later.iterator}`)
    expect(retried.data).toMatchObject([
      { kind: "attempt", name: "acme.made", state: "delivered", tries: 2, result: "200" },
    ])
  })

  it("are tasks and uploads, too, but no pings; and nothing that is more than an hour ago", async () => {
    const since = new Date(world.clock.now() - HOUR_MS)
    await svixFor(world).endpoint.recover("acme", "hook", { since })
    await world.fetch("/webhook", { json: { event: "user_registered", url: HOOK } })
    await world.fetch("/ping", { method: "POST" }).catch(() => undefined)
    await world.env.DB.prepare(
      `INSERT INTO uploads (id, endpoint_id, state, file_name, content_type, size, created_at, updated_at)
       VALUES ('upl_1', 'ep_1', 'completed', 'a.txt', 'text/plain', 5, ?1, ?1)`,
    )
      .bind(world.clock.now())
      .run()
    expect(kindsOf(await tail()).toSorted()).toEqual([
      "task endpoint.recover running",
      "upload a.txt completed",
    ])
    world.clock.advance(HOUR_MS + MINUTE_MS)
    expect((await tail()).data).toEqual([])
  })

  it("is as much as asked for, the newest first", async () => {
    for (let n = 0; n < 3; n++) {
      await send("acme")
      world.clock.advance(1000)
    }
    const { data } = await tail("?limit=2")
    expect(data.map(({ receivedAt }) => receivedAt)).toEqual([
      "2026-01-15T12:00:02.000Z",
      "2026-01-15T12:00:01.000Z",
    ])
  })

  it.each(["?limit=0", "?limit=201", "?iterator=yesterday"])("refuses %s", async (query) => {
    expect((await world.fetch(`/api/v1/overview/activity${query}`)).status).toBe(422)
  })
})
