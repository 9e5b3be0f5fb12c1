import type { Db } from '../database/index.ts'
import type { EventsContext } from '../events/index.ts'
import type { Caller } from '../http/index.ts'
import type { SettingsCompiler } from './settings-schema/index.ts'

/** What a meter costs. Amounts and units are decimal text; what a type of price does not have is null. */
export interface Price {
  meterId: string
  name: string
  unit: string
  priceType: 'fixed' | 'dynamic' | 'package' | 'graduated' | 'volume' | 'percentage'
  currency: string
  /** All of it in words, for those who pay: `0.05 USD per message, the first 100 each month free`. */
  text: string
  /** The price, or the usual one of a dynamic meter. */
  pricePerUnit: string | null
  minPricePerUnit: string | null
  maxPricePerUnit: string | null
  /** Hundredths of a percent of the amount that comes with a charge. */
  rateBps: number | null
  package: { size: string; price: string } | null
  /** Each for the units above the one before it, in a calendar month. */
  tiers: { upTo: string | null; price: string }[] | null
  /** Of a calendar month. */
  freeUnits: string
  /** Most units of an installation in a day, and in a calendar month; null for no limit. */
  dailyLimit: string | null
  cycleLimit: string | null
}

export interface ApplicationsContext extends EventsContext {
  settings: SettingsCompiler
  /**
   * Port, filled by installations: the caller's own instances of these applications as wire objects, by application id.
   * For `expand=applicationInstance`, and for showing a disabled application to those who have it.
   */
  instancesOf(db: Db, caller: Caller, applicationIds: string[]): Promise<Map<string, object>>
  /** Port, filled by installations: how many installations an application has or had. One that has any cannot be deleted. */
  countInstallations(db: Db, applicationId: string): Promise<number>
  /** Port, filled by installations: how many live installations have which grant (canonical names). */
  countGrants(db: Db, applicationId: string): Promise<{ grant: string[]; count: number }[]>
  /** Port, filled by installations: another version is in force now, in the transaction that made it so. */
  onReleased(db: Db, applicationId: string): Promise<void>
  /** Port, filled by the wallet: what the application charges, for the consent page and the snapshot of a version. */
  pricesOf(db: Db, applicationId: string): Promise<Price[]>
}
