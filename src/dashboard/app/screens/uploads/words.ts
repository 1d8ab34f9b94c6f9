const UNIT = 1024

/** `12.3 KiB`; nothing for what has no size yet. */
export function sizeOf(bytes: number | null): string {
  if (bytes === null) return ""
  if (bytes < UNIT) return `${bytes} B`
  const kib = bytes / UNIT
  return kib < UNIT ? `${kib.toFixed(1)} KiB` : `${(kib / UNIT).toFixed(1)} MiB`
}

/** The endpoint of a webhook's id: the same bits, written otherwise. */
export function endpointOf(webhookId: string): string {
  return `ep_${webhookId.replaceAll("-", "")}`
}

/** The webhook id of an endpoint. */
export function webhookOf(endpointId: string): string {
  return endpointId.replace(/^ep_(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")
}
