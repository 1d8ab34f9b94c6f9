import { env } from "cloudflare:workers"
import type { World } from "./world.ts"

export const NOON = "2026-01-15T12:00:00.000+00:00"

/** Every page from `path` on, along the Link headers. */
export async function followLinks(world: World, path: string): Promise<unknown[][]> {
  const pages: unknown[][] = []
  for (let next: string | undefined = path; next !== undefined; ) {
    const response: Response = await world.fetch(next)
    pages.push(await response.json())
    next = /^<([^>]+)>; rel="next"$/.exec(response.headers.get("link") ?? "")?.[1]
  }
  return pages
}

export function userRow(n: number) {
  return { username: `user ${5000 - n}`, registered_at: NOON }
}

/** Straight into D1, for speed; names run against the order of registration. */
export async function insertUsers(count: number): Promise<void> {
  const rows = Array.from({ length: count }, (_, n) => ({ id: hexId("usr", n), name: userRow(n).username }))
  await env.DB.prepare(
    "INSERT INTO users (id, username, registered_at) SELECT value->>'id', value->>'name', ? FROM json_each(?)",
  )
    .bind(Date.parse(NOON), JSON.stringify(rows))
    .run()
}

/** Messages of Alice to Bob, straight into D1. */
export async function insertMessages(count: number): Promise<void> {
  const rows = Array.from({ length: count }, (_, n) => ({ id: hexId("mail", n), subject: String(n) }))
  await env.DB.prepare(
    `INSERT INTO messages (id, sender, recipient, subject, message, received_at)
     SELECT value->>'id', 'alice', 'bob', value->>'subject', '', ? FROM json_each(?)`,
  )
    .bind(Date.parse(NOON), JSON.stringify(rows))
    .run()
}

function hexId(prefix: string, n: number): string {
  return `${prefix}_${n.toString(16).padStart(32, "0")}`
}
