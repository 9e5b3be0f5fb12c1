import type { Db, Dialect } from '../../database/index.ts'
import type { Micros } from '../../kernel/index.ts'
import { findMeters } from '../meters/meter-store.ts'
import { findCaps } from './cap-store.ts'
import { limitsOf } from './limits.ts'
import { lockCounters, updateCounters } from './usage-counters.ts'

/**
 * Takes what is given back of a charge out of the counters of the periods in which it was made, as far as these still go on. Call it with the
 * wallet locked, and before the refund is written, which a counter that begins now would count too.
 */
export async function returnUsage(
  db: Db,
  dialect: Dialect,
  charge: { installationId: string; meterId: string; createdTime: string },
  given: { units: Micros; amount: Micros },
  now: string,
): Promise<void> {
  const { installationId, meterId, createdTime } = charge
  const meter = (await findMeters(db, [meterId], now)).get(meterId)!
  const caps = await findCaps(db, [installationId])
  const open = limitsOf(meter, installationId, caps, createdTime).filter(({ counter }) => counter.periodEnd > now)
  const wanted = open.map(({ counter }) => counter)
  const counters = [...(await lockCounters(db, dialect, wanted)).values()]
  const ofMeters = new Set(wanted.filter((each) => each.meterId !== null).map(({ key }) => key))
  for (const counter of counters) {
    if (ofMeters.has(counter.key)) counter.units -= given.units
    counter.amount -= given.amount
  }
  await updateCounters(db, dialect, counters)
}
