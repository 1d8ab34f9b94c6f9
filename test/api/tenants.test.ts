import { beforeEach, describe, expect, it } from "vitest"

import { createWorld, type World } from "../support/world.ts"
import { documentOf, type Operation } from "./document.ts"
import { svixFor } from "./svix.ts"

const OPERATOR = "letmein"
const SECRET_PARTS = ["Globex", "globex.example", "hush", "classified"]
/** What the token of an application may use outside of its application. */
const SHARED = [
  "v1.event-type.list",
  "v1.event-type.get",
  "logout_api_v1_auth_logout__post",
  "v1.authentication.session",
  // Its own tasks, and no others: background-task.test.ts.
  "v1.background-task.list",
  "v1.background-task.get",
  "v1.background-task.cancel",
]
/** What only the operator may do, also with the application of the token. */
const OPERATORS = [
  "v1.application.update",
  "patch_application",
  "v1.application.delete",
  "v1.message.create",
  "v1.message.expunge-content",
  "v1.message-attempt.expunge-content",
]
/** A body that each operation would take. */
const BODIES: Record<string, object> = {
  "v1.application.update": { name: "Stolen" },
  patch_application: { name: "Stolen" },
  "v1.endpoint.create": { url: "http://stolen.example/" },
  "v1.endpoint.update": { url: "http://stolen.example/" },
  patch_endpoint: { url: "http://stolen.example/" },
  "v1.endpoint.update-headers": { headers: { "x-stolen": "1" } },
  "v1.endpoint.patch-headers": { headers: { "x-stolen": "1" } },
  "v1.endpoint.recover": { since: "2026-01-14T00:00:00Z" },
  "v1.endpoint.rotate-secret": {},
  "v1.endpoint.send-example": { eventType: "svix.ping" },
  "v1.message.create": { eventType: "thing.done", payload: {} },
}

type Ids = {
  app_id: string
  endpoint_id: string
  msg_id: string
  attempt_id: string
}

interface Call {
  id: string
  method: string
  path: string
  operation: Operation
}

let world: World
let token: string
let own: Ids
let other: Ids
let calls: Call[]

beforeEach(async () => {
  world = await createWorld({ AUTH_MODE: "token", API_TOKEN: OPERATOR, ENCRYPTION_KEY: btoa("k".repeat(32)) })
  own = await makeApplication("acme", "Acme")
  other = await makeApplication("globex", "Globex")
  token = (await svixFor(world, OPERATOR).authentication.appPortalAccess("acme", {})).token
  calls = Object.entries((await documentOf(world)).paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      id: operation.operationId ?? "",
      method: method.toUpperCase(),
      path,
      operation,
    })),
  )
})

/** An application with an endpoint, a message that was delivered to it, and what nobody else may see. */
async function makeApplication(uid: string, name: string): Promise<Ids> {
  const svix = svixFor(world, OPERATOR)
  const application = await svix.application.create({ name, uid, metadata: { note: "classified" } })
  const endpoint = await svix.endpoint.create(uid, {
    url: `http://${uid}.example/`,
    uid: "hook",
    headers: { authorization: "Bearer hush" },
  })
  const payload = { of: name }
  const message = await svix.message.create(uid, { eventType: "thing.done", eventId: "first", payload })
  await world.runAll()
  const attempts = (await svix.messageAttempt.listByMsg(uid, "first")).data
  return {
    app_id: application.id,
    endpoint_id: endpoint.id,
    msg_id: message.id,
    attempt_id: attempts[0]?.id ?? "",
  }
}

/** Sends it with the token of acme; the answer, with everything that could tell something. */
async function ask({ id, method, path }: Call, ids: Record<string, string>, query = "") {
  const filled = path.replace(/\{([^}]+)\}/g, (_, name: string) => ids[name] ?? "x1")
  const json = BODIES[id]
  const response = await world.fetch(filled + query, {
    method,
    headers: { authorization: `Bearer ${token}` },
    ...(json === undefined ? {} : { json }),
  })
  return { status: response.status, text: await response.text() }
}

const FORBIDDEN = { code: "authorization", detail: expect.any(String) }
const isOpen = ({ operation }: Call) => Array.isArray(operation.security) && operation.security.length === 0
const ofApplication = ({ path }: Call) => path.startsWith("/api/v1/app/{app_id}")

describe("the token of an application", () => {
  it("is refused alike for every operation on another application, whether there is one or not", async () => {
    const before = await world.everything()
    let asked = 0
    for (const call of calls.filter(ofApplication)) {
      const answers = []
      const names = [
        other.app_id,
        "globex",
        "users",
        "app_users",
        "operations",
        "app_catalog",
        "nobody",
        "app_x",
      ]
      for (const app_id of names) {
        const answer = await ask(call, { ...other, app_id })
        expect([call.id, app_id, answer.status]).toEqual([call.id, app_id, 403])
        expect(JSON.parse(answer.text)).toEqual(FORBIDDEN)
        answers.push(answer.text)
        asked++
      }
      expect(new Set(answers).size).toBe(1)
    }
    expect(asked).toBeGreaterThanOrEqual(29 * 8)
    expect(await world.everything()).toBe(before)
    expect(world.queued).toEqual([])
  })

  it("is refused for every operation that is about no application, but for a few", async () => {
    const before = await world.everything()
    const others = calls.filter((call) => !ofApplication(call) && !isOpen(call) && !SHARED.includes(call.id))
    for (const call of others) {
      const answer = await ask(call, { ...own, event_type_name: "thing.done" })
      expect([call.id, answer.status]).toEqual([call.id, 403])
    }
    expect(others.map(({ path }) => path)).toEqual(
      expect.arrayContaining(["/api/v1/app", "/api/v1/event-type", "/users", "/ping", "/invoices"]),
    )
    for (const path of ["/api/v1/nothing", "/nothing"]) {
      const response = await world.fetch(path, { headers: { authorization: `Bearer ${token}` } })
      expect([path, response.status]).toEqual([path, 403])
    }
    expect(await world.everything()).toBe(before)
  })

  it("is refused for what is the operator's within its own application", async () => {
    const before = await world.everything()
    for (const id of OPERATORS) {
      const call = calls.find((one) => one.id === id)
      if (!call) throw new Error(`no operation ${id}`)
      for (const app_id of [own.app_id, "acme"]) {
        expect([id, (await ask(call, { ...own, app_id })).status]).toEqual([id, 403])
      }
    }
    expect(await world.everything()).toBe(before)
  })

  it("finds nothing of another's among its own, in any operation: their ids are as unknown as others", async () => {
    const before = await world.everything()
    const unknown: Ids = {
      app_id: "app_x",
      endpoint_id: "ep_019a8f0c5d1b7c3e9a4f2b6d8e0c1a3f",
      msg_id: "evt_019a8f0c5d1b7c3e9a4f2b6d8e0c1a3f",
      attempt_id: "att_019a8f0c5d1b7c3e9a4f2b6d8e0c1a3f",
    }
    let asked = 0
    for (const call of calls.filter((one) => ofApplication(one) && !OPERATORS.includes(one.id))) {
      for (const name of ["endpoint_id", "msg_id", "attempt_id"] as const) {
        if (!call.path.includes(`{${name}}`)) continue
        const theirs = await ask(call, { ...own, [name]: other[name] })
        // A PUT makes what is not there, whoever else has such an id.
        if (call.id === "v1.endpoint.update") {
          expect(theirs.text).not.toContain("globex")
          continue
        }
        expect([call.id, name, theirs.status]).toEqual([call.id, name, 404])
        expect(theirs).toEqual(await ask(call, { ...own, [name]: unknown[name] }))
        asked++
      }
    }
    expect(asked).toBeGreaterThanOrEqual(18)
    const changed = JSON.parse(await world.everything()) as unknown[][]
    const ofOther = (tables: unknown[][]) =>
      tables.map((rows) => rows.filter((row) => JSON.stringify(row).includes(other.app_id)))
    expect(ofOther(changed)).toEqual(ofOther(JSON.parse(before)))
  })

  it("lists and reads its own alone: nothing of another's is in any answer", async () => {
    const ids = { ...own, event_type_name: "svix.ping" }
    let read = 0
    for (const call of calls.filter((one) => ofApplication(one) && one.method === "GET")) {
      const queries = [
        "",
        "?with_content=true",
        `?iterator=${other.msg_id}`,
        `?iterator=-${other.endpoint_id}`,
      ]
      for (const query of queries) {
        const { status, text } = await ask(call, ids, query)
        if (status !== 200) expect([call.id, query, status]).toEqual([call.id, query, 422])
        else read++
        for (const part of ["Globex", "globex", other.app_id, other.endpoint_id])
          expect(text).not.toContain(part)
      }
      const byUid = await ask(call, { ...ids, app_id: "acme", endpoint_id: "hook", msg_id: "first" })
      expect([call.id, byUid.status]).toEqual([call.id, 200])
    }
    expect(read).toBeGreaterThan(20)
  })

  it("is told the same of another's endpoint as of none when it filters by it", async () => {
    const call = calls.find(({ id }) => id === "v1.message-attempt.list-by-msg")
    if (!call) throw new Error("no such operation")
    const theirs = await ask(call, own, `?endpoint_id=${other.endpoint_id}`)
    expect(theirs).toEqual(await ask(call, own, "?endpoint_id=ep_019a8f0c5d1b7c3e9a4f2b6d8e0c1a3f"))
    for (const part of SECRET_PARTS) expect(theirs.text).not.toContain(part)
  })

  it("does what it may within its own application", async () => {
    const acme = svixFor(world, token)
    await acme.endpoint.create("acme", { url: "http://more.example/", uid: "more" })
    await acme.endpoint.patch("acme", "more", { description: "Ours" })
    await acme.endpoint.rotateSecret("acme", "more", {})
    await acme.messageAttempt.resend("acme", "first", "hook")
    await acme.endpoint.delete("acme", "more")
    expect((await acme.message.list("acme")).data.length).toBe(1)
    expect((await acme.eventType.list()).data.map(({ name }) => name)).toEqual(["thing.done"])
    await world.runAll()
    expect(world.receivers.to("http://acme.example/").length).toBe(2)
  })

  it.each(["%67lobex", "acme%2F..%2Fglobex", "acme/../globex", "./globex", "acme%00", "ACME", "acme%20"])(
    "is not led astray by the spelling %s",
    async (spelling) => {
      const response = await world.fetch(`/api/v1/app/${spelling}/endpoint`, {
        headers: { authorization: `Bearer ${token}` },
      })
      expect(response.status).toBe(403)
    },
  )
})
