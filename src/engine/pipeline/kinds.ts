import type { Db } from "../../db/client.ts"
import type { Deps } from "../../platform/deps.ts"
import { forward } from "../events/outbox.ts"
import type { JobKind } from "../jobs/job.ts"
import { workTask } from "../tasks/run.ts"
import type { Budget } from "./budget.ts"
import { catchUp, dispatch, dispatchAgain } from "./dispatch.ts"
import { drain } from "./drain.ts"
import { enqueue, LANES, type Work } from "./jobs.ts"
import { workResend } from "./manual.ts"
import { workPingBehind } from "./ping.ts"

type Of<K extends Work["kind"]> = Extract<Work, { kind: K }>

/** The engine's own kinds of job. */
export const ENGINE_JOBS: { readonly [K in Work["kind"]]: JobKind<Of<K>> } = {
  dispatch: { lane: LANES.dispatch, workTogether: dispatchAll },
  ping: { lane: LANES.ping, work: workPingBehind },
  resend: { lane: LANES.resend, work: workResend },
  task: { lane: LANES.task, work: workTask },
  drain: {
    lane: LANES.drain,
    async work(deps, db, job, budget) {
      await drain(deps, db, budget, job)
    },
  },
  forward: { lane: LANES.forward, work: forward },
  "catch-up": {
    lane: LANES["catch-up"],
    async work(deps, db, work, budget) {
      if (await catchUp(deps, db, budget)) await enqueue(deps, db, work)
    },
  },
}

/** Twice the same event is once. What has come before may have been worked on already: it is claimed. */
function dispatchAll(
  deps: Deps,
  db: Db,
  works: readonly Of<"dispatch">[],
  budget: Budget,
  again: boolean,
): Promise<void> {
  const events = new Map(works.map((work) => [work.eventId, work]))
  return (again ? dispatchAgain : dispatch)(deps, db, [...events.values()], budget)
}
