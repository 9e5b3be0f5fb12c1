import type { Environment } from '../../context.ts'
import { maxMicros, multiplyMicros, shareOf, StoaError, type Micros } from '../../kernel/index.ts'

/**
 * How an organization resells to its locations. A version never changes; the one in force has no end. '' stands for all
 * locations, applications, or items, of which there are two kinds: meters and plans.
 */
export interface Rebilling {
  id: string
  organizationId: string
  locationKey: string
  applicationKey: string
  itemKey: string
  environment: Environment
  version: number
  /** False: the organization pays, what the application asks. True: the location pays, what the organization asks. */
  enabled: boolean
  /** Hundredths of a percent on top of the application's price; null when there is an own price. */
  markupBps: number | null
  /** What the organization asks for one unit of the meter, or the plan for a period. */
  ownPrice: Micros | null
  createdTime: string
}

/** The most particular rule for a location and an item; null when there is none: then the location pays what the application asks. */
export function ruleFor(
  rules: Rebilling[],
  at: { organizationId: string; locationId: string; applicationId: string; itemId: string; environment: Environment },
): Rebilling | null {
  let found: Rebilling | null = null
  for (const rule of rules) {
    const isFitting =
      rule.organizationId === at.organizationId &&
      rule.environment === at.environment &&
      fits(rule.locationKey, at.locationId) &&
      fits(rule.applicationKey, at.applicationId) &&
      fits(rule.itemKey, at.itemId)
    if (isFitting && (found === null || particular(rule) > particular(found))) found = rule
  }
  return found
}

const fits = (key: string, id: string) => key === '' || key === id

/** The location counts for more than the item, the item for more than the application. */
const particular = (rule: Rebilling) =>
  (rule.locationKey === '' ? 0 : 4) + (rule.itemKey === '' ? 0 : 2) + (rule.applicationKey === '' ? 0 : 1)

/** Who pays, and what: the application's own price, and on top of it the margin of the organization that resells. */
export interface Resold {
  payer: 'location' | 'organization'
  amount: Micros
}

/**
 * What is paid for something whose own price is `base`: for so many units of a meter that the application takes money for
 * (`billedUnits`), or a plan for a period, for which units are null. What the application gives for nothing stays free: an own price is
 * put in the place of the application's, and where that asks nothing there is none. It never goes below what the application asks,
 * also when that has risen meanwhile. Throws `invalid_units` when it comes to
 * more than a wallet can hold.
 */
export function resell(rule: Rebilling | null, base: Micros, units: Micros | null): Resold {
  if (rule === null) return { payer: 'location', amount: base }
  if (!rule.enabled) return { payer: 'organization', amount: base }
  const own = rule.ownPrice === null ? null : units === null ? rule.ownPrice : multiplyMicros(units, rule.ownPrice)
  const amount = own === null ? base + shareOf(base, rule.markupBps ?? 0) : own > base ? own : base
  if (amount > maxMicros) {
    throw new StoaError('invalid_units', {
      message: 'The charge comes to more than a wallet can hold; charge less at once.',
    })
  }
  return { payer: 'location', amount }
}
