import { describe, expect, it } from "vitest"

import { MAX_CLAIMS } from "../../src/engine/pipeline/claim.ts"
import { type Claimed, type Ended, prepare } from "../../src/engine/pipeline/prepare.ts"
import { type DeliveryStatus, statusOf } from "../../src/engine/pipeline/state.ts"

const event = { payload: "{}" }

describe("prepare", () => {
  const cases: [string, Claimed, Ended | null][] = [
    ["nothing stands against it", { event }, null],
    ["all is well", { event, claims: 0, removedAt: null, disabledAt: null, subscribed: true }, null],
    ["the last claim that counts", { event, claims: MAX_CLAIMS - 1 }, null],
    ["too many claims without a result", { event, claims: MAX_CLAIMS }, "internal"],
    ["the event is gone", { event: null }, "internal"],
    ["the payload is forgotten", { event: { payload: null } }, "expired"],
    ["the endpoint is removed", { event, removedAt: 1 }, "removed"],
    ["the endpoint is disabled", { event, disabledAt: 1 }, "disabled"],
    ["the subscription is gone", { event, subscribed: false }, "unsubscribed"],
    ["forgotten before removed", { event: { payload: null }, removedAt: 1 }, "expired"],
    ["removed before disabled", { event, removedAt: 1, disabledAt: 1 }, "removed"],
    ["disabled before unsubscribed", { event, disabledAt: 1, subscribed: false }, "disabled"],
  ]
  it.each(cases)("decides when %s", (_title, claimed, ended) => {
    expect(prepare(claimed)).toBe(ended)
  })
})

describe("statusOf", () => {
  const cases: [Ended, DeliveryStatus][] = [
    ["removed", "canceled"],
    ["unsubscribed", "canceled"],
    ["disabled", "failed"],
    ["expired", "failed"],
    ["internal", "failed"],
  ]
  it.each(cases)("says what a delivery that ends as %s is then", (ended, status) => {
    expect(statusOf(ended)).toBe(status)
  })
})
