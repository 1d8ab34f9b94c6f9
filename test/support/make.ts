import { newId } from "../../src/db/ids.ts"
import type { World } from "./world.ts"

/** Endpoints of application A subscribed to `user_registered`, straight into D1: `count` of them in one go. */
export async function makeEndpoints(
  world: World,
  count: number,
  url = (n: number) => `http://r${n}.example/`,
) {
  const rows = Array.from({ length: count }, (_, n) => {
    const suffix = n.toString(16).padStart(8, "0")
    return {
      id: `ep_${suffix}`,
      sub: `sub_${suffix}`,
      secret: `sec_${suffix}`,
      url: url(n),
      sealed: `0:${SECRET}`,
    }
  })
  const { DB } = world.env
  const json = JSON.stringify(rows)
  await DB.batch([
    DB.prepare(
      `INSERT INTO endpoints (id, application_id, url, url_key, created_at, updated_at, enabled_at)
       SELECT value->>'id', 'app_users', value->>'url', value->>'url', 1, 1, 1 FROM json_each(?)`,
    ).bind(json),
    DB.prepare(
      `INSERT INTO secrets (id, endpoint_id, sealed, created_at)
       SELECT value->>'secret', value->>'id', value->>'sealed', 1 FROM json_each(?)`,
    ).bind(json),
    DB.prepare(
      `INSERT INTO subscriptions (id, event_type_id, application_id, endpoint_id, created_at)
       SELECT value->>'sub', 'ety_user_registered', 'app_users', value->>'id', 1 FROM json_each(?)`,
    ).bind(json),
  ])
  return rows
}

/** The secret of every endpoint that `makeEndpoints` makes. */
export const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

/** Registers a URL for `user_registered` through A's door; answers its signing secret. */
export async function registerHook(world: World, url: string): Promise<string> {
  const answer = await world.fetch("/webhook", { json: { event: "user_registered", url } })
  if (answer.status !== 200) throw new Error(`not registered: ${answer.status} ${await answer.text()}`)
  const { secret = "" } = await answer.json<{ secret?: string }>()
  return secret
}

/** Publishes a `user_registered` through A's door; answers the event's id. */
export async function registerUser(world: World, username: string): Promise<string> {
  const answer = await world.fetch("/users", { json: { username } })
  if (answer.status !== 200) throw new Error(`not registered: ${answer.status} ${await answer.text()}`)
  const row = await world.env.DB.prepare("SELECT max(id) AS id FROM events").first<{ id: string }>()
  return row?.id ?? ""
}

/** `count` dispatched events, each owed to every one of the endpoints, and due now. */
export async function makeDue(
  world: World,
  count: number,
  endpoints: readonly ({ id: string } | undefined)[],
) {
  const now = world.clock.now()
  const { DB } = world.env
  const ids = JSON.stringify(endpoints.map((endpoint) => endpoint?.id))
  const prefix = newId("event", now)
  await DB.batch([
    DB.prepare(
      `WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < ?1)
       INSERT INTO events (id, application_id, event_type_id, event_type, created_at, dispatched_at, payload)
       SELECT ?2 || i, 'app_users', 'ety_user_registered', 'user_registered', ?3, ?3, '{}' FROM c`,
    ).bind(count, prefix, now),
    DB.prepare(
      `INSERT INTO deliveries (event_id, endpoint_id, application_id, status, next_attempt_at, created_at, attempt_id)
       SELECT v.id, e.value, 'app_users', 'pending', ?1, ?1, 'att' || substr(v.id, 4) FROM events v JOIN json_each(?2) e WHERE v.id LIKE ?3`,
    ).bind(now, ids, `${prefix}%`),
    DB.prepare("UPDATE endpoints SET due_at = ? WHERE id IN (SELECT value FROM json_each(?))").bind(now, ids),
  ])
}

/** A tenant straight into the first database: its endpoints take everything, and each has its one event due at `dueAt`. */
export interface Tenant {
  id: string
  endpoints: number
  dueAt: number
  /** Of its `n`th endpoint. */
  url?: (n: number) => string
}

/** Tenants with something due in the retry lane. */
export async function makeTenants(world: World, tenants: readonly Tenant[]): Promise<void> {
  const { DB } = world.env
  const rows = tenants.flatMap(({ id, endpoints, dueAt, url }) =>
    Array.from({ length: endpoints }, (_, n) => {
      const to = url ? url(n) : `http://r${n}.${id.slice(4)}.example/`
      return [id, `ep_${id}_${n}`, dueAt, to]
    }),
  )
  for (let start = 0; start < rows.length; start += 5000) {
    const page = JSON.stringify(rows.slice(start, start + 5000))
    await DB.batch(
      [
        `INSERT INTO applications (id, name, created_at, updated_at)
         SELECT DISTINCT value->>0, '', 2000, 2000 FROM json_each(?) WHERE true ON CONFLICT DO NOTHING`,
        `INSERT INTO events (id, application_id, event_type_id, event_type, created_at, dispatched_at, payload)
         SELECT DISTINCT 'evt_' || (value->>0), value->>0, 'ety_any', 'any', 2000, 2000, '{}' FROM json_each(?) WHERE true
         ON CONFLICT DO NOTHING`,
        `INSERT INTO endpoints (id, application_id, url, all_event_types_since, created_at, updated_at, enabled_at, due_at)
         SELECT value->>1, value->>0, value->>3, 1, 1, 1, 1, value->>2 FROM json_each(?)`,
        `INSERT INTO secrets (id, endpoint_id, sealed, created_at)
         SELECT 'sec_' || (value->>1), value->>1, '0:${SECRET}', 1 FROM json_each(?)`,
        `INSERT INTO deliveries (event_id, endpoint_id, application_id, status, next_attempt_at, created_at, attempt_id)
         SELECT 'evt_' || (value->>0), value->>1, value->>0, 'pending', value->>2, 1, 'att_' || (value->>1)
         FROM json_each(?)`,
      ].map((text) => DB.prepare(text).bind(page)),
    )
  }
}
