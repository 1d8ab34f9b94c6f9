import type { Schemas } from "../../api/client.ts"
import { Ago } from "../../ui/time.tsx"

/** The whole story in a sentence: "Failed 4 times; next attempt in 1 h 52 m". */
export function Sentence({
  verdict: { verdict, nextAttempt, explanation },
  attempts,
}: {
  verdict: Schemas["EndpointVerdictOut"]
  attempts: readonly Schemas["MessageAttemptOut"][]
}) {
  const failures = attempts.filter(({ status }) => status !== 0).length
  if (verdict === "delivered") {
    const taken = attempts.find(({ status }) => status === 0)
    return (
      <>
        Delivered
        {taken && (
          <>
            {" "}
            <Ago at={taken.timestamp} />
          </>
        )}
        {failures > 0 && `, after ${times(failures, "failure")}`}
      </>
    )
  }
  if (verdict === "pending" && nextAttempt !== null && failures > 0) {
    return (
      <>
        Failed {failures === 1 ? "once" : `${failures} times`}; next attempt <Ago at={nextAttempt} />
      </>
    )
  }
  if (verdict === "failed" && failures > 0)
    return (
      <>
        Failed after {times(failures, "attempt")}. {explanation}
      </>
    )
  return <>{explanation}</>
}

function times(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`
}
