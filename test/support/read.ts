import { type SQL, sql } from "drizzle-orm"

import type { Row } from "../../src/db/client.ts"
import { deliveries } from "../../src/db/schema/deliveries.ts"
import { shapeOf } from "../../src/db/shape.ts"
import { readAttempt, selectAttempts } from "../../src/engine/deliveries/attempts.ts"
import type { World } from "./world.ts"

const delivery = shapeOf(deliveries)

/** An event's deliveries by endpoint id, as they are stored. */
export async function deliveriesOf(world: World, eventId: string) {
  const rows = await readAll(
    world,
    sql`
    SELECT ${delivery.columns("d")} FROM deliveries d WHERE d.event_id = ${eventId} ORDER BY d.endpoint_id`,
  )
  return rows.map(delivery.read)
}

/** The event's one delivery, or the one to the endpoint that is named. */
export async function deliveryOf(world: World, eventId: string, endpointId?: string) {
  const all = await deliveriesOf(world, eventId)
  const found = endpointId === undefined ? all[0] : all.find((one) => one.endpointId === endpointId)
  if (!found) throw new Error("there is no such delivery")
  return found
}

/** An event's attempts, oldest first, as they are stored. */
export async function attemptsOf(world: World, eventId: string) {
  const rows = await readAll(world, sql`${selectAttempts(() => sql`a.event_id = ${eventId}`)} ORDER BY id`)
  return rows.map(readAttempt)
}

/** What a statement selects in any of the shards. */
async function readAll(world: World, statement: SQL): Promise<Row[]> {
  return (await Promise.all(world.deps.shards.map((db) => db.read(statement)))).flat()
}
