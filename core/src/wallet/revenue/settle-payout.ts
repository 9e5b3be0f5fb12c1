import type { Knex } from 'knex'
import type { Environment } from '../../context.ts'
import { publish } from '../../events/index.ts'
import { newId, nowIso, StoaError } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { accountId, platformAccount } from '../ledger/account.ts'
import { openJournal } from '../ledger/journal.ts'
import { payoutEvent } from './payout-events.ts'
import type { Payout } from './payout.ts'
import { findParts, findPayout, settlePayout } from './payout-store.ts'

/** How a transfer ended. */
export type Settlement = { status: 'paid'; reference: string } | { status: 'failed'; failure: string }

/**
 * Says how a payout ended. One that failed is booked back: its accounts are owed the money again, and the next run pays it. `db` must be a
 * transaction. The same again changes nothing. Throws `not_found` also for a payout of production when a sandbox credential asks, and
 * `wrong_state` for one that has ended otherwise.
 */
export async function endPayout(
  ctx: WalletContext,
  trx: Knex.Transaction,
  id: string,
  by: { actor: string; environment: Environment },
  settlement: Settlement,
): Promise<Payout> {
  const found = await findPayout(trx, id)
  if (!found || (found.environment === 'production' && by.environment === 'sandbox')) throw new StoaError('not_found')
  const { environment, currency } = found
  const clearing = accountId(platformAccount('payout_clearing', found))
  // The lock that runs take too, so that none looks at what is owed while this changes it.
  const journal = await openJournal(ctx, trx, [clearing])
  const payout = (await findPayout(trx, id))!
  if (payout.status !== 'created') {
    if (isSame(payout, settlement)) return payout
    throw new StoaError('wrong_state', {
      message: `The payout has ${payout.status === 'paid' ? 'been paid' : 'failed'}.`,
    })
  }
  const ended: Payout = {
    ...payout,
    status: settlement.status,
    reference: settlement.status === 'paid' ? settlement.reference : null,
    failure: settlement.status === 'failed' ? settlement.failure : null,
    settledBy: by.actor,
    settlementId: newId('pst'),
    settledTime: nowIso(ctx.clock),
  }
  if (settlement.status === 'failed') {
    const parts = await findParts(trx, id)
    const transaction = journal.post(
      {
        kind: 'payout-reversal',
        referenceId: id,
        reversesId: payout.transactionId,
        applicationId: null,
        environment,
        currency,
        actor: by.actor,
        description: settlement.failure,
        eventTime: journal.now,
      },
      [
        ...parts.map((part) => ({ account: { id: part.accountId }, amount: part.amount })),
        { account: journal.account(clearing)!, amount: -payout.amount },
      ],
    )
    ended.reversalId = transaction.id
    await journal.write()
  }
  await settlePayout(trx, ended)
  await publish(ctx, trx, payoutEvent(`payout.${settlement.status}`, ended, journal.now))
  return ended
}

function isSame({ status, reference, failure }: Payout, settlement: Settlement): boolean {
  if (status !== settlement.status) return false
  return settlement.status === 'paid' ? reference === settlement.reference : failure === settlement.failure
}
