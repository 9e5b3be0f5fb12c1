import type { Knex } from 'knex'
import { publishMany } from '../../events/index.ts'
import { nowIso, type Micros } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import type { Account } from './account.ts'
import { levelChanges, settleLevels } from './balance-level.ts'
import {
  findGrants,
  findOpenGrants,
  insertGrant,
  insertGrantMoves,
  updateGrants,
  type GrantMove,
} from './grant-store.ts'
import { bySpending, type Grant, type Slice } from './grant.ts'
import { insertPostings, lockAccounts, updateAccounts } from './ledger-store.ts'
import { book, type Leg, type LedgerTransaction, type NewTransaction, type Posting } from './ledger.ts'

/**
 * One transaction's work on the ledger: accounts locked in the order of their ids, moved in memory, and written together at the end. The
 * only way in which balances, grants and what is held change.
 */
export interface Journal {
  readonly now: string
  /** An account that was locked; null when it does not exist. */
  account(id: string): Account | null
  /** Grants of a locked wallet that have something left, in the order in which they are spent. */
  grants(accountId: string): Grant[]
  /** Books legs as a transaction. What it throws is a fault of the program: rules refuse before they post. */
  post(transaction: Omit<NewTransaction, 'bookedTime'>, legs: Leg[]): LedgerTransaction
  /**
   * Takes of grants (negative) or gives back to them, in a transaction that moves the wallet by at least as much. `referenceId` is the
   * charge it is for. Grants that were used up have to be loaded first.
   */
  moveGrants(account: Account, to: { transactionId: string; referenceId: string }, moves: Slice[]): void
  /** Makes a part of the balance a new grant, in a transaction that pays at least as much in. */
  addGrant(account: Account, grant: Grant): void
  /** Makes known grants that were used up or made meanwhile. */
  loadGrants(ids: string[]): Promise<void>
  /** Reserves (or with a negative amount releases) a part of the balance, and of it slices of grants. */
  hold(account: Account, amount: Micros, slices: Slice[]): void
  /** Writes all of it, and tells the owners of wallets that ran low. Call it once, at the end, in the same transaction. */
  write(): Promise<void>
}

export async function openJournal(ctx: WalletContext, trx: Knex.Transaction, accountIds: string[]): Promise<Journal> {
  const now = nowIso(ctx.clock)
  const locked = await lockAccounts(trx, ctx.dialect, [...new Set(accountIds)])
  const accounts = new Map(locked.map((account) => [account.id, account]))
  const before = new Map(locked.map((account) => [account.id, { ...account }]))
  const open = await findOpenGrants(
    trx,
    locked.filter(({ granted }) => granted > 0n).map(({ id }) => id),
  )
  const known = new Map([...open.values()].flat().map((grant) => [grant.id, grant]))
  const movedGrants = new Set<Grant>()
  const newGrants: Grant[] = []
  const grantMoves: GrantMove[] = []
  const postings: Posting[] = []

  function grantOf(account: Account, id: string): Grant {
    const grant = known.get(id)
    if (grant?.accountId !== account.id) throw new Error(`Grant ${id} is not one of account ${account.id}`)
    movedGrants.add(grant)
    return grant
  }

  function assertWithin({ id, amount, remaining, held }: Grant): void {
    if (held < 0n || remaining < held || remaining > amount) throw new Error(`Grant ${id} would pass its limits`)
  }

  return {
    now,
    account: (id) => accounts.get(id) ?? null,
    grants: (id) => open.get(id) ?? [],
    post(transaction, legs) {
      const posting = book({ ...transaction, bookedTime: now }, legs)
      postings.push(posting)
      return posting.transaction
    },
    moveGrants(account, { transactionId, referenceId }, moves) {
      for (const { grantId, amount } of moves) {
        const grant = grantOf(account, grantId)
        grant.remaining += amount
        account.granted += amount
        assertWithin(grant)
        const seq = grantMoves.filter((move) => move.transactionId === transactionId).length
        grantMoves.push({ transactionId, seq, grantId, referenceId, amount })
      }
    },
    addGrant(account, grant) {
      account.granted += grant.remaining
      assertWithin(grant)
      known.set(grant.id, grant)
      open.set(account.id, [...(open.get(account.id) ?? []), grant].toSorted(bySpending))
      newGrants.push(grant)
    },
    async loadGrants(ids) {
      for (const grant of await findGrants(
        trx,
        ids.filter((id) => !known.has(id)),
      )) {
        known.set(grant.id, grant)
        open.set(grant.accountId, [...(open.get(grant.accountId) ?? []), grant].toSorted(bySpending))
      }
    },
    hold(account, amount, slices) {
      account.held += amount
      for (const { grantId, amount: part } of slices) {
        const grant = grantOf(account, grantId)
        grant.held += part
        assertWithin(grant)
      }
      if (account.held < 0n) throw new Error(`Account ${account.id} would hold less than nothing`)
    },
    async write() {
      const changed = locked.filter((account) => isChanged(before.get(account.id)!, account))
      settleLevels(changed)
      await insertPostings(trx, ctx.dialect, postings)
      await updateAccounts(trx, ctx.dialect, changed, new Map(locked.map(({ id }) => [id, before.get(id)!.version])))
      for (const grant of newGrants) await insertGrant(trx, grant)
      await updateGrants(trx, ctx.dialect, [...movedGrants])
      await insertGrantMoves(trx, ctx.dialect, grantMoves)
      await publishMany(ctx, trx, levelChanges(before, changed, now))
      await markTopUpsDue(trx, changed, now)
    },
  }
}

function isChanged(before: Account, after: Account): boolean {
  return before.version !== after.version || before.held !== after.held || before.granted !== after.granted
}

/** What has to be paid in by itself is looked at by the worker. One that waits for its time already keeps it. */
async function markTopUpsDue(trx: Knex.Transaction, changed: Account[], now: string): Promise<void> {
  const below = changed.filter(({ topUpBelow, balance, held }) => topUpBelow !== null && balance - held < topUpBelow)
  if (below.length === 0) return
  await trx('stoa_top_up_rules')
    .whereIn(
      'account_id',
      below.map(({ id }) => id),
    )
    .where({ enabled: true, due_time: null })
    .update({ due_time: now })
}
