import { Svix as SvixV1 } from "svix-v1"
import { beforeEach, describe, expect, it } from "vitest"

import { newId } from "../../src/db/ids.ts"
import { createWorld, type World } from "../support/world.ts"
import { callApi, clientOptions, svixFor } from "./svix.ts"

const OPERATOR = "letmein"
const HOOK = "http://receiver.example/hook"
const TASKS = "/api/v1/background-task"

let world: World

beforeEach(async () => {
  world = await createWorld({ AUTH_MODE: "token", API_TOKEN: OPERATOR, ENCRYPTION_KEY: btoa("k".repeat(32)) })
  const svix = svixFor(world, OPERATOR)
  for (const uid of ["acme", "globex"]) {
    await svix.application.create({ name: uid, uid })
    await svix.endpoint.create(uid, { url: HOOK, uid: "ep" })
  }
})

/** Starts a recovery, which no job has worked on yet. */
async function recover(uid: string): Promise<string> {
  world.clock.advance(1)
  const { id } = await svixFor(world, OPERATOR).endpoint.recover(uid, "ep", {
    since: new Date(world.clock.now()),
  })
  return id
}

async function ask(method: string, path: string, token = OPERATOR) {
  const response = await callApi(world, TASKS + path, {
    method,
    headers: { authorization: `Bearer ${token}` },
  })
  return { status: response.status, body: await response.json<Record<string, unknown>>() }
}

const idsOf = ({ body }: { body: Record<string, unknown> }) =>
  (body.data as { id: string }[]).map(({ id }) => id)
const setStatus = (id: string, status: string) =>
  world.customersDB.prepare("UPDATE tasks SET status = ? WHERE id = ?").bind(status, id).run()
const tokenOf = async (uid: string) =>
  (await svixFor(world, OPERATOR).authentication.appPortalAccess(uid, {})).token

describe("background tasks", () => {
  it("are read by the client that has methods for them, and tell how far they are", async () => {
    const client = new SvixV1(OPERATOR, clientOptions(world))
    const svix = svixFor(world, OPERATOR)
    world.receivers.at(HOOK, 410)
    const { id: message } = await svix.message.create("acme", { eventType: "t", payload: {} })
    await world.runAll()
    await world.customersDB
      .prepare("UPDATE deliveries SET status = 'failed', next_attempt_at = NULL WHERE event_id = ?")
      .bind(message)
      .run()
    await svix.endpoint.patch("acme", "ep", { disabled: false })
    const { id } = await svix.endpoint.recover("acme", "ep", { since: new Date(world.clock.now() - 60_000) })
    const running = await client.backgroundTask.get(id)
    expect(running).toMatchObject({ id, status: "running", task: "endpoint.recover", data: { processed: 0 } })
    await world.runAll()
    const { data, done } = await client.backgroundTask.list()
    expect(data).toEqual([
      {
        id,
        status: "finished",
        task: "endpoint.recover",
        data: { processed: 1, share: 1, reason: null },
        updatedAt: new Date(world.clock.now()),
      },
    ])
    expect(done).toBe(true)
  })

  it("are listed newest first, a page at a time, forward and back, by status and by task", async () => {
    const ids = []
    for (const uid of ["acme", "globex", "acme"]) ids.unshift(await recover(uid))
    await setStatus(ids[1] ?? "", "failed")
    await setStatus(ids[2] ?? "", "canceled")
    const first = await ask("GET", "?limit=2")
    expect([idsOf(first), first.body.done]).toEqual([ids.slice(0, 2), false])
    const second = await ask("GET", `?limit=2&iterator=${first.body.iterator}`)
    expect([idsOf(second), second.body.done]).toEqual([ids.slice(2), true])
    expect(idsOf(await ask("GET", `?limit=2&iterator=${second.body.prevIterator}`))).toEqual(ids.slice(0, 2))
    expect(idsOf(await ask("GET", "?order=ascending"))).toEqual(ids.toReversed())
    expect(idsOf(await ask("GET", "?status=failed"))).toEqual(ids.slice(1))
    expect(idsOf(await ask("GET", "?status=running&task=endpoint.recover"))).toEqual(ids.slice(0, 1))
    for (const query of ["?status=canceled", "?task=sdk.generate", "?limit=0", "?iterator=%20", "?order=up"])
      expect((await ask("GET", query)).status).toBe(422)
  })

  it("of a kind that the wire has no name for are no part of it", async () => {
    const { id: application } = await svixFor(world, OPERATOR).application.get("acme")
    const id = newId("task", world.clock.now())
    await world.customersDB
      .prepare(
        `INSERT INTO tasks (id, application_id, kind, input, status, created_at, updated_at)
         VALUES (?, ?, 'remove-application', '{}', 'running', 1, 1)`,
      )
      .bind(id, application)
      .run()
    expect(idsOf(await ask("GET", ""))).toEqual([])
    expect((await ask("GET", `/${id}`)).status).toBe(404)
    expect((await ask("POST", `/${id}/cancel`)).status).toBe(404)
  })

  it("are to the token of an application its own alone: another's are as unknown as none", async () => {
    const [mine, theirs] = [await recover("acme"), await recover("globex")]
    const token = await tokenOf("acme")
    expect(idsOf(await ask("GET", "", token))).toEqual([mine])
    expect(idsOf(await ask("GET", `?iterator=-${mine}`, token))).toEqual([])
    expect((await ask("GET", `/${mine}`, token)).status).toBe(200)
    for (const [method, path] of [
      ["GET", ""],
      ["POST", "/cancel"],
    ] as const) {
      const refused = await ask(method, `/${theirs}${path}`, token)
      expect(refused).toEqual(await ask(method, `/qtask_none${path}`, token))
      expect(refused.status).toBe(404)
    }
    expect((await ask("GET", `/${theirs}`)).body.status).toBe("running")
    expect((await ask("POST", `/${mine}/cancel`, token)).status).toBe(200)
  })
})

describe("canceling a background task", () => {
  it("ends it, and says so to whoever asks again", async () => {
    const id = await recover("acme")
    const canceled = await ask("POST", `/${id}/cancel`)
    expect(canceled).toMatchObject({
      status: 200,
      body: { id, status: "failed", data: { processed: 0, reason: "canceled" } },
    })
    world.clock.advance(1000)
    expect(await ask("POST", `/${id}/cancel`)).toEqual(canceled)
    await world.runAllWithSweeps(120_000)
    expect((await ask("GET", `/${id}`)).body).toEqual(canceled.body)
  })

  it.each(["finished", "failed"])("is refused with 409 for one that has %s", async (status) => {
    const id = await recover("acme")
    await setStatus(id, status)
    expect(await ask("POST", `/${id}/cancel`)).toEqual({
      status: 409,
      body: { code: "conflict", detail: `The task has ${status} already` },
    })
    expect((await ask("GET", `/${id}`)).body).toMatchObject({
      status,
      data: { reason: status === "failed" ? "internal" : null },
    })
  })
})
