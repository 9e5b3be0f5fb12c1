import { afterCommit } from '../database/index.ts'
import type { Knex } from 'knex'
import { publishMany, type NewEvent } from '../events/index.ts'
import { findEnabledInstallations } from '../installations/index.ts'
import { microsNumber, microsText, newId, nowIso, StoaError, type Micros } from '../kernel/index.ts'
import { keyOf, type ChargeOutcome, type ChargeRecord, type ChargeRequest } from './charge.ts'
import { chargeEvent, tellCharge } from './charge-events.ts'
import { findCharges, insertCharges } from './charge-store.ts'
import type { WalletContext } from './context.ts'
import { insertPostings, lockWalletsOfLocations, updateWallets } from './ledger-store.ts'
import { book, type Posting, type Wallet } from './ledger.ts'
import { findChargeableMeters, type ChargeableMeter } from './meter-store.ts'
import { chargeAmount, priceUnit } from './price-charge.ts'

const day = 86_400_000
const oldest = 35 * day
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

  await insertPostings(trx, ctx.dialect, batch.postings)
  await insertCharges(trx, ctx.dialect, batch.created)
  await updateWallets(trx, batch.wallets, batch.versions)
  await publishMany(
    ctx,
    trx,
    batch.created.map((charge): NewEvent => chargeEvent('charge.created', charge)),
  )
  afterCommit(trx, () => batch.created.forEach((charge) => tellCharge(ctx, 'charge.created', charge)))
  return outcomes
}

interface Batch {
  now: string
  wallets: Wallet[]
  /** The wallets' versions as they were read. */
  versions: Map<string, number>
  meters: Map<string, ChargeableMeter>
  enabled: Set<string>
  /** By keyOf: charged before, and as the batch goes on also those it makes. */
  charges: Map<string, ChargeRecord>
  created: ChargeRecord[]
  postings: Posting[]
}

// The wallets come first. Requests with the same key are for the same wallet, so whoever holds it sees every charge that was
// made of it before, also by another process, and the unique index never has to refuse one.
async function readBatch(ctx: WalletContext, trx: Knex.Transaction, requests: ChargeRequest[]): Promise<Batch> {
  const locationIds = [...new Set(requests.map(({ locationId }) => locationId))]
  const environments = [...new Set(requests.map(({ environment }) => environment))]
  const wallets = await lockWalletsOfLocations(trx, ctx.dialect, locationIds, environments)
  return {
    now: nowIso(ctx.clock),
    wallets,
    versions: new Map(wallets.map(({ id, version }) => [id, version])),
    meters: await findChargeableMeters(trx, [...new Set(requests.map(({ meterId }) => meterId))]),
    enabled: await findEnabledInstallations(trx, [...new Set(requests.map(({ installationId }) => installationId))]),
    charges: await findCharges(trx, requests),
    created: [],
    postings: [],
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

function createCharge(batch: Batch, request: ChargeRequest): ChargeRecord {
  if (!batch.enabled.has(request.installationId)) throw new StoaError('not_installed')
  const meter = batch.meters.get(request.meterId)
  if (!meter || meter.applicationId !== request.applicationId) throw new StoaError('meter_not_found')
  const unitPrice = priceUnit(meter, request.price, request.currency)
  const eventTime = checkEventTime(request.eventTime, batch.now)
  const amount = chargeAmount(request.units, unitPrice)
  const { currency } = meter.price
  const wallet = payingWallet(batch, request, currency)
  refuseBeyondLimit(wallet, amount, currency)

  const id = newId('chg')
  const { applicationId, locationId, environment, description } = request
  const posting = book(
    {
      kind: 'charge',
      referenceId: id,
      reversesId: null,
      applicationId,
      environment,
      currency,
      actor: `application:${applicationId}`,
      description,
      bookedTime: batch.now,
      eventTime,
    },
    wallet && amount > 0n
      ? [
          { account: wallet, amount: -amount },
          { account: { id: meter.payableIds.get(environment)! }, amount },
        ]
      : [],
  )
  const charge: ChargeRecord = {
    id,
    seq: 0,
    applicationId,
    installationId: request.installationId,
    publisherId: meter.publisherId,
    organizationId: request.organizationId,
    locationId,
    environment,
    meterId: meter.id,
    priceId: meter.price.id,
    eventId: request.eventId,
    fingerprint: request.fingerprint,
    userId: request.userId,
    description,
    units: request.units,
    unitPrice,
    amount,
    currency,
    accountId: wallet?.id ?? null,
    transactionId: posting.transaction.id,
    eventTime,
    createdTime: batch.now,
    refundedTime: null,
  }
  batch.charges.set(keyOf(charge), charge)
  batch.created.push(charge)
  batch.postings.push(posting)
  return charge
}

function checkEventTime(eventTime: string | null, now: string): string {
  if (eventTime === null) return now
  const age = Date.parse(now) - Date.parse(eventTime)
  if (age > oldest || age < -newest) throw new StoaError('event_time_out_of_range')
  return eventTime
}

/** The location's wallet in the currency of the price; null when it has none at all, which is as good as an empty one. */
function payingWallet(batch: Batch, { locationId, environment }: ChargeRequest, currency: string): Wallet | null {
  const own = batch.wallets.filter((wallet) => wallet.ownerId === locationId && wallet.environment === environment)
  const wallet = own.find((each) => each.currency === currency) ?? null
  if (!wallet && own.length > 0) throw new StoaError('currency_mismatch')
  if (wallet?.status === 'suspended') throw new StoaError('wallet_suspended')
  return wallet
}

function refuseBeyondLimit(wallet: Wallet | null, amount: Micros, currency: string): void {
  const available = wallet ? wallet.balance - wallet.minBalance : 0n
  if (amount <= available) return
  throw new StoaError('insufficient_funds', {
    message: `The charge needs ${microsText(amount)} ${currency}, the wallet has ${microsText(available)} available; top it up and send the same eventId again.`,
    details: {
      required: microsNumber(amount),
      available: microsNumber(available),
      currency,
      exact: { required: microsText(amount), available: microsText(available) },
    },
  })
}
