import type { Knex } from 'knex'
import { publish } from '../../events/index.ts'
import { StoaError } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { openJournal } from '../ledger/journal.ts'
import { holdEvent } from './hold-events.ts'
import { findHold, updateHold } from './hold-store.ts'
import { reservedBy, type Hold } from './hold.ts'

/**
 * Frees what a hold has left. One that is closed stays as it is, and is returned. `db` must be a transaction. Throws `not_found` for
 * what is not this installation's.
 */
export async function releaseHold(
  ctx: WalletContext,
  db: Knex.Transaction,
  at: { installationId: string; id: string },
  as: 'released' | 'expired',
): Promise<Hold> {
  const found = await findHold(db, at)
  if (!found) throw new StoaError('not_found')
  const journal = await openJournal(ctx, db, [found.accountId])
  // Who waited for the wallet looks again.
  const hold = (await findHold(db, at))!
  if (hold.status !== 'open') return hold
  journal.hold(
    journal.account(hold.accountId)!,
    -reservedBy(hold),
    hold.slices.map((slice) => ({ ...slice, amount: -slice.amount })),
  )
  const closed: Hold = { ...hold, status: as, slices: [], closedTime: journal.now }
  await journal.write()
  await updateHold(db, closed)
  await publish(ctx, db, holdEvent(as === 'expired' ? 'hold.expired' : 'hold.released', closed, journal.now))
  return closed
}
