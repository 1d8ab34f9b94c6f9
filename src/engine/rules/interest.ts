/**
 * An endpoint without channels gets every event; one with channels gets only events that share at least one
 * of them.
 */
export function channelsMatch(
  endpointChannels: readonly string[] | null,
  eventChannels: readonly string[] | null,
): boolean {
  if (!endpointChannels?.length) return true
  return endpointChannels.some((channel) => eventChannels?.includes(channel))
}

/** Whether a text can name an event type: 1 to 256 ASCII letters, digits, underscores, dots and hyphens. */
export function isEventTypeName(name: string): boolean {
  return /^[a-zA-Z0-9_.-]{1,256}$/.test(name)
}
