import { Webhook } from "standardwebhooks"

/** The body of a request, once its signature has been verified as any receiver would; throws if it is not good. */
export function verified({ path, headers, body }, { secrets }) {
  return new Webhook(secrets.get(path)).verify(body, headers)
}
