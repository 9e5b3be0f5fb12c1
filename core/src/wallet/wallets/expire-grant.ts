import type { Knex } from 'knex'
import { inTransaction } from '../../database/index.ts'
import { publish } from '../../events/index.ts'
import { createEachByItself, createPoller, nowIso, StoaError, type Poller } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { accountId, platformAccount, type Account } from '../ledger/account.ts'
import { findGrants } from '../ledger/grant-store.ts'
import type { Grant } from '../ledger/grant.ts'
import { openJournal } from '../ledger/journal.ts'
import { ensureAccounts, findAccountById } from '../ledger/ledger-store.ts'
import { closeGrant, endGrant, findEndedGrants } from './grant-queries.ts'
import { grantEvent } from './grant-shape.ts'

const batch = 50
const theHost = 'host:grants'

export interface EndedGrant {
  grant: Grant
  wallet: Account
}

/**
 * Ends a grant now, whenever it would have expired by itself, and moves what is left of it that no hold reserves. What comes free later,
 * because a hold ends or a charge is given back, is moved then. Doing it again changes nothing. `db` must be a transaction. Throws
 * `not_found`.
 */
export async function takeBackGrant(
  ctx: WalletContext,
  db: Knex.Transaction,
  grantId: string,
  actor: string,
): Promise<EndedGrant> {
  return expire(ctx, db, grantId, { actor, atOnce: true })
}

async function expire(
  ctx: WalletContext,
  db: Knex.Transaction,
  id: string,
  { actor, atOnce }: { actor: string; atOnce: boolean },
): Promise<EndedGrant> {
  const [found] = await findGrants(db, [id])
  if (!found) throw new StoaError('not_found')
  const { accountId: walletId, sourceAccountId, kind } = found
  const { environment, currency } = (await findAccountById(db, walletId))!
  const breakage = platformAccount('breakage', { environment, currency })
  // What was bought is the platform's when it ends unused; what was a present goes back to whoever gave it.
  const to = kind === 'paid' ? accountId(breakage) : sourceAccountId
  if (kind === 'paid') await ensureAccounts(db, ctx.dialect, [breakage], nowIso(ctx.clock))
  const journal = await openJournal(ctx, db, [walletId, to])
  const { now } = journal
  const wallet = journal.account(walletId)!
  await journal.loadGrants([id])
  const grant = journal.grants(walletId).find((each) => each.id === id)!
  const isOver = grant.expiresTime !== null && grant.expiresTime <= now
  if (!isOver && !atOnce) return { grant, wallet }
  if (!isOver) {
    await endGrant(db, id, now)
    grant.expiresTime = now
  }
  const amount = grant.remaining - grant.held
  if (amount > 0n) {
    const transaction = journal.post(
      {
        kind: 'grant-expiry',
        referenceId: id,
        reversesId: null,
        applicationId: null,
        environment,
        currency,
        actor,
        description: grant.description,
        eventTime: now,
      },
      [
        { account: wallet, amount: -amount },
        { account: journal.account(to) ?? { id: to }, amount },
      ],
    )
    journal.moveGrants(wallet, { transactionId: transaction.id, referenceId: id }, [{ grantId: id, amount: -amount }])
    await journal.write()
    await publish(ctx, db, grantEvent('grant.expired', wallet, grant, now, amount))
  }
  if (grant.remaining === 0n) {
    await closeGrant(db, id, now)
    grant.closedTime ??= now
  }
  return { grant, wallet }
}

/**
 * Ends grants whose time is over. Any number of processes may run one: what is left is read under the wallet's lock, so the second finds
 * nothing.
 */
export function createGrantWorker(ctx: WalletContext): Poller {
  const each = createEachByItself(ctx, 'the end of a grant')
  return createPoller(ctx, 'grants', async () => {
    const ended = await findEndedGrants(ctx.db, nowIso(ctx.clock), { limit: batch, except: each.resting() })
    return each.run(
      ended,
      (id) => id,
      (id) => inTransaction(ctx.db, (trx) => expire(ctx, trx, id, { actor: theHost, atOnce: false })),
    )
  })
}
