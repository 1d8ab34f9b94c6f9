import { api, ask } from "../../api/client.ts"
import { useLive } from "../../live/live.ts"
import { Facts } from "../../ui/facts.tsx"
import { Time } from "../../ui/time.tsx"
import type { PartProps } from "./endpoint.tsx"

/** What an endpoint was set to. */
export function Settings({ app, endpoint }: PartProps) {
  const headers = useLive(
    (signal) =>
      ask(
        api.GET("/api/v1/app/{app_id}/endpoint/{endpoint_id}/headers", {
          params: { path: { app_id: app, endpoint_id: endpoint.id } },
          signal,
        }),
      ),
    [app, endpoint.id],
    { isOn: false },
  )
  const own = [
    ...Object.entries(headers.data?.headers ?? {}).map(([name, value]) => `${name}: ${value}`),
    ...(headers.data?.sensitive ?? []).map((name) => `${name}: •••`),
  ]
  return (
    <Facts
      facts={[
        ["URL", endpoint.url],
        ["Types", endpoint.eventTypes?.join(", ") ?? "Every type there is and will be"],
        ["Channels", endpoint.channels?.join(", ") ?? "All"],
        ["Headers", own.length === 0 ? "None of its own" : own.join("\n")],
        ["Rate", endpoint.throttleRate ? `At most ${endpoint.throttleRate} a second` : "Not limited"],
        ["Created", <Time key="created" at={endpoint.createdAt} />],
        ["Changed", <Time key="changed" at={endpoint.updatedAt} />],
      ]}
    />
  )
}
