import type { Micros } from '../../kernel/index.ts'

/**
 * - `fixed`: units x price. `dynamic`: units x the price that comes with the charge, within bounds.
 * - `package`: so much for each package that was begun in the period.
 * - `graduated`: each unit at the price of the tier it falls into. `volume`: all units of a charge at the price of the tier that the
 *   period's total reaches with it; what was charged before stays as it is.
 * - `percentage`: a share of the amount that comes with the charge as its price, within bounds.
 */
export const priceTypes = ['fixed', 'dynamic', 'package', 'graduated', 'volume', 'percentage'] as const
export type PriceType = (typeof priceTypes)[number]

/** Units above the tier before it, up to and with `upTo`; null for all that come. */
export interface Tier {
  upTo: Micros | null
  unitPrice: Micros
}

/** What a meter asks, in micro-units. A version never changes; a new price is a new version, in force from its time on. */
export interface Price {
  id: string
  version: number
  /** The meter's, which never changes. */
  type: PriceType
  currency: string
  /** Of one unit of a fixed meter, or of one package; the usual one of a dynamic meter, where null means that each charge brings its own. */
  unitPrice: Micros | null
  /** Bounds of what one unit costs, both included: of dynamic meters, and of percentages where not null. */
  minPrice: Micros | null
  maxPrice: Micros | null
  /** Hundredths of a percent. */
  rateBps: number | null
  packageSize: Micros | null
  tiers: Tier[] | null
  /** Of each calendar month, before anything costs. Tiers and packages count from there. */
  freeUnits: Micros
  /** Most units that one installation can use in a day and in a calendar month, UTC; null for no limit. */
  dailyLimit: Micros | null
  cycleLimit: Micros | null
  effectiveTime: string
}

/** Whether what a charge costs depends on what was used before it in the month. */
export function dependsOnUsage(price: Price): boolean {
  return price.freeUnits > 0n || price.packageSize !== null || price.tiers !== null
}
