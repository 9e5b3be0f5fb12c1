import type { Db } from '../../database/index.ts'
import { invalidField, nowIso, StoaError, toMicros, type Micros } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { amounts } from '../exact.ts'
import { given } from '../given.ts'
import { accountId, type Account, type AccountKey } from '../ledger/account.ts'
import { findOpenGrants } from '../ledger/grant-store.ts'
import { availableFor } from '../ledger/grant.ts'
import { findAccountById } from '../ledger/ledger-store.ts'
import { findCurrencies } from '../meters/meter-store.ts'
import { billedUnits, priceCharge } from '../meters/price-charge.ts'
import { findRebillings } from '../rebilling/rebilling-store.ts'
import { resell, ruleFor } from '../rebilling/rebilling.ts'
import type { Tenant } from '../tenant.ts'
import { findCaps } from '../caps/cap-store.ts'
import { limitsOf, refuseBeyondLimits, unitsBefore } from '../caps/limits.ts'
import { readCounters } from '../caps/usage-counters.ts'
import { assertChargeable } from '../meters/meters.ts'
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
  const { required, payer, meterId, limited } = await readQuestion(ctx, db, tenant, question, now)
  const wallet = await findAccountById(db, accountId(payer))
  const available = wallet ? await availableIn(db, wallet, tenant, meterId, now) : 0n
  const isSuspended = wallet?.status === 'suspended'
  // What costs nothing can always be paid; without a question there has to be something.
  const isEnough = available >= (required ?? 1n)
  const reason: FundsReason | null = isSuspended
    ? 'wallet_suspended'
    : (limited ?? (isEnough ? null : 'insufficient_funds'))
  return {
    hasFunds: reason === null,
    ...(required === null ? amounts({ available }) : amounts({ available, required })),
    currency: payer.currency,
    ...(reason !== null && { reason }),
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
): Promise<Question> {
  const amount = given(question.amount)
  const meterId = given(question.meterId)
  const ofMeter = (['units', 'price'] as const).find((name) => given(question[name]) !== null)
  if (meterId === null && ofMeter) throw invalidField('meterId', `is required with ${ofMeter}`)
  if (amount !== null || meterId === null) {
    const required = amount === null ? null : toMicros(amount)
    if (amount !== null && (required === null || required < 0n)) {
      throw invalidField('amount', 'must be a decimal with at most 6 decimals')
    }
    return { required, payer: await usualPayer(ctx, db, tenant, required ?? 1n), meterId: null, limited: null }
  }
  const key = { ...tenant, meterId }
  const terms = (await readTerms(db, [key], now)).get(key)
  if (!terms) throw new StoaError('meter_not_found')
  const { meter, rule, payer } = terms
  assertChargeable(meter, tenant.environment)
  const units = toMicros(given(question.units) ?? '')
  if (units === null || units <= 0n) throw new StoaError('invalid_units')
  const { installationId } = tenant
  const limits = limitsOf(meter, installationId, await findCaps(db, [installationId]), now)
  const counters = await readCounters(
    db,
    ctx.dialect,
    limits.map(({ counter }) => counter),
  )
  const used = unitsBefore(limits, counters)
  const priced = priceCharge(meter.price, { units, price: given(question.price), currency: null, used })
  const { amount: required } = resell(rule, priced.amount, billedUnits({ units, ...priced }))
  return { required, payer, meterId, limited: limitedBy(limits, counters, { units, amount: required }) }
}

interface Question {
  /** Null when it is only asked whether there is anything. */
  required: Micros | null
  payer: AccountKey
  meterId: string | null
  /** What would refuse it however much there is. */
  limited: LimitCode | null
}

type LimitCode = 'cap_reached' | 'usage_limit_reached'
type FundsReason = LimitCode | 'insufficient_funds' | 'wallet_suspended'

function limitedBy(...asked: Parameters<typeof refuseBeyondLimits>): LimitCode | null {
  try {
    refuseBeyondLimits(...asked)
    return null
  } catch (error) {
    if (error instanceof StoaError) return error.code as LimitCode
    throw error
  }
}

/**
 * Who pays for what is no meter's: the rule for all of the application's items decides. Of wallets in the currencies of its meters, the
 * first that has as much as is required.
 */
async function usualPayer(
  { config, clock }: WalletContext,
  db: Db,
  tenant: Tenant,
  required: Micros,
): Promise<AccountKey> {
  const { organizationId, locationId, environment } = tenant
  const rule = ruleFor(await findRebillings(db, [tenant]), { ...tenant, itemId: '' })
  const { payer } = resell(rule, 0n, 0n)
  const ownerId = payer === 'location' ? locationId : organizationId
  const of = (currency: string): AccountKey => ({ kind: 'wallet', ownerType: payer, ownerId, environment, currency })
  const now = nowIso(clock)
  const currencies = await findCurrencies(db, tenant.applicationId)
  for (const each of currencies) {
    const wallet = await findAccountById(db, accountId(of(each)))
    if (wallet && (await availableIn(db, wallet, tenant, null, now)) >= required) return of(each)
  }
  return of(currencies.includes(config.currency) ? config.currency : (currencies[0] ?? config.currency))
}
