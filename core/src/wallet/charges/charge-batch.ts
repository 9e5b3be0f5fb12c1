import type { Knex } from 'knex'
import { afterCommit } from '../../database/index.ts'
import { publishMany, type NewEvent } from '../../events/index.ts'
import { findEnabledInstallations } from '../../installations/index.ts'
import { newId, nowIso, StoaError } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { accountId, type Account } from '../ledger/account.ts'
import { availableFor, sliceGrants } from '../ledger/grant.ts'
import { openJournal, type Journal } from '../ledger/journal.ts'
import { ensureAccounts, findOwnersWithWallets } from '../ledger/ledger-store.ts'
import { priceCharge } from '../meters/price-charge.ts'
import { resell, type Resold } from '../rebilling/rebilling.ts'
import { earningAccounts, feeOf } from '../revenue/earnings.ts'
import { keyOf, type Charge, type ChargeOutcome, type ChargeRequest } from './charge.ts'
import { chargeEvent, tellCharge } from './charge-events.ts'
import { findCharges, insertCharges } from './charge-store.ts'
import { payerOf, readTerms, type ChargeTerms } from './charge-terms.ts'
import { insufficientFunds } from './insufficient-funds.ts'
import { createDrafts, type Drafts } from './drafts.ts'

const day = 86_400_000
const oldest = 35 * day
const oldestBackfill = 365 * day
const newest = 5 * 60_000

/**
 * Books many charges in one transaction: reads all they need, decides one after the other in the order of their arrival, each on
 * the wallets as those before it left them, and writes all that was accepted. What is refused leaves nothing behind.
 */
export async function bookCharges(
  ctx: WalletContext,
  trx: Knex.Transaction,
  requests: ChargeRequest[],
): Promise<(ChargeOutcome | Error)[]> {
  const batch = await readBatch(ctx, trx, requests)
  const outcomes = requests.map((request) => decide(batch, request))
  const { created, journal } = batch
  await ensureAccounts(trx, ctx.dialect, created.flatMap(earningAccounts), batch.now)
  batch.drafts.post(journal)
  await journal.write()
  await insertCharges(trx, ctx.dialect, created)
  await publishMany(
    ctx,
    trx,
    created.map((charge): NewEvent => chargeEvent('charge.created', charge)),
  )
  afterCommit(trx, () => created.forEach((charge) => tellCharge(ctx, 'charge.created', charge)))
  return outcomes
}

interface Batch {
  now: string
  terms: Map<ChargeRequest, ChargeTerms>
  journal: Journal
  /** Owners of missing wallets that have one in another currency. */
  elsewhere: ReadonlySet<string>
  enabled: ReadonlySet<string>
  /** By keyOf: charged before, and as the batch goes on also those it makes. */
  charges: Map<string, Charge>
  created: Charge[]
  drafts: Drafts
}

// The wallets are locked before the charges are looked for. Requests with the same key are mostly for the same wallet, so whoever
// holds it sees every charge that was made of it before, also by another process; where the payer changed meanwhile, the unique index
// refuses the second.
async function readBatch(ctx: WalletContext, trx: Knex.Transaction, requests: ChargeRequest[]): Promise<Batch> {
  const now = nowIso(ctx.clock)
  const terms = await readTerms(trx, requests, now)
  const payers = requests.flatMap((request) => {
    const payable = terms.get(request)
    return payable ? [payerOf(request, payable)] : []
  })
  const journal = await openJournal(ctx, trx, payers.map(accountId))
  const missing = payers.filter((payer) => journal.account(accountId(payer)) === null)
  return {
    now,
    terms,
    journal,
    elsewhere: await findOwnersWithWallets(
      trx,
      missing.map(({ ownerId }) => ownerId),
    ),
    enabled: await findEnabledInstallations(trx, [...new Set(requests.map(({ installationId }) => installationId))]),
    charges: await findCharges(trx, requests),
    created: [],
    drafts: createDrafts(),
  }
}

function decide(batch: Batch, request: ChargeRequest): ChargeOutcome | Error {
  try {
    return replay(batch, request) ?? { charge: createCharge(batch, request), replayed: false }
  } catch (error) {
    if (error instanceof StoaError) return error
    throw error
  }
}

// Before every other rule: what was charged once is answered the same for ever, also when it could not be charged any more.
function replay(batch: Batch, request: ChargeRequest): ChargeOutcome | null {
  const charge = batch.charges.get(keyOf(request))
  if (!charge) return null
  if (charge.fingerprint !== request.fingerprint) {
    throw new StoaError('event_id_reused', { details: { chargeId: charge.id } })
  }
  return { charge, replayed: true }
}

function createCharge(batch: Batch, request: ChargeRequest): Charge {
  if (!batch.enabled.has(request.installationId)) throw new StoaError('not_installed')
  const terms = batch.terms.get(request)
  if (!terms) throw new StoaError('meter_not_found')
  const { meter, rule, feeBps } = terms
  const isChargeable = meter.status === 'active' || (meter.status === 'test' && request.environment === 'sandbox')
  if (!isChargeable) throw new StoaError('meter_inactive')
  const { price, units, currency } = request
  const priced = priceCharge(meter.price, { units, price, currency, used: 0n })
  const eventTime = checkEventTime(request, batch.now)
  const resold = resell(rule, priced.amount, units)
  const wallet = payingWallet(batch, request, terms)
  const slices = takeFrom(batch, request, terms, { wallet, resold })

  const { applicationId, installationId, organizationId, locationId, environment, meterId } = request
  const charge: Charge = {
    id: newId('chg'),
    seq: 0,
    applicationId,
    installationId,
    publisherId: meter.publisherId,
    organizationId,
    locationId,
    environment,
    meterId,
    priceId: meter.price.id,
    eventId: request.eventId,
    fingerprint: request.fingerprint,
    userId: request.userId,
    description: request.description,
    units,
    unitPrice: priced.unitPrice,
    lines: priced.lines,
    amount: resold.amount,
    baseAmount: priced.amount,
    feeAmount: feeOf(priced.amount, feeBps),
    rebillingId: rule?.id ?? null,
    currency: meter.price.currency,
    accountId: wallet?.id ?? null,
    transactionId: '',
    holdId: null,
    refundId: null,
    eventTime,
    createdTime: batch.now,
    refundedAmount: 0n,
    refundedUnits: 0n,
    refundedTime: null,
    isRefunded: false,
  }
  charge.transactionId = batch.drafts.add(charge, { wallet, batchId: request.batchId })
  if (wallet) {
    batch.journal.moveGrants(wallet, { transactionId: charge.transactionId, referenceId: charge.id }, slices)
  }
  batch.charges.set(keyOf(charge), charge)
  batch.created.push(charge)
  return charge
}

function checkEventTime({ eventTime, isBackfill }: ChargeRequest, now: string): string {
  if (eventTime === null) return now
  const age = Date.parse(now) - Date.parse(eventTime)
  if (age > (isBackfill ? oldestBackfill : oldest) || age < -newest) throw new StoaError('event_time_out_of_range')
  return eventTime
}

/** The payer's wallet in the currency of the price; null when it has none at all, which is as good as an empty one. */
function payingWallet(batch: Batch, request: ChargeRequest, terms: ChargeTerms): Account | null {
  const payer = payerOf(request, terms)
  const wallet = batch.journal.account(accountId(payer))
  if (!wallet && batch.elsewhere.has(`${payer.ownerId} ${payer.environment}`)) throw new StoaError('currency_mismatch')
  if (wallet?.status === 'suspended') throw new StoaError('wallet_suspended')
  return wallet
}

/** What grants pay of it, as moves. Throws `insufficient_funds`. */
function takeFrom(
  batch: Batch,
  request: ChargeRequest,
  { meter }: ChargeTerms,
  { wallet, resold: { amount } }: { wallet: Account | null; resold: Resold },
) {
  const { currency } = meter.price
  if (!wallet) {
    if (amount > 0n) throw insufficientFunds({ required: amount, available: 0n, currency })
    return []
  }
  const purpose = { applicationId: request.applicationId, meterId: request.meterId, time: batch.now }
  const grants = batch.journal.grants(wallet.id)
  const available = availableFor(wallet, grants, purpose) - batch.drafts.pendingOn(wallet)
  if (amount > available) throw insufficientFunds({ required: amount, available, currency })
  return sliceGrants(grants, amount, purpose).map(({ grantId, amount: part }) => ({ grantId, amount: -part }))
}
