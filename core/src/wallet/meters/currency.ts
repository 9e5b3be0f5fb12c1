import { invalidField } from '../../kernel/index.ts'

const known = new Set(Intl.supportedValuesOf('currency'))

/** Throws `validation_failed` for what is no currency of ISO 4217. */
export function checkCurrency(field: string, currency: string): void {
  if (!known.has(currency)) throw invalidField(field, 'must be a currency of ISO 4217 such as USD')
}
