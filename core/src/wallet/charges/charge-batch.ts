import type { Knex } from 'knex'
import { afterCommit } from '../../database/index.ts'
import { publishMany, type NewEvent } from '../../events/index.ts'
import { findEnabledInstallations } from '../../installations/index.ts'
import { nowIso, StoaError } from '../../kernel/index.ts'
import { announceCaps } from '../caps/announce-caps.ts'
import { findCaps } from '../caps/cap-store.ts'
import { limitsOf } from '../caps/limits.ts'
import { lockCounters, updateCounters } from '../caps/usage-counters.ts'
import type { WalletContext } from '../context.ts'
import { holdEvent } from '../holds/hold-events.ts'
import { findHolds, updateHold } from '../holds/hold-store.ts'
import { openJournal } from '../ledger/journal.ts'
import { findOwnersWithWallets } from '../ledger/ledger-store.ts'
import { keyOf, type ChargeOutcome, type ChargeRequest } from './charge.ts'
import { isDeclined, recordDeclined } from './charge-attempts.ts'
import { chargeEvent, tellCharge } from './charge-events.ts'
import { findCharges, insertCharges } from './charge-store.ts'
import { readTerms } from './charge-terms.ts'
import { createCharge, type Batch } from './create-charge.ts'
import { createDrafts } from './drafts.ts'
import type { KnownEarners } from './known-earners.ts'

/**
 * Books many charges in one transaction: reads all they need, decides one after the other in the order of their arrival, each on
 * the wallets, holds and limits as those before it left them, and writes all that was accepted. What is refused leaves nothing but
 * a line for who asks why.
 */
export async function bookCharges(
  ctx: WalletContext,
  trx: Knex.Transaction,
  requests: ChargeRequest[],
  earners: KnownEarners,
): Promise<(ChargeOutcome | Error)[]> {
  const batch = await readBatch(ctx, trx, requests, earners)
  const outcomes = requests.map((request) => decide(batch, request))
  const { created, journal, drafts, counters, holds, captured, now } = batch
  await earners.ensure(trx, ctx.dialect, created, now)
  drafts.post(journal)
  await journal.write()
  await insertCharges(trx, ctx.dialect, created)
  for (const id of captured) await updateHold(trx, holds.get(id)!)
  const ofCaps = announceCaps(batch, now)
  const changed = [...counters.values()].filter(({ key }) => batch.changedCounters.has(key))
  await updateCounters(trx, ctx.dialect, changed)
  await publishMany(ctx, trx, [
    ...created.map((charge): NewEvent => chargeEvent('charge.created', charge)),
    ...[...captured].map((id) => holdEvent('hold.captured', holds.get(id)!, now)),
    ...ofCaps,
    ...(await recordDeclined(trx, declinedOf(requests, outcomes), batch)),
  ])
  afterCommit(trx, () => created.forEach((charge) => tellCharge(ctx, 'charge.created', charge)))
  return outcomes
}

// The wallets are locked before the charges are looked for. Requests with the same key are mostly for the same wallet, so whoever
// holds it sees every charge that was made of it before, also by another process; where the payer changed meanwhile, the unique index
// refuses the second.
async function readBatch(
  ctx: WalletContext,
  trx: Knex.Transaction,
  requests: ChargeRequest[],
  earners: KnownEarners,
): Promise<Batch> {
  const now = nowIso(ctx.clock)
  const terms = await readTerms(trx, requests, now)
  const installationIds = [...new Set(requests.map(({ installationId }) => installationId))]
  const holdIds = requests.flatMap(({ capture }) => (capture ? [capture.holdId] : []))
  const payers = new Map(
    requests.flatMap((request) => {
      const payable = terms.get(request)
      return payable ? [[payable.walletId, payable.payer] as const] : []
    }),
  )
  // Which wallets they are of never changes; what they are by now is read below, behind the locks.
  const heldOn = [...(await findHolds(trx, holdIds)).values()].map((hold) => hold.accountId)
  const journal = await openJournal(ctx, trx, [...payers.keys(), ...heldOn])
  const missing = [...payers].flatMap(([id, { ownerId }]) => (journal.account(id) ? [] : [ownerId]))
  const caps = await findCaps(trx, installationIds)
  const limits = new Map(
    requests.flatMap((request) => {
      const meter = terms.get(request)?.meter
      return meter ? [[request, limitsOf(meter, request.installationId, caps, now)] as const] : []
    }),
  )
  return {
    now,
    terms,
    journal,
    elsewhere: await findOwnersWithWallets(trx, missing),
    enabled: await findEnabledInstallations(trx, installationIds),
    charges: await findCharges(trx, requests),
    holds: await findHolds(trx, holdIds),
    limits,
    counters: await lockCounters(
      trx,
      ctx.dialect,
      [...limits.values()].flat().map(({ counter }) => counter),
    ),
    changedCounters: new Set(),
    created: [],
    captured: new Set(),
    drafts: createDrafts(earners),
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

function declinedOf(requests: ChargeRequest[], outcomes: (ChargeOutcome | Error)[]) {
  return requests.flatMap((request, index) => {
    const error = outcomes[index]
    return error instanceof StoaError && isDeclined(error) ? [{ request, error }] : []
  })
}
