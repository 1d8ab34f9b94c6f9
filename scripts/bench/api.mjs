const JSON_TYPE = { "content-type": "application/json" }

/**
 * Asks the system and answers the JSON that comes back; throws when it is refused.
 * @param {string} url
 * @param {{ method?: string, json?: unknown, headers?: Record<string, string>, signal?:
 * AbortSignal }} [request]
 * @returns {Promise<any>}
 */
export async function ask(url, { method = "GET", json, headers, signal } = {}) {
  const response = await fetch(url, {
    method,
    headers: { ...(json !== undefined && JSON_TYPE), ...headers },
    ...(json !== undefined && { body: JSON.stringify(json) }),
    ...(signal && { signal }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${url} answered ${response.status}: ${text}`)
  return text === "" ? null : JSON.parse(text)
}

/** The same as a POST, which creates something. */
export const create = (url, json) => ask(url, { method: "POST", json })

/**
 * Creates an application with these URLs as its endpoints.
 * @param {string} url of the system
 * @param {{ name: string, endpoints: readonly string[] }} wanted
 * @returns {Promise<{ id: string, endpointIds: string[] }>}
 */
export async function createApplication(url, { name, endpoints }) {
  const { id } = await create(`${url}/api/v1/app`, { name })
  const endpointIds = []
  for (const endpoint of endpoints) {
    const made = await create(`${url}/api/v1/app/${id}/endpoint`, { url: endpoint })
    endpointIds.push(made.id)
  }
  return { id, endpointIds }
}
