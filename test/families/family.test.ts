import { z } from "@hono/zod-openapi"
import { sql } from "drizzle-orm"
import { beforeEach, describe, expect, it } from "vitest"

import { createApp } from "../../src/app.ts"
import { runCron } from "../../src/cron.ts"
import { isBuiltIn } from "../../src/engine/applications/built-in.ts"
import { type AnyWork, type SingleJobs, send } from "../../src/engine/jobs/job.ts"
import { ENGINE_JOBS } from "../../src/engine/pipeline/kinds.ts"
import { families } from "../../src/families.ts"
import type { Family } from "../../src/http/family.ts"
import { operation } from "../../src/http/operation.ts"
import { Problem } from "../../src/http/problem.ts"
import { createRouter } from "../../src/http/router.ts"
import { parseConfig } from "../../src/platform/config.ts"
import { consume } from "../../src/queue.ts"
import { batchOf, createWorld, type World } from "../support/world.ts"

declare module "../../src/platform/config.ts" {
  interface FamilyConfig {
    maxParcels?: number
  }
}

interface Weigh extends AnyWork {
  parcelId: string
}

/** A family as a folder would export it; what its job and its sweep have done is written down. */
function parcelFamily(done: string[]) {
  const weighing: SingleJobs<Weigh> = {
    lane: "tasks",
    async work(_deps, _db, { parcelId }) {
      done.push(`weighed ${parcelId}`)
    },
  }
  const parcels = createRouter()
  parcels.openapi(
    operation({
      operationId: "weighParcel",
      tags: ["Parcels"],
      method: "post",
      path: "/parcels/{parcel_id}/weigh",
      request: { params: z.object({ parcel_id: z.string() }) },
      responses: { 202: { description: "To be weighed" } },
    }),
    async (c) => {
      const { parcel_id: parcelId } = c.req.valid("param")
      if (parcelId === "none") throw new Problem(404, null, "Parcel not found")
      const { deps } = c.var
      const work: Weigh = { kind: "weigh-parcel", parcelId }
      await send(deps, weighing.lane, deps.shardOf("app_parcels"), work)
      return c.body(null, 202)
    },
  )
  return {
    application: "app_parcels",
    parts: () => [
      {
        router: parcels,
        dialect: (c, { status, detail }) => c.text(`<parcel>${detail}</parcel>`, status),
      },
    ],
    tags: [{ name: "Parcels", description: "D, parcels" }],
    jobs: { "weigh-parcel": weighing },
    upkeep: [
      {
        look: () => ({ parcels: sql`SELECT 'p7' AS id` }),
        async work(_sweep, { parcels: found = [] }) {
          for (const { id } of found) done.push(`swept ${id}`)
          return { parcelsSwept: found.length }
        },
      },
    ],
    settings: z
      .object({ MAX_PARCELS: z.coerce.number().int().min(1, "must be 1 or more").default(10) })
      .transform(({ MAX_PARCELS }) => ({ maxParcels: MAX_PARCELS })),
  } satisfies Family
}

let world: World
let done: string[]
let all: readonly Family[]
let ask: (path: string, init?: RequestInit) => Promise<Response>

beforeEach(async () => {
  world = await createWorld()
  done = []
  all = [...families, parcelFamily(done)]
  const app = createApp(() => world.deps, all)
  ask = async (path, init = {}) => app.request(path, init, world.env)
})

describe("a family that is one more object in the list", () => {
  it("answers at its route", async () => {
    expect((await ask("/parcels/p1/weigh", { method: "POST" })).status).toBe(202)
  })

  it.each<[string, string, RequestInit, number, string]>([
    ["a refusal of its own", "/parcels/none/weigh", { method: "POST" }, 404, "Parcel not found"],
    ["a method that its route has not", "/parcels/p1/weigh", {}, 405, "Method Not Allowed"],
    ["a path below its own that is nobody's", "/parcels/p1/nowhere", {}, 404, "Not Found"],
    [
      "a refusal at the door",
      "/parcels/p1/weigh",
      { method: "POST", headers: { "sec-fetch-site": "cross-site" } },
      403,
      "Open mode takes no requests from pages of other origins",
    ],
  ])("says %s in its dialect", async (_, path, init, status, detail) => {
    const response = await ask(path, init)
    expect([response.status, await response.text()]).toEqual([status, `<parcel>${detail}</parcel>`])
  })

  it.each(["/parcelsx", "/parcel/p1", "/", "/users/p1/nowhere"])("leaves %s to others", async (path) => {
    expect(await (await ask(path, { method: "PUT" })).text()).not.toContain("parcel>")
  })

  it("has its tag behind the others', and its operation, in the document", async () => {
    const document = await (await ask("/openapi.json")).json<{
      tags: { name: string }[]
      paths: Record<string, Record<string, { operationId: string }>>
    }>()
    expect(document.tags.at(-1)).toEqual({ name: "Parcels", description: "D, parcels" })
    expect(document.paths["/parcels/{parcel_id}/weigh"]?.post?.operationId).toBe("weighParcel")
  })

  it("has its jobs sent to the lane that it names, and worked", async () => {
    await ask("/parcels/p1/weigh", { method: "POST" })
    expect(world.queued).toMatchObject([
      { queue: "tasks", job: { kind: "weigh-parcel", shard: 0, parcelId: "p1" } },
    ])
    const batch = batchOf(world.queued)
    await consume(batch, world.deps, all)
    expect(batch.settled).toEqual(["ack"])
    expect(done).toEqual(["weighed p1"])
  })

  it("has what the sweep finds for it worked, besides the others", async () => {
    await runCron(world.deps, all)
    expect(done).toEqual(["swept p7"])
    expect(world.logged).toContainEqual(
      expect.objectContaining({ unit: "sweep", found: { parcels: 1 }, done: { parcelsSwept: 1 } }),
    )
  })

  it("has its settings read with the others', and its bad ones named with theirs", () => {
    expect(parseConfig({ MAX_PARCELS: "3" }, all)).toMatchObject({ maxParcels: 3, retentionDays: 7 })
    expect(() => parseConfig({ MAX_PARCELS: "0", RETENTION_DAYS: "0", MAX_UPLOAD_BYTES: "0" }, all)).toThrow(
      /RETENTION_DAYS: .*MAX_UPLOAD_BYTES: .*MAX_PARCELS: must be 1 or more/,
    )
  })

  it("is gone with its line: its route is nobody's, and its jobs wait for whoever knows them", async () => {
    await ask("/parcels/p1/weigh", { method: "POST" })
    const response = await world.fetch("/parcels/p1/weigh", { method: "POST" })
    expect([response.status, await response.text()]).toEqual([404, '{"detail":"Not Found"}'])
    const batch = batchOf(world.queued)
    await consume(batch, world.deps)
    expect(batch.settled).toEqual(["retry"])
    expect(world.logged).toContainEqual(
      expect.objectContaining({
        unit: "job",
        jobs: [expect.objectContaining({ kind: "weigh-parcel", parcelId: "p1" })],
        error: "Error: Nobody works jobs of the kind weigh-parcel",
      }),
    )
  })
})

describe("each family of the list", () => {
  it.each(families.flatMap(({ application }) => application ?? []))(
    "has its application %s made by a migration, and it stays",
    async (id) => {
      expect(isBuiltIn(id)).toBe(true)
      const found = await world.fetch(`/api/v1/app/${id}`)
      expect([found.status, await found.json()]).toMatchObject([200, { id }])
      expect((await world.fetch(`/api/v1/app/${id}`, { method: "DELETE" })).status).toBe(409)
    },
  )

  it("has kinds of job and tags that no other has", () => {
    const kinds = families.flatMap(({ jobs }) => Object.keys(jobs ?? {}))
    const tags = families.flatMap((family) => family.tags ?? []).map(({ name }) => name)
    for (const names of [[...kinds, ...Object.keys(ENGINE_JOBS)], tags])
      expect(names).toEqual([...new Set(names)])
  })
})
