import { environments } from '../../context.ts'
import type { Db } from '../../database/index.ts'
import { publishMany, type NewEvent } from '../../events/index.ts'
import { nowIso } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import type { Meter } from './meters.ts'
import { writePrice } from './read-price.ts'
import type { Price } from './price.ts'
import { priceText } from './price-text.ts'

/** Tells of a new price when it is decided, which may be long before it is in force. */
export async function announcePrice(
  ctx: WalletContext,
  db: Db,
  meter: Meter,
  { from, to }: { from: Price; to: Price },
): Promise<void> {
  const { id: meterId, applicationId, publisherId, name, unit } = meter
  const wire = (price: Price) => ({
    version: price.version,
    text: priceText(price, unit),
    ...writePrice(price),
  })
  const type = 'meter.price-changed'
  const data = {
    applicationId,
    meterId,
    name,
    unit,
    priceType: to.type,
    currency: to.currency,
    from: wire(from),
    to: wire(to),
    effectiveTime: to.effectiveTime,
  }
  const payload = { type, timestamp: nowIso(ctx.clock), data }
  // A meter has no environment; an endpoint has one, so that each hears of it once.
  const events: NewEvent[] = environments.map((environment) => ({
    type,
    publisherId,
    applicationId,
    organizationId: publisherId,
    locationId: null,
    environment,
    payload,
  }))
  await publishMany(ctx, db, events)
}
