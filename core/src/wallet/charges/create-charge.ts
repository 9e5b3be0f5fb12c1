import { microsNumber, newId, StoaError } from '../../kernel/index.ts'
import { refuseBeyondLimits, unitsBefore, type Limit } from '../caps/limits.ts'
import { counterName, type UsageCounter } from '../caps/usage-counters.ts'
import { reservedBy, splitSlices, type Hold } from '../holds/hold.ts'
import type { Account } from '../ledger/account.ts'
import { availableFor, sliceGrants, type Purpose, type Slice } from '../ledger/grant.ts'
import type { Journal } from '../ledger/journal.ts'
import { assertChargeable } from '../meters/meters.ts'
import { billedUnits, priceCharge } from '../meters/price-charge.ts'
import { resell } from '../rebilling/rebilling.ts'
import { feeOf } from '../revenue/earnings.ts'
import { keyOf, type Capture, type Charge, type ChargeRequest } from './charge.ts'
import type { ChargeTerms } from './charge-terms.ts'
import type { Drafts } from './drafts.ts'
import { insufficientFunds } from './insufficient-funds.ts'

const day = 86_400_000
const oldest = 35 * day
const oldestBackfill = 365 * day
const newest = 5 * 60_000

/** All that the charges of one transaction are decided on, as those before left it. */
export interface Batch {
  now: string
  terms: ReadonlyMap<ChargeRequest, ChargeTerms>
  journal: Journal
  /** Owners of missing wallets that have one in another currency. */
  elsewhere: ReadonlySet<string>
  enabled: ReadonlySet<string>
  /** By keyOf: charged before, and as the batch goes on also those it makes. */
  charges: Map<string, Charge>
  holds: ReadonlyMap<string, Hold>
  limits: ReadonlyMap<ChargeRequest, Limit[]>
  counters: ReadonlyMap<string, UsageCounter>
  /** Keys of counters that have to be written: they were added to, or what they came to was announced. */
  changedCounters: Set<string>
  created: Charge[]
  /** Ids of holds that were charged of. */
  captured: Set<string>
  drafts: Drafts
}

/** Decides on one request and notes what is to be written. Throws what the rules refuse; then nothing has changed. */
export function createCharge(batch: Batch, request: ChargeRequest): Charge {
  if (!batch.enabled.has(request.installationId)) throw new StoaError('not_installed')
  const terms = batch.terms.get(request)
  if (!terms) throw new StoaError('meter_not_found')
  const { meter, rule, feeBps } = terms
  assertChargeable(meter, request.environment)
  const limits = batch.limits.get(request)!
  const { price, units, currency } = request
  const priced = priceCharge(meter.price, { units, price, currency, used: unitsBefore(limits, batch.counters) })
  const eventTime = checkEventTime(request, batch.now)
  const { amount } = resell(rule, priced.amount, billedUnits({ units, ...priced }))
  const hold = request.capture && openHold(batch, request, request.capture)
  const wallet = hold ? batch.journal.account(hold.accountId) : payingWallet(batch, terms)
  if (wallet?.status === 'suspended') throw new StoaError('wallet_suspended')
  refuseBeyondLimits(limits, batch.counters, { units, amount })

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
    amount,
    baseAmount: priced.amount,
    feeAmount: feeOf(priced.amount, feeBps),
    rebillingId: rule?.id ?? null,
    currency: meter.price.currency,
    accountId: wallet?.id ?? null,
    transactionId: '',
    holdId: hold?.id ?? null,
    refundId: null,
    eventTime,
    createdTime: batch.now,
    refundedAmount: 0n,
    refundedUnits: 0n,
    refundedTime: null,
    isRefunded: false,
  }
  const slices = pay(batch, charge, { wallet, hold, capture: request.capture })
  charge.transactionId = batch.drafts.add(charge, { wallet, batchId: request.batchId })
  if (wallet) batch.journal.moveGrants(wallet, { transactionId: charge.transactionId, referenceId: charge.id }, slices)
  count(batch, limits, charge)
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
function payingWallet(batch: Batch, { payer, walletId }: ChargeTerms): Account | null {
  const wallet = batch.journal.account(walletId)
  if (!wallet && batch.elsewhere.has(`${payer.ownerId} ${payer.environment}`)) {
    const message = `The meter is priced in ${payer.currency}, and the ${payer.ownerType} has no wallet in it. A top-up in ${payer.currency} makes one.`
    throw new StoaError('currency_mismatch', { message })
  }
  return wallet
}

function openHold(batch: Batch, request: ChargeRequest, { holdId }: Capture): Hold {
  const hold = batch.holds.get(holdId)
  if (hold?.installationId !== request.installationId) throw new StoaError('not_found')
  if (hold.status !== 'open' || hold.expiresTime <= batch.now) throw new StoaError('hold_closed')
  if (hold.meterId !== request.meterId) {
    throw new StoaError('meter_not_found', { message: `The hold was made for the meter ${hold.meterId}.` })
  }
  return hold
}

type Payment = { wallet: Account | null; hold: Hold | null; capture: Capture | null }

/** Takes what the charge comes to, first of the hold; what grants pay of it, as moves. Throws `insufficient_funds`, `hold_exceeded`. */
function pay(batch: Batch, charge: Charge, { wallet, hold, capture }: Payment): Slice[] {
  const { amount, currency } = charge
  if (!wallet) {
    if (amount > 0n) throw insufficientFunds({ required: amount, available: 0n, currency })
    return []
  }
  const reserved = hold ? reservedBy(hold) : 0n
  const ofHold = amount < reserved ? amount : reserved
  const rest = amount - ofHold
  if (hold && rest > 0n && !capture!.allowExcess) {
    throw new StoaError('hold_exceeded', { details: { left: microsNumber(reserved), required: microsNumber(amount) } })
  }
  const purpose: Purpose = { applicationId: charge.applicationId, meterId: charge.meterId, time: batch.now }
  const grants = batch.journal.grants(wallet.id)
  const available = availableFor(wallet, grants, purpose) - batch.drafts.pendingOn(wallet)
  if (rest > available && rest > 0n) throw insufficientFunds({ required: rest, available, currency })
  // Before the hold is touched, which would free what it reserves.
  const spent = sliceGrants(grants, rest, purpose)
  const held = hold ? captureHold(batch, wallet, hold, { amount: ofHold, isFinal: capture!.isFinal }) : []
  return [...held, ...spent].map(({ grantId, amount: part }) => ({ grantId, amount: -part }))
}

/** Releases what is charged of a hold, and with it, in the end, what it has left. Returns the grants it was reserved of. */
function captureHold(
  batch: Batch,
  wallet: Account,
  hold: Hold,
  { amount, isFinal }: { amount: bigint; isFinal: boolean },
): Slice[] {
  const { taken, left } = splitSlices(hold.slices, amount)
  const rest = reservedBy(hold) - amount
  const isOver = isFinal || rest === 0n
  const freed = isOver ? hold.slices : taken
  batch.journal.hold(
    wallet,
    -(isOver ? amount + rest : amount),
    freed.map((slice) => ({ ...slice, amount: -slice.amount })),
  )
  hold.captured += amount
  hold.slices = isOver ? [] : left
  if (isOver) Object.assign(hold, { status: 'captured', closedTime: batch.now })
  batch.captured.add(hold.id)
  return taken
}

function count(batch: Batch, limits: Limit[], { units, amount }: Charge): void {
  for (const { counter } of limits) {
    const counted = batch.counters.get(counterName(counter))
    if (!counted) continue
    // A cap is in money; units of many meters say nothing together.
    if (counter.meterId !== null) counted.units += units
    counted.amount += amount
    batch.changedCounters.add(counted.key)
  }
}
