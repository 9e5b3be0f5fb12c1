import type { Knex } from 'knex'
import { insertRows, type Db } from '../../database/index.ts'
import { publish, publishMany, type NewEvent } from '../../events/index.ts'
import { microsText, newId, nowIso, StoaError, type Micros } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { accountId, type Account, type NewAccount } from '../ledger/account.ts'
import { levelChanges, settleLevels, walletEvent } from '../ledger/balance-level.ts'
import { findOpenGrants } from '../ledger/grant-store.ts'
import { ownMoney } from '../ledger/grant.ts'
import { ensureAccounts, lockAccounts } from '../ledger/ledger-store.ts'

/** Sets below what the owner of a wallet is told that it is low; null for never. Makes the wallet. `db` must be a transaction. */
export async function setLowBalance(
  ctx: WalletContext,
  db: Knex.Transaction,
  wallet: NewAccount,
  lowBalance: Micros | null,
): Promise<Account> {
  await ensureAccounts(db, ctx.dialect, [wallet], nowIso(ctx.clock))
  return changeWallet(ctx, db, accountId(wallet), (account) => {
    account.lowBalance = lowBalance
  })
}

/** A decision of the platform's over a wallet, with who made it and why. */
export interface Decision {
  reason: string
  actor: string
}

/** Doing it again changes nothing but the reason. `db` must be a transaction. Throws `not_found`. */
export async function suspendWallet(
  ctx: WalletContext,
  db: Knex.Transaction,
  id: string,
  decision: Decision,
): Promise<Account> {
  const account = await changeWallet(ctx, db, id, (wallet) => {
    wallet.status = 'suspended'
    wallet.statusReason = decision.reason
  })
  await record(ctx, db, account, { ...decision, type: 'wallet.suspended', value: 'suspended' })
  return account
}

/** Throws `wrong_state` when it is not suspended, `not_found`. `db` must be a transaction. */
export async function resumeWallet(
  ctx: WalletContext,
  db: Knex.Transaction,
  id: string,
  decision: Decision,
): Promise<Account> {
  const account = await changeWallet(ctx, db, id, (wallet) => {
    if (wallet.status === 'active') throw new StoaError('wrong_state', { message: 'The wallet is not suspended.' })
    wallet.status = 'active'
    wallet.statusReason = null
  })
  await record(ctx, db, account, { ...decision, type: 'wallet.resumed', value: 'active' })
  return account
}

/**
 * Lets a wallet's own money go as far as `overdraft` below zero. `db` must be a transaction. Throws `wrong_state` when it is further
 * below already, `not_found`.
 */
export async function setOverdraft(
  ctx: WalletContext,
  db: Knex.Transaction,
  id: string,
  { overdraft, ...decision }: Decision & { overdraft: Micros },
): Promise<Account> {
  const account = await changeWallet(ctx, db, id, async (wallet) => {
    // Under the wallet's lock, like the balance that they are a part of.
    const grants = (await findOpenGrants(db, [id])).get(id) ?? []
    // Not the balance: what is left of grants may end, and must not take the wallet below its limit then.
    const own = ownMoney(wallet, grants)
    if (own < -overdraft) {
      throw new StoaError('wrong_state', {
        message: `The wallet's own money is ${microsText(own)}; it has to be topped up before the overdraft can be less than that.`,
      })
    }
    wallet.minBalance = -overdraft
  })
  const value = microsText(overdraft)
  await record(ctx, db, account, { ...decision, type: 'wallet.overdraft-changed', value })
  return account
}

/** The only way in which these columns change: under the lock that whoever books holds, so that neither overwrites the other. */
async function changeWallet(
  ctx: WalletContext,
  db: Knex.Transaction,
  id: string,
  change: (account: Account) => void | Promise<void>,
): Promise<Account> {
  const [account] = await lockAccounts(db, ctx.dialect, [id])
  if (account?.kind !== 'wallet') throw new StoaError('not_found')
  const before = new Map([[id, { ...account }]])
  await change(account)
  // A wallet that never had anything is not told to be empty.
  if (account.version > 0) settleLevels([account])
  await updateSettings(db, account)
  await publishMany(ctx, db, levelChanges(before, [account], nowIso(ctx.clock)))
  return account
}

async function updateSettings(db: Db, account: Account): Promise<void> {
  await db('stoa_ledger_accounts').where({ id: account.id }).update({
    status: account.status,
    status_reason: account.statusReason,
    min_balance: account.minBalance,
    low_balance: account.lowBalance,
    level: account.level,
  })
}

type Made = Decision & { type: 'wallet.suspended' | 'wallet.resumed' | 'wallet.overdraft-changed'; value: string }

async function record(
  ctx: WalletContext,
  db: Db,
  account: Account,
  { type, value, reason, actor }: Made,
): Promise<void> {
  const now = nowIso(ctx.clock)
  const row = { id: newId('wch'), account_id: account.id, kind: type, value, reason, actor, created_time: now }
  await insertRows(db, ctx.dialect, 'stoa_wallet_changes', [row])
  const event = walletEvent(type, account, now)
  const { data, ...payload } = event.payload as { data: object }
  const told = { ...data, overdraft: microsText(-(account.minBalance ?? 0n)), reason }
  await publish(ctx, db, { ...event, payload: { ...payload, data: told } } as NewEvent)
}
