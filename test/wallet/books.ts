import { newId, nowIso } from '../../core/src/kernel/index.ts'
import {
  accountId,
  ensureAccounts,
  insertGrant,
  openJournal,
  platformAccount,
  refundCharge,
  type Grant,
  type NewAccount,
  type RefundWish,
  type WalletContext,
} from '../../core/src/wallet/index.ts'
import type { Caller } from '../../core/src/http/index.ts'

/** What tests do to the ledger through the journal itself, whatever doors there are for it. */
export interface Books {
  grant(owner: Owner, amount: bigint, change?: Partial<Grant>): Promise<Grant>
  /** Ends a grant: what remains of it is nobody's any more. Returns how much that was. */
  expire(grant: Grant): Promise<bigint>
  /** Gives a part back, by amount or units, as the location's application. */
  refund(caller: Caller, chargeId: string, wish: Partial<RefundWish>): Promise<{ amount: bigint; replayed: boolean }>
}

interface Owner {
  organizationId: string
  locationId: string
}

export function openBooks(ctx: WalletContext): Books {
  const at = { environment: 'production', currency: 'USD' } as const
  const promotion = platformAccount('promotion', at)
  const breakage = platformAccount('breakage', at)
  const booked = { reversesId: null, applicationId: null, actor: 'test:test', description: null, ...at }

  const walletOf = (owner: Owner): NewAccount => ({
    kind: 'wallet',
    ownerType: 'location',
    ownerId: owner.locationId,
    organizationId: owner.organizationId,
    ...at,
  })

  async function grant(owner: Owner, amount: bigint, change: Partial<Grant> = {}): Promise<Grant> {
    const wallet = walletOf(owner)
    const now = nowIso(ctx.clock)
    const made: Grant = {
      id: newId('grn'),
      accountId: accountId(wallet),
      kind: 'promotional',
      reference: newId('ref'),
      sourceAccountId: accountId(promotion),
      amount,
      remaining: 0n,
      held: 0n,
      priority: 50,
      effectiveTime: '2020-01-01T00:00:00.000Z',
      expiresTime: null,
      applicationId: null,
      meterId: null,
      description: null,
      actor: 'test:test',
      transactionId: newId('txn'),
      closedTime: null,
      createdTime: now,
      ...change,
    }
    await ctx.db.transaction(async (trx) => {
      await ensureAccounts(trx, ctx.dialect, [promotion, wallet], now)
      const journal = await openJournal(ctx, trx, [made.accountId])
      const account = journal.account(made.accountId)!
      await insertGrant(trx, made)
      await journal.loadGrants([made.id])
      journal.post({ ...booked, id: made.transactionId, kind: 'grant', referenceId: made.id, eventTime: now }, [
        { account: { id: accountId(promotion) }, amount: -amount },
        { account, amount },
      ])
      const own = { transactionId: made.transactionId, referenceId: made.id }
      journal.moveGrants(account, own, [{ grantId: made.id, amount }])
      await journal.write()
    })
    return made
  }

  const expire = ({ id, accountId: wallet }: Grant): Promise<bigint> =>
    ctx.db.transaction(async (trx) => {
      await ensureAccounts(trx, ctx.dialect, [breakage], nowIso(ctx.clock))
      const journal = await openJournal(ctx, trx, [wallet])
      const account = journal.account(wallet)!
      const left = journal.grants(wallet).find((each) => each.id === id)?.remaining ?? 0n
      if (left === 0n) return 0n
      const { id: transactionId } = journal.post(
        { ...booked, kind: 'grant-expiry', referenceId: id, eventTime: journal.now },
        [
          { account, amount: -left },
          { account: { id: accountId(breakage) }, amount: left },
        ],
      )
      journal.moveGrants(account, { transactionId, referenceId: id }, [{ grantId: id, amount: -left }])
      await journal.write()
      return left
    })

  const refund: Books['refund'] = ({ application, organizationId, locationId, environment }, chargeId, wish) =>
    ctx.db.transaction(async (trx) => {
      const tenant = { ...application!, organizationId, locationId: locationId!, environment }
      const whole = { refundId: null, amount: null, units: null, description: null }
      const { refund: made, replayed } = await refundCharge(ctx, trx, tenant, chargeId, { ...whole, ...wish })
      return { amount: made?.amount ?? 0n, replayed }
    })

  return { grant, expire, refund }
}
