import type { Db } from '../../database/index.ts'
import { invalidField, nowIso, StoaError, toMicros, type Micros } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { amounts } from '../exact.ts'
import { given } from '../given.ts'
import { accountId, type Account, type AccountKey } from '../ledger/account.ts'
import { findOpenGrants } from '../ledger/grant-store.ts'
import { availableFor } from '../ledger/grant.ts'
import { findAccountById } from '../ledger/ledger-store.ts'
import { billedUnits, priceCharge } from '../meters/price-charge.ts'
import { findRebillings } from '../rebilling/rebilling-store.ts'
import { resell, ruleFor } from '../rebilling/rebilling.ts'
import type { Tenant } from '../tenant.ts'
import { readTerms } from './charge-terms.ts'

interface FundsQuestion {
  amount?: string | undefined
  meterId?: string | undefined
  units?: string | undefined
  price?: string | undefined
}

/**
 * Whether the wallet that would pay could: `amount`, or `units` of a meter, or by default anything at all. Advice, not a
 * reservation: another charge may come first. Throws as a charge would for the meter, its price and the units.
 */
export async function hasFunds(ctx: WalletContext, db: Db, tenant: Tenant, question: FundsQuestion) {
  const now = nowIso(ctx.clock)
  const { required, payer, meterId } = await readQuestion(ctx, db, tenant, question, now)
  const wallet = await findAccountById(db, accountId(payer))
  const available = wallet ? await availableIn(db, wallet, tenant, meterId, now) : 0n
  const suspended = wallet?.status === 'suspended'
  const enough = available >= (required === null || required < 1n ? 1n : required)
  const reason = suspended ? ('wallet_suspended' as const) : ('insufficient_funds' as const)
  return {
    hasFunds: enough && !suspended,
    ...(required === null ? amounts({ available }) : amounts({ available, required })),
    currency: payer.currency,
    ...((suspended || !enough) && { reason }),
  }
}

async function availableIn(db: Db, wallet: Account, { applicationId }: Tenant, meterId: string | null, time: string) {
  const grants = (await findOpenGrants(db, [wallet.id])).get(wallet.id) ?? []
  return availableFor(wallet, grants, { applicationId, meterId, time })
}

async function readQuestion(
  ctx: WalletContext,
  db: Db,
  tenant: Tenant,
  question: FundsQuestion,
  now: string,
): Promise<{ required: Micros | null; payer: AccountKey; meterId: string | null }> {
  const amount = given(question.amount)
  const meterId = given(question.meterId)
  if (amount !== null || meterId === null) {
    const required = amount === null ? null : toMicros(amount)
    if (amount !== null && (required === null || required < 0n)) {
      throw invalidField('amount', 'must be a decimal with at most 6 decimals')
    }
    return { required, payer: await usualPayer(ctx, db, tenant), meterId: null }
  }
  const key = { ...tenant, meterId }
  const terms = (await readTerms(db, [key], now)).get(key)
  if (!terms) throw new StoaError('meter_not_found')
  if (terms.meter.status === 'inactive') throw new StoaError('meter_inactive')
  const units = toMicros(given(question.units) ?? '')
  if (units === null || units <= 0n) throw new StoaError('invalid_units')
  const price = given(question.price)
  const priced = priceCharge(terms.meter.price, { units, price, currency: null, used: 0n })
  const { amount: required } = resell(terms.rule, priced.amount, billedUnits({ units, ...priced }))
  return { required, payer: terms.payer, meterId }
}

/** Who pays for what is no meter's: the rule for all of the application's items decides. */
async function usualPayer({ config }: WalletContext, db: Db, tenant: Tenant): Promise<AccountKey> {
  const { organizationId, locationId, environment } = tenant
  const rule = ruleFor(await findRebillings(db, [tenant]), { ...tenant, itemId: '' })
  const { payer } = resell(rule, 0n, 0n)
  const ownerId = payer === 'location' ? locationId : organizationId
  return { kind: 'wallet', ownerType: payer, ownerId, environment, currency: config.currency }
}
