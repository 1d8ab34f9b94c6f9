import { Webhook } from "standardwebhooks"

/**
 * What the demo shows of a family: each step says what it shows, and answers the lines to
 * print once it is true.
 * @typedef {{ title: string, steps: [shows: string, run: (world: any) => Promise<string[]>][] }} Family
 */

/**
 * The body of a request, once its signature has been verified as any receiver would;
 * throws if it is not good.
 * @returns {any}
 */
export function verified({ path, headers, body }, { secrets }) {
  return new Webhook(secrets.get(path)).verify(body, headers)
}
