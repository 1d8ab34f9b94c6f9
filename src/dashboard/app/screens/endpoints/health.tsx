import type { ComponentChildren } from "preact"

import type { Schemas } from "../../api/client.ts"
import { type Bar, Bars } from "../../ui/chart.tsx"
import { State, type Tone } from "../../ui/state.tsx"
import { Ago, duration, inText, Time } from "../../ui/time.tsx"
import { disabledBecause } from "./words.ts"

export type Health = Schemas["EndpointHealthOut"]

const STATES: Record<Health["state"], readonly [Tone, string]> = {
  healthy: ["good", "Healthy"],
  slow: ["warn", "Slow"],
  failing: ["bad", "Failing"],
  paused: ["warn", "Paused"],
  disabled: ["bad", "Disabled"],
}
/** What the Worker counts of a backlog; one more stands for more. */
const COUNTED_PENDING = 100

/** How an endpoint is, in a word. */
export function HealthState({ health: { state } }: { health: Health }) {
  const [tone, words] = STATES[state]
  return <State tone={tone}>{words}</State>
}

/** How an endpoint is: a sentence, its last figures, a day of bars. */
export function HealthStrip({ health }: { health: Health }) {
  const { lastSuccessAt, lastFailureAt, lastAttempt, nextAttempt } = health
  return (
    <section class="card padded health" aria-label="Health">
      <p class="wraps">
        <HealthSentence health={health} />
      </p>
      <dl class="figures">
        <Figure name="Last success">{lastSuccessAt === null ? "–" : <Ago at={lastSuccessAt} />}</Figure>
        <Figure name="Last failure">{lastFailureAt === null ? "–" : <Ago at={lastFailureAt} />}</Figure>
        <Figure name="Last answer">
          {lastAttempt ? (lastAttempt.statusCode ?? lastAttempt.result) : "–"}
        </Figure>
        <Figure name="Pending">{pendingOf(health)}</Figure>
        {nextAttempt !== null && (
          <Figure name="Next retry">
            <Ago at={nextAttempt} />
          </Figure>
        )}
      </dl>
      <figure class="chart">
        <DayBars health={health} height={36} />
        <figcaption>
          <span>24 hours ago</span>
          <span>last full hour</span>
        </figcaption>
      </figure>
    </section>
  )
}

/** A name above its value, in a row of them. */
export function Figure({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  )
}

/** The last 24 hours that are over. */
export function DayBars({ health: { hours }, height }: { health: Health; height: number }) {
  const sum = { success: 0, fail: 0 }
  for (const { success, fail } of hours) {
    sum.success += success
    sum.fail += fail
  }
  return <Bars label={`Last 24 hours: ${outcomes(sum)}`} bars={hours.map(toBar)} height={height} />
}

export function toBar({ start, success, fail }: Health["hours"][number]): Bar {
  return {
    title: `${inText(start)}: ${outcomes({ success, fail })}`,
    parts: [
      { tone: "good", value: success },
      { tone: "bad", value: fail },
    ],
  }
}

/** How many deliveries an endpoint is owed. */
export function pendingOf({ pending }: Pick<Health, "pending">): string {
  return pending > COUNTED_PENDING ? `over ${COUNTED_PENDING}` : String(pending)
}

function outcomes({ success, fail }: { success: number; fail: number }): string {
  return `${success.toLocaleString()} taken, ${fail.toLocaleString()} failed`
}

function HealthSentence({ health }: { health: Health }) {
  const { state, disabledAt, failingSince, pausedUntil, slowMs, lastAttempt } = health
  if (state === "disabled") {
    return (
      <>
        {disabledAt !== null && (
          <>
            Disabled <Ago at={disabledAt} />.{" "}
          </>
        )}
        {disabledBecause(health)}
      </>
    )
  }
  const failing = failingSince !== null && (
    <>
      It has only failed since <Time at={failingSince} /> (<Ago at={failingSince} />
      ).{" "}
    </>
  )
  if (state === "paused" && pausedUntil !== null) {
    return (
      <>
        {failing}It is left alone for now: the next attempt is made <Ago at={pausedUntil} />.
      </>
    )
  }
  if (failing) return <>{failing}Retries go on, and new messages are tried.</>
  if (state === "slow" && slowMs !== null)
    return <>Its answers take about {duration(slowMs)}: it is sent to behind those that answer soon.</>
  return <>{lastAttempt === null ? "Nothing was sent to it yet." : "It takes what it is sent."}</>
}
