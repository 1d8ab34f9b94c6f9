import { sql } from "drizzle-orm"
import { beforeAll, describe, expect, it } from "vitest"

import { candidates, DIRECT_LIMIT, doneAtOnce, isInterested } from "../../src/engine/pipeline/interest.ts"
import {
  type Absence,
  type Dispatched,
  explainAbsence,
  type MatchedEndpoint,
  type MatchedEvent,
  type Mismatch,
  match,
} from "../../src/engine/rules/match.ts"
import { createWorld, type World } from "../support/world.ts"

const EVENT: MatchedEvent = { createdAt: 1_000, endpointId: null, channels: null }
const ENDPOINT: MatchedEndpoint = {
  id: "ep_1",
  createdAt: 500,
  removedAt: null,
  disabledAt: null,
  subscribedAt: 600,
  allEventTypesSince: null,
  channels: null,
}
const UNSUBSCRIBED = { subscribedAt: null }
const DIRECTED = { endpointId: ENDPOINT.id }

type Case = [title: string, event: Partial<MatchedEvent>, endpoint: Partial<MatchedEndpoint>, Mismatch | null]

/** Both the pure rule and what the dispatch asks of D1 are held to these. */
const CASES: Case[] = [
  ["a subscription that is older", {}, {}, null],
  ["a subscription made at the very time", {}, { subscribedAt: 1_000 }, null],
  ["a subscription made later", {}, { subscribedAt: 1_001 }, "subscribed-later"],
  ["an endpoint made at the very time", {}, { createdAt: 1_000, subscribedAt: 1_000 }, null],
  ["an endpoint made later", {}, { createdAt: 1_001, subscribedAt: 1_001 }, "created-later"],
  ["no subscription", {}, UNSUBSCRIBED, "not-subscribed"],
  [
    "an endpoint made later, without a subscription",
    {},
    { ...UNSUBSCRIBED, createdAt: 1_001 },
    "not-subscribed",
  ],

  ["one that takes everything", {}, { ...UNSUBSCRIBED, allEventTypesSince: 600 }, null],
  ["one that takes everything from that time on", {}, { ...UNSUBSCRIBED, allEventTypesSince: 1_000 }, null],
  [
    "one that takes everything since later",
    {},
    { ...UNSUBSCRIBED, allEventTypesSince: 1_001 },
    "subscribed-later",
  ],
  ["one that had a subscription before it took everything", {}, { allEventTypesSince: 1_001 }, null],
  [
    "one that took everything before its subscription",
    {},
    { subscribedAt: 1_001, allEventTypesSince: 600 },
    null,
  ],
  ["both, and both later", {}, { subscribedAt: 1_002, allEventTypesSince: 1_001 }, "subscribed-later"],

  ["a channel, and an endpoint without", { channels: ["a"] }, {}, null],
  ["a channel of the endpoint's", { channels: ["a"] }, { channels: ["b", "a"] }, null],
  ["one channel of several", { channels: ["x", "b"] }, { channels: ["a", "b"] }, null],
  ["other channels", { channels: ["x"] }, { channels: ["a", "b"] }, "channel-mismatch"],
  ["no channel, and an endpoint with one", {}, { channels: ["a"] }, "channel-mismatch"],
  ["an empty list of channels", { channels: [] }, { channels: ["a"] }, "channel-mismatch"],
  ["an endpoint with an empty list", { channels: ["a"] }, { channels: [] }, "channel-mismatch"],
  ["channels that differ in case", { channels: ["A"] }, { channels: ["a"] }, "channel-mismatch"],
  ["a channel that begins like another", { channels: ["ab"] }, { channels: ["a"] }, "channel-mismatch"],
  [
    "one that takes everything, on another channel",
    { channels: ["x"] },
    { ...UNSUBSCRIBED, allEventTypesSince: 1, channels: ["a"] },
    "channel-mismatch",
  ],

  ["one that is disabled", {}, { disabledAt: 900 }, "disabled"],
  ["one that was disabled later", {}, { disabledAt: 1_100 }, "disabled"],
  ["one that is disabled and not subscribed", {}, { ...UNSUBSCRIBED, disabledAt: 900 }, "not-subscribed"],
  [
    "one that is disabled and on another channel",
    {},
    { disabledAt: 900, channels: ["a"] },
    "channel-mismatch",
  ],
  ["one that is removed", {}, { removedAt: 900 }, "removed"],
  ["one that was removed later", {}, { removedAt: 1_100 }, "removed"],
  ["one that is removed and disabled", {}, { removedAt: 900, disabledAt: 800 }, "removed"],

  ["its own directed event", DIRECTED, {}, null],
  ["its own, without a subscription", DIRECTED, UNSUBSCRIBED, null],
  ["its own, older than the subscription", DIRECTED, { subscribedAt: 1_001 }, null],
  ["its own, on another channel", { ...DIRECTED, channels: ["x"] }, { channels: ["a"] }, null],
  ["its own, while disabled", DIRECTED, { disabledAt: 900 }, "disabled"],
  ["its own, removed", DIRECTED, { removedAt: 900 }, "removed"],
  ["one directed at another", { endpointId: "ep_2" }, {}, "directed-elsewhere"],
  [
    "one directed at another, while disabled",
    { endpointId: "ep_2" },
    { disabledAt: 900 },
    "directed-elsewhere",
  ],
]

describe("whether an endpoint gets an event", () => {
  it.each(CASES)("is decided by the rule: %s", (_title, event, endpoint, mismatch) => {
    expect(match({ ...EVENT, ...event }, { ...ENDPOINT, ...endpoint })).toBe(mismatch)
  })

  describe("and by the dispatch", () => {
    let world: World
    beforeAll(async () => {
      world = await createWorld()
    })

    it.each(CASES)("in SQL: %s", async (_title, event, endpoint, mismatch) => {
      const given = { event: { ...EVENT, ...event }, endpoint: { ...ENDPOINT, ...endpoint } }
      expect(await askDatabase(world, given)).toEqual({
        interested: mismatch === null,
        doneAtOnce: mismatch !== null,
      })
    })
  })
})

/** Puts the two into D1 and asks what the dispatch asks, and what publishing asks before it. */
async function askDatabase(
  world: World,
  { event, endpoint }: { event: MatchedEvent; endpoint: MatchedEndpoint },
) {
  const list = (channels: readonly string[] | null) => channels && JSON.stringify(channels)
  const inApplication = sql`'app_users'`
  const columns = sql`id, application_id, url, created_at, updated_at, enabled_at`
  const { interested, done } = await world.db.batch({
    emptied: [sql`DELETE FROM subscriptions`, sql`DELETE FROM endpoints`, sql`DELETE FROM events`],
    endpoint: sql`
      INSERT INTO endpoints (${columns}, removed_at, disabled_at, all_event_types_since, channels)
      VALUES (${endpoint.id}, ${inApplication}, 'http://receiver.example/', ${endpoint.createdAt}, 1, 1,
        ${endpoint.removedAt}, ${endpoint.disabledAt}, ${endpoint.allEventTypesSince}, ${list(endpoint.channels)})`,
    other: sql`
      INSERT INTO endpoints (${columns}, removed_at)
      VALUES ('ep_2', ${inApplication}, 'http://other.example/', 1, 1, 1, 1)`,
    subscription: sql`
      INSERT INTO subscriptions (id, event_type_id, application_id, endpoint_id, created_at)
      SELECT 'sub_1', 'ety_user_registered', ${inApplication}, ${endpoint.id}, ${endpoint.subscribedAt}
      WHERE ${endpoint.subscribedAt} IS NOT NULL`,
    event: sql`
      INSERT INTO events (id, application_id, event_type_id, event_type, endpoint_id, channels, created_at, payload)
      VALUES ('evt_1', ${inApplication}, 'ety_user_registered', 'user_registered', ${event.endpointId},
        ${list(event.channels)}, ${event.createdAt}, '{}')`,
    interested: sql`
      SELECT e.id FROM events v
      CROSS JOIN endpoints e ON e.id IN (SELECT id FROM (${candidates(DIRECT_LIMIT + 1)}))
      WHERE v.id = 'evt_1' AND ${isInterested}`,
    done: sql`SELECT ${doneAtOnce(2_000)} AS at FROM events v WHERE v.id = 'evt_1'`,
  })
  return {
    interested: interested.some((row) => row.id === endpoint.id),
    doneAtOnce: done.at(0)?.at === 2_000,
  }
}

describe("why there is no delivery", () => {
  const cases: [string, Partial<Dispatched>, Partial<MatchedEndpoint>, Absence][] = [
    ["is what keeps the endpoint from it", {}, UNSUBSCRIBED, "not-subscribed"],
    ["is that it was disabled", {}, { disabledAt: 2_000 }, "disabled"],
    ["is not a disabling that came later", {}, { disabledAt: 2_001 }, "changed-since"],
    ["is a deletion, whenever it came", {}, { removedAt: 2_001 }, "removed"],
    ["is something that has changed since", {}, {}, "changed-since"],
    ["is that the event is not dispatched yet", { dispatchedAt: null }, {}, "undispatched"],
    ["may be known before it is dispatched", { dispatchedAt: null }, UNSUBSCRIBED, "not-subscribed"],
    [
      "is a disabling, too, before it is dispatched",
      { dispatchedAt: null },
      { disabledAt: 1_500 },
      "disabled",
    ],
    ["is a fault of ours", { failure: "internal" }, {}, "internal"],
    [
      "is the fault of ours where it was disabled later",
      { failure: "internal" },
      { disabledAt: 2_001 },
      "internal",
    ],
    ["is no fault of ours where it was not owed", { failure: "internal" }, UNSUBSCRIBED, "not-subscribed"],
  ]
  it.each(cases)("%s", (_title, dispatched, endpoint, absence) => {
    const event = { ...EVENT, dispatchedAt: 2_000, failure: null, ...dispatched }
    expect(explainAbsence(event, { ...ENDPOINT, ...endpoint })).toBe(absence)
  })
})
