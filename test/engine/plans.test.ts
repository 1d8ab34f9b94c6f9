import { beforeAll, describe, expect, it } from "vitest"

import { runCron } from "../../src/cron.ts"
import { getPingResults, startPing } from "../../src/engine/pings/ping.ts"
import { createWorld, type World } from "../support/world.ts"

// How SQLite finds the rows of each statement that runs for every event, retry, minute or page: the statements are
// those of real runs, so that none can change unseen. A plan that walks a table instead of searching it is as fast as
// another in a test, and takes the database down with a million rows in it.

const HOOK = "http://receiver.example/hook"
const MINUTE_MS = 60_000
const DAY_MS = 24 * 3600_000

/** From one application of the retry lane to the next: one step of the index for each, and what closes the round. */
const ROUND = [
  "SEARCH x USING COVERING INDEX endpoints_due (application_id>?)",
  "SEARCH x USING COVERING INDEX endpoints_due (application_id<?)",
  "SCAN ring",
  "SEARCH x USING COVERING INDEX endpoints_due (application_id>?)",
  "SEARCH x USING COVERING INDEX endpoints_due (application_id<?)",
  "SEARCH x USING COVERING INDEX endpoints_due (application_id>? AND application_id<?)",
]

/** The same, behind whoever had the last turn. */
const TURN = "SEARCH system_state USING PRIMARY KEY (key=?)"
const ROUND_BEHIND_TURN = [
  "SEARCH x USING COVERING INDEX endpoints_due (application_id>?)",
  TURN,
  "SEARCH x USING COVERING INDEX endpoints_due (application_id<?)",
  TURN,
  "SCAN ring",
  TURN,
  "SEARCH x USING COVERING INDEX endpoints_due (application_id>?)",
  "SEARCH x USING COVERING INDEX endpoints_due (application_id<?)",
  TURN,
  "SEARCH x USING COVERING INDEX endpoints_due (application_id>? AND application_id<?)",
  TURN,
]

/** What a stage has run: each statement, its white space collapsed, with the lines of its plan that touch rows. */
type Plans = Map<string, string[]>
let stages: Record<string, Plans>

beforeAll(async () => {
  stages = await plansOfRuns()
})

describe("accepting a message", () => {
  it("searches by keys, and looks for one who is interested", () => {
    expect(planOf("accept", "INSERT INTO events")).toEqual([
      "SEARCH a USING INDEX sqlite_autoindex_applications_1 (id=?)",
      "SEARCH applications USING COVERING INDEX sqlite_autoindex_applications_1 (id=?)",
      "SEARCH applications USING INDEX applications_by_uid (uid=?)",
      "SEARCH o USING PRIMARY KEY (application_id=? AND name=?) LEFT-JOIN",
      "SEARCH c USING PRIMARY KEY (application_id=? AND name=?) LEFT-JOIN",
      "SEARCH e USING INDEX sqlite_autoindex_endpoints_1 (id=?)",
      // At most 26 that take everything, then at most 26 subscribers, each found by its id.
      "SEARCH e USING INDEX endpoints_taking_all (application_id=?)",
      "SCAN e",
      "SEARCH s USING PRIMARY KEY (event_type_id=? AND application_id=?)",
      "SCAN s",
      "SEARCH e USING INDEX endpoints_by_application (application_id=? AND id=?)",
      "SEARCH e USING INDEX endpoints_taking_all (application_id=?)",
      "SEARCH s USING PRIMARY KEY (event_type_id=? AND application_id=?)",
    ])
  })
})

describe("dispatching", () => {
  it.each([
    [
      "SELECT v.id, v.application_id, v.payload",
      [
        "SEARCH v USING INDEX events_by_application (application_id=? AND id=?)",
        "SEARCH a USING INDEX sqlite_autoindex_applications_1 (id=?)",
      ],
    ],
    [
      "SELECT v.id AS event_id",
      [
        "SEARCH v USING INDEX events_by_application (application_id=? AND id=?)",
        "SEARCH e USING INDEX sqlite_autoindex_endpoints_1 (id=?)",
        "SEARCH s USING PRIMARY KEY (event_type_id=? AND application_id=? AND endpoint_id>?)",
        "SEARCH a USING INDEX endpoints_taking_all (application_id=? AND id>?)",
        "SEARCH s USING PRIMARY KEY (endpoint_id=?)",
      ],
    ],
    [
      "INSERT INTO deliveries",
      ["SEARCH v EXISTS USING INDEX events_by_application (application_id=? AND id=?)"],
    ],
    [
      "INSERT INTO attempts",
      [
        "SEARCH d USING PRIMARY KEY (event_id=? AND endpoint_id=?)",
        "SEARCH v EXISTS USING COVERING INDEX events_by_application (application_id=? AND id=?)",
      ],
    ],
    [
      "WITH h AS MATERIALIZED",
      [
        "SEARCH e USING INDEX sqlite_autoindex_endpoints_1 (id=?)",
        "SEARCH v USING INDEX events_by_application (application_id=? AND id=?)",
        "SCAN h",
        "SEARCH endpoints USING INDEX sqlite_autoindex_endpoints_1 (id=?)",
        "SEARCH d USING COVERING INDEX deliveries_pending (endpoint_id=? AND next_attempt_at>?)",
      ],
    ],
    [
      "UPDATE events AS v SET dispatched_at",
      ["SEARCH v USING INDEX events_by_application (application_id=? AND id=?)"],
    ],
  ])("searches by keys: %s", (statement, plan) => {
    expect(planOf("dispatch", statement)).toEqual(plan)
  })
})

describe("the retry lane", () => {
  it.each([
    [
      "UPDATE endpoints SET lease_token",
      [
        "SEARCH endpoints USING INTEGER PRIMARY KEY (rowid=?)",
        // From one application to the next, a step of the index each, and once round.
        ...ROUND_BEHIND_TURN,
        // What is sorted is a page of each application's in a page of applications.
        "SCAN ring",
        "SEARCH x USING COVERING INDEX endpoints_due (application_id=? AND due_at>?)",
        "SEARCH a USING INDEX sqlite_autoindex_applications_1 (id=?)",
        "SCAN w",
        "SEARCH e USING INTEGER PRIMARY KEY (rowid=?)",
        "SEARCH x USING COVERING INDEX endpoints_due (application_id=? AND due_at<?)",
        "USE TEMP B-TREE FOR ORDER BY",
        "SCAN page",
        "USE TEMP B-TREE FOR ORDER BY",
        "SEARCH e USING INDEX endpoints_leased (leased_until=?)",
        TURN,
      ],
    ],
    [
      "SELECT l.json AS left",
      [
        ...ROUND_BEHIND_TURN,
        "SCAN ring",
        "SEARCH x USING COVERING INDEX endpoints_due (application_id=? AND due_at>?)",
        "SEARCH a USING INDEX sqlite_autoindex_applications_1 (id=?)",
        "SCAN l",
        "SEARCH e USING INDEX endpoints_leased (leased_until=?) LEFT-JOIN",
        "SEARCH a USING INDEX sqlite_autoindex_applications_1 (id=?) LEFT-JOIN",
        TURN,
        "SEARCH s USING PRIMARY KEY (endpoint_id=?)",
      ],
    ],
    // What is sorted is the page: six deliveries of each of 36 endpoints.
    [
      "SELECT p.event_id, p.endpoint_id",
      [
        "SEARCH e USING INDEX endpoints_leased (leased_until=?)",
        "SEARCH d USING PRIMARY KEY (event_id=? AND endpoint_id=?)",
        "SEARCH x USING COVERING INDEX deliveries_pending (endpoint_id=? AND next_attempt_at<?)",
        "USE TEMP B-TREE FOR ORDER BY",
        "USE TEMP B-TREE FOR ORDER BY",
        "USE TEMP B-TREE FOR ORDER BY",
        "SCAN p",
        "SEARCH d USING PRIMARY KEY (event_id=? AND endpoint_id=?)",
        "SEARCH e USING INDEX sqlite_autoindex_endpoints_1 (id=?)",
        "SEARCH v USING INDEX events_by_application (application_id=? AND id=?)",
        "SEARCH s USING PRIMARY KEY (event_type_id=? AND application_id=? AND endpoint_id=?)",
        "USE TEMP B-TREE FOR LAST TERM OF ORDER BY",
      ],
    ],
    [
      "INSERT INTO attempts",
      ["SEARCH v EXISTS USING COVERING INDEX events_by_application (application_id=? AND id=?)"],
    ],
    [
      "UPDATE deliveries AS d",
      [
        "SEARCH d USING PRIMARY KEY (event_id=? AND endpoint_id=?)",
        "SEARCH e EXISTS USING INDEX sqlite_autoindex_endpoints_1 (id=?)",
      ],
    ],
    [
      "WITH h AS MATERIALIZED",
      [
        "SEARCH e USING INDEX sqlite_autoindex_endpoints_1 (id=?)",
        "SCAN h",
        "SEARCH endpoints USING INDEX sqlite_autoindex_endpoints_1 (id=?)",
        "SEARCH d USING COVERING INDEX deliveries_pending (endpoint_id=? AND next_attempt_at>?)",
      ],
    ],
  ])("searches what is due, and then by keys: %s", (statement, plan) => {
    expect(planOf("drain", statement)).toEqual(plan)
  })
})

describe("an attempt's list", () => {
  it.each([
    [
      "first attempts",
      "AS p0, a.endpoint_id AS p1",
      "deliveries_by_endpoint (endpoint_id=?)",
      "endpoint_id=?",
    ],
    ["later attempts", "AS p0, a.id AS p1", "attempts_by_endpoint (endpoint_id=?)", "id=?"],
  ])("of an endpoint walks one index of its %s, without sorting it", (_, columns, index, key) => {
    const plan = planOf("list endpoint", columns)
    expect(plan.slice(0, 3)).toEqual([
      `SEARCH a USING COVERING INDEX ${index}`,
      "SCAN l",
      `SEARCH a USING PRIMARY KEY (event_id=? AND ${key})`,
    ])
    // The page at the end alone.
    expect(plan.filter((line) => line.includes("TEMP B-TREE"))).toHaveLength(1)
  })
})

describe("a resend", () => {
  const waiting =
    "SEARCH d USING COVERING INDEX deliveries_to_resend (application_id=? AND resend_leased_until=? AND resend_requested_at>?)"
  const underWay =
    "SEARCH d USING COVERING INDEX deliveries_to_resend (application_id=? AND resend_leased_until>?)"
  // What is grouped are those under way: a few.
  const next = [waiting, underWay, underWay, "USE TEMP B-TREE FOR GROUP BY"]

  it.each([
    [
      "UPDATE deliveries SET resend_leased_until",
      ["SEARCH deliveries USING PRIMARY KEY (event_id=? AND endpoint_id=?)", ...next],
    ],
    [
      "SELECT d.event_id, d.resend_requested_at",
      [
        waiting,
        "SEARCH e USING INDEX sqlite_autoindex_endpoints_1 (id=?)",
        "SEARCH v USING INDEX events_by_application (application_id=? AND id=?) LEFT-JOIN",
        "SEARCH s USING PRIMARY KEY (endpoint_id=?)",
        ...next,
      ],
    ],
    ["SELECT event_id, endpoint_id FROM ( SELECT d.event_id", next],
  ])("is found among its application's, and then by keys: %s", (statement, plan) => {
    expect(planOf("resend", statement)).toEqual(plan)
  })
})

describe("a minute", () => {
  it.each([
    [
      "SELECT removed_at FROM endpoints",
      "SEARCH endpoints USING COVERING INDEX endpoints_removed (removed_at>?)",
    ],
    [
      "FROM idempotency_keys",
      "SEARCH idempotency_keys USING COVERING INDEX idempotency_keys_by_age (created_at<?)",
    ],
    [
      "FROM events WHERE payload_expires_at",
      "SEARCH events USING COVERING INDEX events_by_payload_expiry (payload_expires_at<?)",
    ],
    ["SELECT 1 FROM events v INDEXED BY", "SCAN v USING INDEX events_undispatched"],
    ["FROM uploads WHERE state in", "SCAN uploads USING INDEX uploads_unfinished"],
  ])("looks by the index made for it: %s", (statement, line) => {
    expect(planOf("sweep", statement)).toEqual([line])
  })

  it("steps from one application with something due to the next", () => {
    expect(planOf("sweep", "SELECT 'lease' AS what")).toEqual([
      "SEARCH endpoints USING COVERING INDEX endpoints_leased (leased_until<?)",
      ...ROUND,
      "SCAN ring",
      "SEARCH x USING COVERING INDEX endpoints_due (application_id=? AND due_at<?) LEFT-JOIN",
    ])
  })

  it("is watched by steps of the same indexes", () => {
    expect(planOf("health", "SELECT created_at FROM")).toEqual(["SCAN v USING INDEX events_undispatched"])
    expect(planOf("health", "AS since")).toEqual([
      ...ROUND,
      // A page of each application's at most.
      "SCAN ring",
      "SEARCH a USING INDEX sqlite_autoindex_applications_1 (id=?)",
      "SEARCH p USING INTEGER PRIMARY KEY (rowid=?)",
      "SEARCH x USING COVERING INDEX endpoints_due (application_id=? AND due_at>? AND due_at<?)",
      "SEARCH endpoints USING COVERING INDEX endpoints_leased (leased_until<?)",
      "SEARCH (subquery-10)",
    ])
  })

  it("counts attempts in the order of the indexes that lists walk, without sorting them", () => {
    const plan = planOf("sweep", "AS reached, r.last")
    expect(plan.filter((line) => !/^SCAN [krw]( LEFT-JOIN)?$/.test(line))).toEqual([
      "SEARCH s USING PRIMARY KEY (key=?)",
      "SEARCH e USING COVERING INDEX sqlite_autoindex_endpoints_1 (id>?)",
      "SEARCH e USING COVERING INDEX sqlite_autoindex_endpoints_1 (id>? AND id<?)",
      "SEARCH a USING COVERING INDEX deliveries_by_endpoint (endpoint_id=? AND attempt_id>? AND attempt_id<?)",
      "SEARCH a USING PRIMARY KEY (event_id=? AND endpoint_id=?)",
      "SEARCH v USING INDEX events_by_application (application_id=? AND id=?) LEFT-JOIN",
      "SEARCH e USING COVERING INDEX sqlite_autoindex_endpoints_1 (id>? AND id<?)",
      "SEARCH a USING COVERING INDEX attempts_by_endpoint (endpoint_id=? AND id>? AND id<?)",
      "SEARCH a USING PRIMARY KEY (event_id=? AND id=?)",
      "SEARCH v USING INDEX events_by_application (application_id=? AND id=?) LEFT-JOIN",
    ])
    expect(planOf("retention", "DELETE FROM endpoint_hours")).toEqual([
      "SEARCH endpoint_hours USING PRIMARY KEY (endpoint_id=? AND hour=?)",
      "SEARCH e USING COVERING INDEX sqlite_autoindex_endpoints_1 (id>? AND id<?)",
      "SEARCH h USING PRIMARY KEY (endpoint_id=? AND hour<?)",
    ])
  })

  it("steps from one application that waits for resends to the next", () => {
    const index = "COVERING INDEX deliveries_to_resend"
    const few = [
      `SEARCH d USING ${index} (application_id=? AND resend_leased_until=? AND resend_requested_at>? AND resend_requested_at<?)`,
      `SEARCH d USING ${index} (application_id=? AND resend_leased_until<?)`,
    ]
    expect(planOf("sweep", "AS waiting")).toEqual([
      `SEARCH x USING ${index} (application_id>?)`,
      "SCAN each_application",
      `SEARCH x USING ${index} (application_id>?)`,
      "SCAN each_application",
      ...few,
      ...few,
    ])
  })

  it("steps from one application with tasks to the next, and looks at the first ones of each", () => {
    const index = "COVERING INDEX tasks_running"
    const steps = [
      `SEARCH x USING ${index} (application_id>?)`,
      "SCAN each_application",
      `SEARCH x USING ${index} (application_id>?)`,
    ]
    const plan = planOf("sweep", "CROSS JOIN tasks")
    expect(plan.slice(0, 3)).toEqual(steps)
    const first = ["SEARCH x USING INDEX tasks_running (application_id=?)", "SCAN w"]
    expect(plan.slice(3)).toEqual([
      "SCAN each_application",
      ...first,
      "SEARCH t USING INDEX sqlite_autoindex_tasks_1 (id=?)",
      ...first,
      "USE TEMP B-TREE FOR ORDER BY",
    ])
  })

  it("finds what is past retention by the events' numbers, and deletes it by keys", () => {
    expect(planOf("sweep", "SELECT c.cursor")).toContain("SEARCH n USING INTEGER PRIMARY KEY (rowid>?)")
    expect(planOf("retention", "SELECT v.seq, v.application_id")).toEqual([
      "SEARCH v USING INTEGER PRIMARY KEY (rowid>?)",
      "SEARCH d USING PRIMARY KEY (event_id=?)",
    ])
    expect(planOf("retention", "DELETE FROM events AS v")).toEqual([
      "SEARCH v USING COVERING INDEX events_by_application (application_id=? AND id=?)",
      "SEARCH a USING PRIMARY KEY (event_id=?)",
      "SEARCH d USING PRIMARY KEY (event_id=?)",
    ])
  })
})

it("walks no large table, whatever has run", () => {
  const plans = Object.values(stages).flatMap((stage) => [...stage])
  expect(plans.length).toBeGreaterThan(40)
  const large = /^SCAN (attempts|deliveries|endpoints|events|subscriptions|secrets|a|d|e|t|v|x)$/
  const walking = plans.flatMap(([sql, lines]) =>
    lines.filter((line) => large.test(line) && !isTheFew(sql, line)).map((line) => `${line}: ${sql}`),
  )
  expect(walking).toEqual([])
})

/** Those who take everything, 26 at most: a subquery of this name. */
function isTheFew(sql: string, line: string): boolean {
  return line === "SCAN e" && sql.includes("LIMIT 26) e WHERE")
}

function planOf(stage: string, part: string): string[] {
  const found = [...(stages[stage] ?? [])].filter(([sql]) => sql.includes(part))
  const [first] = found
  if (!first) throw new Error(`nothing like "${part}" has run`)
  return first[1]
}

async function plansOfRuns(): Promise<Record<string, Plans>> {
  const world = await createWorld({ RETENTION_DAYS: "1" })
  const seen: Record<string, Set<string>> = {}
  async function stage(name: string, work: () => Promise<unknown>): Promise<void> {
    const statements = new Set<string>()
    seen[name] = statements
    world.probe.onTrip = (trip) => {
      for (const { sql } of trip) statements.add(sql)
    }
    await work()
    world.probe.onTrip = null
  }
  const call = async (path: string, json?: unknown) => {
    const answer = await world.fetch(`/api/v1/app/plans${path}`, json === undefined ? {} : { json })
    if (!answer.ok) throw new Error(`${path} answered ${answer.status}`)
    return (await answer.json()) as { id: string }
  }
  const cron = () => runCron(world.deps)

  await world.fetch("/api/v1/app", { json: { name: "plans", uid: "plans" } })
  const endpoint = await call("/endpoint", { url: HOOK })
  world.receivers.at(HOOK, 500, 500, 200)
  await call("/msg", { eventType: "plans.made", payload: {} })
  await world.run(world.queued.splice(0))
  await world.runAllWithSweeps(20 * MINUTE_MS)
  world.receivers.at(HOOK, 500, 200)
  let message = { id: "" }
  await stage("accept", async () => {
    message = await call("/msg", { eventType: "plans.made", payload: {} })
  })
  await stage("dispatch", () => world.run(world.queued.splice(0)))
  world.clock.advance(MINUTE_MS)
  await stage("sweep", cron)
  await stage("drain", () => world.runDue())
  await stage("list endpoint", () => call(`/attempt/endpoint/${endpoint.id}`))
  for (const path of [
    `/attempt/msg/${message.id}`,
    `/endpoint/${endpoint.id}/msg`,
    `/endpoint/${endpoint.id}/stats`,
    `/endpoint/${endpoint.id}/history`,
    `/endpoint/${endpoint.id}/health`,
    `/endpoint/${endpoint.id}/delivery-counts`,
    "/endpoint-health",
    `/message-progress?message_id=${message.id}`,
    `/msg/${message.id}/endpoint`,
    `/msg/${message.id}/verdict`,
    "/msg",
  ]) {
    await stage(path, () => call(path))
  }
  await stage("health", () => world.fetch("/health"))
  await stage("activity", () => world.fetch("/api/v1/overview/activity"))
  await stage("attention", () => world.fetch("/api/v1/overview/attention"))
  await stage("dry run", () => call("/msg/dry-run", { eventType: "plans.made", payload: {} }))
  const ask = async (method: string, path: string) => {
    const { ok, status } = await world.fetch(`/api/v1/app/plans${path}`, { method })
    if (!ok) throw new Error(`${method} ${path} answered ${status}`)
    await world.runDue()
  }
  await stage("resend", () => ask("POST", `/msg/${message.id}/endpoint/${endpoint.id}/resend`))
  await stage("secret", () => ask("GET", `/endpoint/${endpoint.id}/secret`))
  await stage("rotate", () => call(`/endpoint/${endpoint.id}/secret/rotate`, {}))
  await stage("ping", async () => {
    await world.fetch("/webhook", { json: { event: "user_registered", url: HOOK } })
    const ping = await startPing(world.deps, ["app_users"], { payload: () => "{}" })
    await world.runDue()
    if (ping) await getPingResults(world.deps, ping)
  })
  await stage("recover", async () => {
    const since = new Date(world.clock.now() - MINUTE_MS).toISOString()
    await call(`/endpoint/${endpoint.id}/recover`, { since })
    await world.runDue()
  })
  await stage("expunge", () => ask("DELETE", `/msg/${message.id}/content`))
  world.clock.advance(3 * DAY_MS)
  await stage("retention", cron)
  await stage("delete", () => ask("DELETE", `/endpoint/${endpoint.id}`))

  const plans: Record<string, Plans> = {}
  for (const [name, statements] of Object.entries(seen)) {
    plans[name] = new Map()
    for (const sql of statements) plans[name].set(collapsed(sql), await explain(world, sql))
  }
  return plans
}

/** The lines of the plan that say how rows are found or sorted; values make no difference to it. */
async function explain(world: World, sql: string): Promise<string[]> {
  const values = Array(sql.split("?").length - 1).fill(null)
  const { results } = await world.env.DB.prepare(`EXPLAIN QUERY PLAN ${sql}`)
    .bind(...values)
    .all<{ detail: string }>()
  return results
    .map(({ detail }) => detail)
    .filter(
      (line) => /^(SCAN|SEARCH|USE)/.test(line) && !/VIRTUAL TABLE|CONSTANT ROW|SCAN \(subquery/.test(line),
    )
}

function collapsed(sql: string): string {
  return sql.replace(/\s+/g, " ").trim()
}
