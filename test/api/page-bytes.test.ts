import { beforeEach, describe, expect, it } from "vitest"

import { createWorld, ORIGIN, type World } from "../support/world.ts"
import { callApi } from "./svix.ts"

const PAGE_BYTES = 8 * 1024 * 1024
const ROWS = 220
const LONG = 50 * 1024

let world: World

beforeEach(async () => {
  world = await createWorld()
})

/** Rows with long texts, straight into D1. */
async function fill(sql: string): Promise<void> {
  await world.env.DB.prepare(
    `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ${ROWS}) ${sql}`,
  ).run()
}

const long = `json_object('a', hex(zeroblob(${LONG / 2})))`
const LISTS: [path: string, sql: string][] = [
  [
    "/api/v1/app",
    `INSERT INTO applications (id, uid, name, metadata, created_at, updated_at)
     SELECT printf('app_%032d', i), NULL, 'n', ${long}, 2000, 2000 FROM c`,
  ],
  [
    "/api/v1/app/users/endpoint",
    `INSERT INTO endpoints (id, application_id, url, metadata, created_at, updated_at, enabled_at)
     SELECT printf('ep_%032d', i), 'app_users', 'http://a.example/', ${long}, 1, 1, 1 FROM c`,
  ],
  [
    "/api/v1/event-type",
    `INSERT INTO event_types (id, application_id, name, description, created_at, updated_at)
     SELECT printf('ety_%032d', i), 'app_catalog', printf('t%032d', i), ${long}, 2000, 2000 FROM c`,
  ],
]

describe("a page", () => {
  it.each(LISTS)(
    "of %s is cut short by its bytes, and leads on to the rest, both ways",
    async (path, sql) => {
      await fill(sql)
      const seen: unknown[] = []
      const pages: string[] = []
      for (let iterator: string | null = null, done = false; !done; ) {
        const query: string = iterator === null ? "" : `&iterator=${iterator}`
        const text = await (await callApi(world, `${path}?limit=250&order=ascending${query}`)).text()
        expect(text.length).toBeLessThan(PAGE_BYTES + 4 * LONG)
        const page: { data: { id?: string; name?: string }[]; done: boolean; iterator: string } =
          JSON.parse(text)
        expect(page.data.length).toBeGreaterThan(0)
        seen.push(...page.data.map(({ id, name }) => id ?? name))
        ;({ iterator, done } = page)
        pages.push(text)
      }
      expect(pages.length).toBeGreaterThan(1)
      expect(new Set(seen).size).toBe(seen.length)
      expect(seen.length).toBeGreaterThanOrEqual(ROWS)
      const last = JSON.parse(pages.at(-1) ?? "")
      const back = await callApi(world, `${path}?limit=250&order=ascending&iterator=${last.prevIterator}`)
      const before = await back.json<{ data: { id?: string; name?: string }[] }>()
      expect(before.data.map(({ id, name }) => id ?? name)).toEqual(
        seen.slice(0, -last.data.length).slice(-before.data.length),
      )
    },
  )

  it("of A's messages is cut short by its bytes, and its link leads on", async () => {
    for (const username of ["alice", "bob"]) await world.fetch("/users", { json: { username } })
    await fill(
      `INSERT INTO messages (id, sender, recipient, subject, message, received_at)
       SELECT printf('mail_%032d', i), 'alice', 'bob', '', hex(zeroblob(${LONG / 2})), 1 FROM c`,
    )
    let path: string | undefined = "/users/messages?recipient=bob"
    let count = 0
    let pages = 0
    while (path !== undefined) {
      const answer = await world.fetch(path)
      const text = await answer.text()
      expect(text.length).toBeLessThan(PAGE_BYTES + 4 * LONG)
      count += JSON.parse(text).length
      pages++
      const next: string | undefined = /^<([^>]+)>/.exec(answer.headers.get("link") ?? "")?.[1]
      path = next?.slice(ORIGIN.length)
    }
    expect([count, pages > 1]).toEqual([ROWS, true])
  })
})
