import * as version2 from "svix"
import * as version1 from "svix-v1"
import { beforeEach, describe, expect, it, vi } from "vitest"

import type { Received } from "../support/receiver.ts"
import { createWorld, type World } from "../support/world.ts"
import { clientOptions } from "./svix.ts"

const HOOK = "http://receiver.example/hook"
const HOUR_MS = 3600_000
const APP = "acme"
const PAID = "order.paid"
const SHIPPED = "order.shipped"
const PAYLOAD = { text: "Zoë 🦉", amount: 12.5 }
const RAW = '{ "n": 9007199254740993, "b": 1, "a": [ 1e400 ] }'

/** What the two versions call by different names, under one. */
const VERSIONS = {
  "1.99.1": {
    ...version1,
    connect(world: World) {
      const svix = new version1.Svix("any", clientOptions(world))
      return {
        svix,
        createEndpoint: (types: string[], rate: number) =>
          svix.endpoint.create(APP, { url: HOOK, uid: "hook", filterTypes: types, rateLimit: rate }),
        replaceEndpoint: (types: string[], rate: number) =>
          svix.endpoint.update(APP, "hook", { url: HOOK, uid: "hook", filterTypes: types, rateLimit: rate }),
        patchEndpoint: (types: string[]) => svix.endpoint.patch(APP, "hook", { filterTypes: types }),
        async filterOf(): Promise<unknown> {
          const { filterTypes, rateLimit, version } = await svix.endpoint.get(APP, "hook")
          expect(version).toBe(1)
          return { types: filterTypes, rate: rateLimit }
        },
      }
    },
  },
  "2.5.0": {
    ...version2,
    connect(world: World) {
      const svix = new version2.Svix("any", clientOptions(world))
      return {
        svix,
        createEndpoint: (types: string[], rate: number) =>
          svix.endpoint.create(APP, { url: HOOK, uid: "hook", eventTypes: types, throttleRate: rate }),
        replaceEndpoint: (types: string[], rate: number) =>
          svix.endpoint.upsert(APP, "hook", {
            url: HOOK,
            uid: "hook",
            eventTypes: types,
            throttleRate: rate,
          }),
        patchEndpoint: (types: string[]) => svix.endpoint.patch(APP, "hook", { eventTypes: types }),
        async filterOf(): Promise<unknown> {
          const { eventTypes, throttleRate } = await svix.endpoint.get(APP, "hook")
          return { types: eventTypes, rate: throttleRate }
        },
      }
    },
  },
}

describe.each(["1.99.1", "2.5.0"] as const)("a life with the npm SDK %s", (version) => {
  const { Webhook, messageInRaw, ApiException } = VERSIONS[version]
  let world: World
  let client: ReturnType<(typeof VERSIONS)[typeof version]["connect"]>

  beforeEach(async () => {
    world = await createWorld({ RETRY_SCHEDULE: "1" })
    client = VERSIONS[version].connect(world)
    const { svix } = client
    await svix.application.create({ name: "Acme", uid: APP })
    for (const name of [PAID, SHIPPED]) await svix.eventType.create({ name, description: "Of an order" })
    await client.createEndpoint([PAID], 50)
  })

  const send = (eventType = PAID) => client.svix.message.create(APP, { eventType, payload: PAYLOAD })
  const secret = async () => (await client.svix.endpoint.getSecret(APP, "hook")).key

  /** What has arrived of a message by now, the newest last. */
  async function arrivals(message: string): Promise<Received[]> {
    await world.runAll(5_000)
    return world.receivers.to(HOOK).filter(({ headers }) => headers["webhook-id"] === message)
  }

  /** Verifies with the SDK's own class, at the moment of arrival. */
  function verify(key: string, received: Received | undefined): void {
    if (!received) throw new Error("nothing arrived")
    const now = vi.spyOn(Date, "now").mockReturnValue(received.at)
    try {
      new Webhook(key).verify(received.body, received.headers)
      expect(() => new Webhook(key).verify(`${received.body} `, received.headers)).toThrow()
    } finally {
      now.mockRestore()
    }
  }

  it("keeps an endpoint's filter and rate under the names of this version", async () => {
    expect(await client.filterOf()).toEqual({ types: [PAID], rate: 50 })
    await client.replaceEndpoint([SHIPPED], 60)
    expect(await client.filterOf()).toEqual({ types: [SHIPPED], rate: 60 })
    await client.patchEndpoint([PAID])
    expect(await client.filterOf()).toEqual({ types: [PAID], rate: 60 })
  })

  it("delivers what the filter lets through, verified, and nothing else", async () => {
    const [paid, shipped] = [await send(), await send(SHIPPED)]
    const [delivery] = await arrivals(paid.id)
    verify(await secret(), delivery)
    expect(delivery?.json).toEqual(PAYLOAD)
    expect(await arrivals(shipped.id)).toEqual([])
    expect((await client.svix.messageAttempt.listAttemptedDestinations(APP, shipped.id)).data).toEqual([])
  })

  it("delivers a raw body byte for byte, with its own content type", async () => {
    const raw = await client.svix.message.create(APP, messageInRaw(PAID, RAW))
    const typed = await client.svix.message.create(APP, messageInRaw(PAID, "<paid/>", "text/xml"))
    const [first] = await arrivals(raw.id)
    expect([first?.body, first?.headers["content-type"]]).toEqual([RAW, "application/json"])
    const [second] = await arrivals(typed.id)
    expect([second?.body, second?.headers["content-type"]]).toEqual(["<paid/>", "text/xml"])
  })

  it("shows attempts, and makes one more", async () => {
    const { id } = await send()
    await arrivals(id)
    const { data } = await client.svix.messageAttempt.listByMsg(APP, id)
    expect(data.map(({ status, responseStatusCode, url }) => [status, responseStatusCode, url])).toEqual([
      [0, 200, HOOK],
    ])
    await client.svix.messageAttempt.resend(APP, id, "hook")
    expect(await arrivals(id)).toHaveLength(2)
    expect((await client.svix.messageAttempt.listByMsg(APP, id)).data).toHaveLength(2)
  })

  it("rotates the secret: what follows verifies under the new one and the old", async () => {
    const old = await secret()
    await client.svix.endpoint.rotateSecret(APP, "hook", {})
    // Each as it was made: version 2 reads a body, and version 1 throws at one in some languages.
    expect(world.logged.findLast(({ path }) => String(path).endsWith("/rotate"))).toMatchObject({
      status: version === "2.5.0" ? 200 : 204,
    })
    expect(await secret()).not.toBe(old)
    const [delivery] = await arrivals((await send()).id)
    verify(await secret(), delivery)
    verify(old, delivery)
  })

  it("recovers what an endpoint missed, without the sweep, and counts it", async () => {
    world.receivers.at(HOOK, 500)
    const { id } = await send()
    expect(await arrivals(id)).toHaveLength(2)
    expect(await client.svix.endpoint.getStats(APP, "hook")).toMatchObject({ success: 0, fail: 1 })
    world.receivers.at(HOOK, 200)
    await client.svix.endpoint.recover(APP, "hook", { since: new Date(world.clock.now() - HOUR_MS) })
    expect(await arrivals(id)).toHaveLength(3)
    expect(await client.svix.endpoint.getStats(APP, "hook")).toMatchObject({ success: 1, fail: 0 })
  })

  it("learns of a refusal what to change", async () => {
    const refusal = await client.svix.endpoint.create(APP, { url: "nonsense" }).then(
      () => null,
      (error: unknown) => error,
    )
    expect(refusal).toBeInstanceOf(ApiException)
    expect(refusal).toMatchObject({ code: 422, body: { detail: [{ loc: ["body", "url"] }] } })
  })

  it("removes what it has made", async () => {
    const { svix } = client
    await svix.endpoint.delete(APP, "hook")
    await expect(svix.endpoint.get(APP, "hook")).rejects.toMatchObject({ code: 404 })
    for (const name of [PAID, SHIPPED]) await svix.eventType.delete(name)
    await svix.application.delete(APP)
    await expect(svix.application.get(APP)).rejects.toMatchObject({ code: 404 })
  })
})
