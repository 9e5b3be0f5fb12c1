import type { Db } from '../database/index.ts'
import { invalidField, StoaError, toMicros, type Micros } from '../kernel/index.ts'
import { amounts } from './exact.ts'
import { given } from './given.ts'
import type { WalletContext } from './context.ts'
import { findWallet } from './ledger-store.ts'
import { findMeter } from './meter-store.ts'
import { chargeAmount, priceUnit } from './price-charge.ts'
import type { Tenant } from './tenant.ts'

export interface FundsQuestion {
  amount?: string | undefined
  meterId?: string | undefined
  units?: string | undefined
  price?: string | undefined
}

/**
 * Whether the location's wallet could pay: `amount`, or `units` of a meter, or by default anything at all. Advice, not a
 * reservation: another charge may come first. Throws as a charge would for the meter, its price and the units.
 */
export async function hasFunds(ctx: WalletContext, db: Db, tenant: Tenant, question: FundsQuestion) {
  const { required, currency } = await readRequired(ctx, db, tenant, question)
  const { locationId, environment } = tenant
  const wallet = await findWallet(db, { ownerType: 'location', ownerId: locationId, environment, currency })
  const available = wallet ? wallet.balance - wallet.minBalance : 0n
  const suspended = wallet?.status === 'suspended'
  const enough = available >= (required === null || required < 1n ? 1n : required)
  const reason = suspended ? ('wallet_suspended' as const) : ('insufficient_funds' as const)
  return {
    hasFunds: enough && !suspended,
    ...(required === null ? amounts({ available }) : amounts({ available, required })),
    currency,
    ...((suspended || !enough) && { reason }),
  }
}

async function readRequired(
  ctx: WalletContext,
  db: Db,
  tenant: Tenant,
  question: FundsQuestion,
): Promise<{ required: Micros | null; currency: string }> {
  const amount = given(question.amount)
  const meterId = given(question.meterId)
  if (amount !== null) {
    const required = toMicros(amount)
    if (required === null || required < 0n) throw invalidField('amount', 'must be a decimal with at most 6 decimals')
    return { required, currency: ctx.config.currency }
  }
  if (meterId === null) return { required: null, currency: ctx.config.currency }
  const meter = await findMeter(db, { applicationId: tenant.applicationId, meterId })
  if (!meter) throw new StoaError('meter_not_found')
  const units = toMicros(given(question.units) ?? '')
  if (units === null || units <= 0n) throw new StoaError('invalid_units')
  return {
    required: chargeAmount(units, priceUnit(meter, given(question.price), null)),
    currency: meter.price.currency,
  }
}
