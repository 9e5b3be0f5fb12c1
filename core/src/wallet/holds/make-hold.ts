import type { Knex } from 'knex'
import { publish } from '../../events/index.ts'
import { lockInstallationById } from '../../installations/index.ts'
import { isoIn, newId, nowIso, StoaError, type Micros } from '../../kernel/index.ts'
import { findCaps } from '../caps/cap-store.ts'
import { limitsOf, refuseBeyondLimits, unitsBefore } from '../caps/limits.ts'
import { lockCounters } from '../caps/usage-counters.ts'
import { insufficientFunds } from '../charges/insufficient-funds.ts'
import { readTerms, type ChargeTerms } from '../charges/charge-terms.ts'
import type { ChargeRequest } from '../charges/charge.ts'
import type { WalletContext } from '../context.ts'
import type { Account } from '../ledger/account.ts'
import { availableFor, sliceGrants } from '../ledger/grant.ts'
import { openJournal, type Journal } from '../ledger/journal.ts'
import { assertChargeable } from '../meters/meters.ts'
import { billedUnits, priceCharge } from '../meters/price-charge.ts'
import { resell } from '../rebilling/rebilling.ts'
import { holdEvent } from './hold-events.ts'
import { findHold, insertHold } from './hold-store.ts'
import type { Hold } from './hold.ts'

/** A hold as its request asks for it: of what a charge of the same units would come to, or of an amount. */
export interface HoldRequest extends Omit<ChargeRequest, 'eventTime' | 'isBackfill' | 'batchId' | 'capture'> {
  amount: Micros | null
  expiresInSeconds: number
}

/**
 * Reserves money of the wallet that would pay. It never takes an overdraft into account, so that what is promised is there. `db` must be
 * a transaction. Throws as a charge would; limits and caps are looked at, and enforced when it is captured.
 */
export async function makeHold(
  ctx: WalletContext,
  db: Knex.Transaction,
  request: HoldRequest,
): Promise<{ hold: Hold; replayed: boolean }> {
  const now = nowIso(ctx.clock)
  // Whoever uninstalls has it locked when its holds are ended: this one is made before that and ends with them, or is not made. The
  // wallet's lock would not do, which uninstalling does not take; it comes after this one, as everywhere.
  const installation = await lockInstallationById(db, ctx.dialect, request.installationId)
  const terms = (await readTerms(db, [request], now)).get(request)
  const walletId = terms?.walletId
  const journal = await openJournal(ctx, db, walletId ? [walletId] : [])
  const known = await findHold(db, request)
  if (known) {
    if (known.fingerprint !== request.fingerprint) {
      throw new StoaError('event_id_reused', { details: { holdId: known.id } })
    }
    return { hold: known, replayed: true }
  }
  if (installation?.status !== 'enabled') throw new StoaError('not_installed')
  if (!terms) throw new StoaError('meter_not_found')
  assertChargeable(terms.meter, request.environment)
  const amount = await amountOf(ctx, db, request, terms, now)
  const wallet = walletId ? journal.account(walletId) : null
  const { slices } = reserve(journal, wallet, request, { amount, currency: terms.meter.price.currency })

  const { applicationId, installationId, organizationId, locationId, environment, meterId } = request
  const hold: Hold = {
    id: newId('hld'),
    accountId: wallet!.id,
    applicationId,
    installationId,
    publisherId: terms.meter.publisherId,
    organizationId,
    locationId,
    environment,
    meterId,
    eventId: request.eventId,
    fingerprint: request.fingerprint,
    userId: request.userId,
    description: request.description,
    currency: terms.meter.price.currency,
    amount,
    captured: 0n,
    status: 'open',
    slices,
    expiresTime: isoIn(ctx.clock, request.expiresInSeconds),
    createdTime: now,
    closedTime: null,
  }
  await journal.write()
  await insertHold(db, hold)
  await publish(ctx, db, holdEvent('hold.created', hold, now))
  return { hold, replayed: false }
}

/** What a charge of it would come to now. Throws what the charge would throw for its price, a limit or a cap. */
async function amountOf(
  { dialect }: WalletContext,
  db: Knex.Transaction,
  request: HoldRequest,
  { meter, rule }: ChargeTerms,
  now: string,
): Promise<Micros> {
  const limits = limitsOf(meter, request.installationId, await findCaps(db, [request.installationId]), now)
  const counters = await lockCounters(
    db,
    dialect,
    limits.map(({ counter }) => counter),
  )
  const { units, price, currency } = request
  const priced = priceCharge(meter.price, { units, price, currency, used: unitsBefore(limits, counters) })
  const amount = request.amount ?? resell(rule, priced.amount, billedUnits({ units, ...priced })).amount
  refuseBeyondLimits(limits, counters, { units, amount })
  if (amount === 0n) throw new StoaError('invalid_units', { message: 'There is nothing to hold: this costs nothing.' })
  return amount
}

/** An overdraft is not among what is available: a hold is never drawn from it. */
const advice = {
  what: 'hold',
  then: (missing: string) => `top it up by ${missing} and ask for it again with the same eventId`,
}

function reserve(
  journal: Journal,
  wallet: Account | null,
  { applicationId, meterId }: HoldRequest,
  { amount, currency }: { amount: Micros; currency: string },
) {
  if (!wallet) throw insufficientFunds({ required: amount, available: 0n, currency }, advice)
  if (wallet.status === 'suspended') throw new StoaError('wallet_suspended')
  const purpose = { applicationId, meterId, time: journal.now }
  const grants = journal.grants(wallet.id)
  const available = availableFor(wallet, grants, purpose, { noOverdraft: true })
  if (amount > available) throw insufficientFunds({ required: amount, available, currency }, advice)
  const slices = sliceGrants(grants, amount, purpose)
  journal.hold(wallet, amount, slices)
  return { slices }
}
