import type { Db } from '../../database/index.ts'
import { invalidField, nowIso, StoaError, type Micros } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { checkCurrency } from '../currency.ts'
import { findMeter } from '../meters/meter-store.ts'
import { readMicros } from '../read-amount.ts'
import type { CapScope } from './cap.ts'
import type { Period } from './period.ts'

export interface CapInput {
  meterId?: string | null
  period: Period
  /** By default the meter's, or the host's. */
  currency?: string
  amount: number | string
}

/** Throws `meter_not_found` for a meter that is not the application's, `validation_failed` for a currency that cannot be. */
export async function readCapScope(
  ctx: WalletContext,
  db: Db,
  { applicationId }: { applicationId: string },
  { meterId = null, period, currency }: Omit<CapInput, 'amount'>,
): Promise<CapScope> {
  if (meterId === null) {
    const chosen = currency ?? ctx.config.currency
    checkCurrency('currency', chosen)
    return { meterId, period, currency: chosen }
  }
  const meter = await findMeter(db, { applicationId, meterId }, nowIso(ctx.clock))
  if (!meter) throw new StoaError('meter_not_found')
  if (currency !== undefined && currency !== meter.price.currency) {
    throw invalidField('currency', `must be the meter’s, ${meter.price.currency}`)
  }
  return { meterId, period, currency: meter.price.currency }
}

/** Throws `validation_failed`. Nothing may be charged under a cap of 0 but what costs nothing. */
export function readCapAmount(given: number | string): Micros {
  const amount = readMicros(given, 'amount')
  if (amount < 0n) throw invalidField('amount', 'must be 0 or more')
  return amount
}
