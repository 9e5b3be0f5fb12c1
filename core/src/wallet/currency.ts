import { invalidField, type Micros } from '../kernel/index.ts'
import type { WalletContext } from './context.ts'

const known = new Set(Intl.supportedValuesOf('currency'))

/** Throws `validation_failed` for what is no currency of ISO 4217. */
export function checkCurrency(field: string, currency: string): void {
  if (!known.has(currency)) throw invalidField(field, 'must be a currency of ISO 4217 such as USD')
}

/** The currency that was named, or the host's own. Throws `validation_failed` for what is no code of ISO 4217. */
export function readCurrency({ config }: WalletContext, given: string | null | undefined): string {
  if (given === null || given === undefined) return config.currency
  if (given !== config.currency) checkCurrency('currency', given)
  return given
}

const withoutDecimals = 'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'.split(' ')
const withThree = 'BHD IQD JOD KWD LYD OMR TND'.split(' ')

/** The smallest amount of the currency that can be paid, by ISO 4217: 10,000 micro-units (a cent) for most. */
export function minorUnit(currency: string): Micros {
  if (withoutDecimals.includes(currency)) return 1_000_000n
  return withThree.includes(currency) ? 1000n : 10_000n
}
