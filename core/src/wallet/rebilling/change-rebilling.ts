import { findLocation, lockOrganization } from '../../accounts/index.ts'
import { visibleApplication } from '../../applications/index.ts'
import type { Db } from '../../database/index.ts'
import type { Caller } from '../../http/index.ts'
import { invalidField, microsText, newId, nowIso, StoaError, toMicros, type Micros } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { findMeter } from '../meters/meter-store.ts'
import type { Price } from '../meters/price.ts'
import {
  countRebillings,
  endRebilling,
  findPlanPrice,
  findRebillingAt,
  insertRebilling,
  lastVersion,
  type RebillingPlace,
  type RebillingVersion,
} from './rebilling-store.ts'
import { rangeOf, unitPricesOf } from './unit-prices.ts'

/** What a rule is to say. Exactly one of the two when it is enabled, and neither when it is not. */
export interface RebillingTerms {
  enabled: boolean
  markupBps?: number | null
  ownPrice?: number | string | null
}

/** In force, of one organization. A rule for each of some thousand locations and a few applications fits in. */
const mostRules = 20_000

/** For what: ids, or null for all. */
export interface RebillingTarget {
  locationId: string | null
  applicationId: string | null
  /** A meter or a plan of the application. */
  itemId: string | null
}

/**
 * The place of the caller's organization that the target names. Throws `not_found` alike for what does not exist and for what the
 * organization may not see: a location of somebody else, an application that the store does not show it, an item of another application.
 */
export async function placeOf(
  ctx: WalletContext,
  db: Db,
  caller: Caller,
  target: RebillingTarget,
): Promise<RebillingPlace> {
  const { organizationId, environment } = caller
  const { locationId, applicationId, itemId } = target
  if (locationId !== null) {
    const location = await findLocation(db, locationId)
    if (location?.organizationId !== organizationId) throw new StoaError('not_found')
  }
  if (applicationId !== null) await visibleApplication(ctx, db, caller, applicationId)
  if (itemId !== null) {
    if (applicationId === null) throw invalidField('applicationId', 'is needed to name one of its items')
    await readAsked(ctx, db, { applicationId, itemId })
  }
  return {
    organizationId,
    environment,
    locationKey: locationId ?? '',
    applicationKey: applicationId ?? '',
    itemKey: itemId ?? '',
  }
}

/**
 * Puts a rule in force at a place: ends the one that is and adds the next version, in the transaction that `db` is. The same terms again
 * change nothing. Throws `validation_failed` with the field: for neither or both of markup and own price, either of a rule that is not
 * enabled, an own price without a single item, or one below what the application asks now (`asks` in the details). Throws `limit_reached` beyond 20,000 rules in force.
 */
export async function putRebilling(
  ctx: WalletContext,
  db: Db,
  place: RebillingPlace,
  terms: RebillingTerms,
  actor: string,
): Promise<RebillingVersion> {
  // One after the other, so that versions follow each other.
  await lockOrganization(db, ctx.dialect, place.organizationId)
  const { markupBps, ownPrice, currency } = await readTerms(ctx, db, place, terms)
  const current = await findRebillingAt(db, place)
  const same = current?.enabled === terms.enabled && current.markupBps === markupBps && current.ownPrice === ownPrice
  if (current && same) return current
  if (!current && (await countRebillings(db, place.organizationId)) >= mostRules) {
    throw new StoaError('limit_reached', {
      message: `An organization has at most ${mostRules} rules; end some that a more general one says as well.`,
      details: { limit: mostRules },
    })
  }
  const now = nowIso(ctx.clock)
  if (current) await endRebilling(db, current.id, now)
  const made: RebillingVersion = {
    id: newId('reb'),
    ...place,
    version: (await lastVersion(db, place)) + 1,
    enabled: terms.enabled,
    markupBps,
    ownPrice,
    currency,
    actor,
    createdTime: now,
    endedTime: null,
  }
  await insertRebilling(db, made)
  return made
}

/** Ends the rule at a place; what is charged from now on follows the next more general one. Throws `not_found` when there is none. */
export async function deleteRebilling(ctx: WalletContext, db: Db, place: RebillingPlace): Promise<void> {
  await lockOrganization(db, ctx.dialect, place.organizationId)
  const current = await findRebillingAt(db, place)
  if (!current) throw new StoaError('not_found')
  await endRebilling(db, current.id, nowIso(ctx.clock))
}

async function readTerms(ctx: WalletContext, db: Db, place: RebillingPlace, terms: RebillingTerms) {
  const markupBps = terms.markupBps ?? null
  const given = terms.ownPrice ?? null
  if (!terms.enabled && (markupBps !== null || given !== null)) {
    const field = markupBps === null ? 'ownPrice' : 'markupBps'
    throw invalidField(
      field,
      'belongs to a rule with enabled: true; without it your organization pays what the application asks',
    )
  }
  if (markupBps !== null && given !== null) throw invalidField('ownPrice', 'cannot be given together with markupBps')
  if (terms.enabled && markupBps === null && given === null) {
    throw invalidField('markupBps', 'is required, or ownPrice; 0 resells at the application’s own price')
  }
  if (given === null) return { markupBps, ownPrice: null, currency: null }
  if (place.itemKey === '') throw invalidField('ownPrice', 'belongs to one meter or plan; for several, give markupBps')
  const ownPrice = toMicros(given)
  if (ownPrice === null || ownPrice < 0n) throw invalidField('ownPrice', 'must be a decimal with at most 6 decimals')
  const asked = await readAsked(ctx, db, { applicationId: place.applicationKey, itemId: place.itemKey })
  if (asked.amount === null) throw invalidField('ownPrice', 'cannot be given for a percentage; give markupBps')
  if (ownPrice < asked.amount) {
    const asks = microsText(asked.amount)
    const message = `must be at least ${asks} ${asked.currency}, which the application asks`
    throw new StoaError('validation_failed', {
      message: `ownPrice: ${message}`,
      invalidFields: [{ field: 'ownPrice', message }],
      details: { asks, currency: asked.currency },
    })
  }
  return { markupBps: null, ownPrice, currency: asked.currency }
}

/** What an item costs now at the least, of one unit or for a period. Throws `not_found` for an item of another application. */
async function readAsked(
  ctx: WalletContext,
  db: Db,
  { applicationId, itemId }: { applicationId: string; itemId: string },
): Promise<{ amount: Micros | null; currency: string }> {
  const meter = await findMeter(db, { applicationId, meterId: itemId }, nowIso(ctx.clock))
  if (meter) return { amount: leastOf(meter.price), currency: meter.price.currency }
  const plan = await findPlanPrice(db, { applicationId, planId: itemId })
  if (!plan) throw new StoaError('not_found')
  return plan
}

/** The least that one unit costs beyond what is free; null where a unit has no price of its own. */
const leastOf = (price: Price): Micros | null =>
  price.type === 'percentage' ? null : (rangeOf(unitPricesOf(price)).least ?? 0n)
