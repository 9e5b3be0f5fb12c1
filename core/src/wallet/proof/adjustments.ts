import type { Knex } from 'knex'
import { findOrganization } from '../../accounts/index.ts'
import { findApplication } from '../../applications/index.ts'
import type { Environment } from '../../context.ts'
import { integer, iso, money, text, type Db, type Row } from '../../database/index.ts'
import { publish } from '../../events/index.ts'
import type { Page, Paged } from '../../http/index.ts'
import { invalidField, maxMicros, microsText, newId, StoaError, type Micros } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { insufficientFunds } from '../charges/insufficient-funds.ts'
import { readCurrency } from '../currency.ts'
import { readMicros } from '../read-amount.ts'
import { accountId, platformAccount, type Account, type NewAccount } from '../ledger/account.ts'
import { walletEvent } from '../ledger/balance-level.ts'
import { availableFor } from '../ledger/grant.ts'
import { openJournal, type Journal } from '../ledger/journal.ts'
import { ensureAccounts, findAccountById } from '../ledger/ledger-store.ts'

/** Something that an operator put right. Never changed; what was wrong with it is put right by another. */
export interface Adjustment {
  id: string
  reference: string
  accountId: string
  /** Negative for what was taken. */
  amount: Micros
  currency: string
  environment: Environment
  reason: string
  actor: string
  transactionId: string
  createdTime: string
}

export interface NewAdjustment {
  /** Exactly one of the three: a wallet, what an application’s publisher has earned, or an organization’s margin. */
  walletId?: string | null
  applicationId?: string | null
  organizationId?: string | null
  amount: number | string
  /** Of what was earned, the host's by default; a wallet has its own. */
  currency?: string | undefined
  environment: Environment
  reason: string
  /** The operator's own number; the same one never adjusts twice. */
  reference: string
  /** `<kind of caller>:<id>` of who did it. */
  actor: string
}

const table = 'stoa_adjustments'
const most: Micros = 1_000_000_000n * 1_000_000n

/**
 * Puts an account right: a transaction against the platform's account `adjustment`, with a reason and an actor. `db` must be a
 * transaction. The same reference with the same content is answered as before. Throws `not_found` for what nobody has,
 * `insufficient_funds` when a wallet would pass its limit, or have less left than its grants and holds; `reference_reused`.
 */
export async function adjust(
  ctx: WalletContext,
  db: Knex.Transaction,
  input: NewAdjustment,
): Promise<{ adjustment: Adjustment; replayed: boolean }> {
  const amount = readAmount(input.amount)
  const target = await targetOf(ctx, db, input)
  const { environment, currency } = target
  const clearing = platformAccount('adjustment', { environment, currency })
  const [id, clearingId] = [accountId(target), accountId(clearing)]
  await ensureAccounts(db, ctx.dialect, [clearing, target], ctx.clock.now().toISOString())
  const journal = await openJournal(ctx, db, [id, clearingId])
  const { reason, reference, actor } = input
  const adjustment: Adjustment = {
    id: newId('adj'),
    reference,
    accountId: id,
    amount,
    currency,
    environment,
    reason,
    actor,
    transactionId: newId('txn'),
    createdTime: journal.now,
  }
  if (!(await insertUnlessKnown(db, adjustment))) return { adjustment: await replay(db, adjustment), replayed: true }
  const wallet = journal.account(id)
  if (wallet) checkLimits(journal, wallet, amount)
  journal.post(
    {
      id: adjustment.transactionId,
      kind: 'adjustment',
      referenceId: adjustment.id,
      reversesId: null,
      applicationId: target.kind === 'app_payable' ? target.ownerId : null,
      environment,
      currency,
      actor,
      description: reason,
      eventTime: journal.now,
    },
    [
      { account: wallet ?? { id }, amount },
      { account: journal.account(clearingId)!, amount: -amount },
    ],
  )
  await journal.write()
  if (wallet) await tell(ctx, db, wallet, adjustment)
  return { adjustment, replayed: false }
}

function readAmount(given: number | string): Micros {
  const amount = readMicros(given, 'amount')
  if (amount === 0n) throw invalidField('amount', 'must not be 0')
  if (amount > most || amount < -most)
    throw invalidField('amount', `must lie between -${microsText(most)} and ${microsText(most)}`)
  return amount
}

async function targetOf(ctx: WalletContext, db: Db, input: NewAdjustment): Promise<NewAccount> {
  const { walletId, applicationId, organizationId, environment } = input
  const named = [walletId, applicationId, organizationId].filter(Boolean)
  if (named.length !== 1)
    throw invalidField('walletId', 'must be the only one named of walletId, applicationId and organizationId')
  const at = { environment, currency: readCurrency(ctx, input.currency) }
  if (walletId) {
    const wallet = await findAccountById(db, walletId)
    const isThere = wallet?.kind === 'wallet' && wallet.environment === environment
    if (!isThere) throw invalidField('walletId', 'no wallet of this environment has this id', 'not_found')
    if (input.currency !== undefined && input.currency !== wallet.currency) {
      throw invalidField('currency', `must be the wallet’s, ${wallet.currency}, or be left out`)
    }
    return wallet
  }
  if (applicationId) {
    const application = await findApplication(db, applicationId)
    if (!application) throw invalidField('applicationId', 'no application has this id', 'not_found')
    const owner = {
      ownerType: 'application',
      ownerId: application.id,
      organizationId: application.publisherId,
    } as const
    return { kind: 'app_payable', ...owner, ...at }
  }
  const organization = await findOrganization(db, organizationId!)
  if (!organization) throw invalidField('organizationId', 'no organization has this id', 'not_found')
  const owner = { ownerType: 'organization', ownerId: organization.id, organizationId: organization.id } as const
  return { kind: 'margin', ...owner, ...at }
}

/** What grants and holds have of the balance is not the operator's to take; they have ends of their own. */
function checkLimits(journal: Journal, wallet: Account, amount: Micros): void {
  if (wallet.balance + amount > maxMicros) throw invalidField('amount', 'would take the wallet beyond what it can hold')
  // At no time is any grant in force, so that what is left is the wallet's own money.
  const none = { applicationId: '', meterId: null, time: '' }
  const available = availableFor(wallet, journal.grants(wallet.id), none)
  if (amount > 0n || -amount <= available) return
  throw insufficientFunds(
    { required: -amount, available, currency: wallet.currency },
    { what: 'adjustment', then: () => 'take at most that: what grants and holds have of it has ends of its own' },
  )
}

async function tell(ctx: WalletContext, db: Db, wallet: Account, adjustment: Adjustment): Promise<void> {
  const event = walletEvent('wallet.adjusted', wallet, adjustment.createdTime)
  const { data, ...body } = event.payload as { data: object }
  const { id: adjustmentId, amount, reason } = adjustment
  await publish(ctx, db, {
    ...event,
    payload: { ...body, data: { ...data, adjustmentId, amount: microsText(amount), reason } },
  })
}

async function insertUnlessKnown(db: Db, made: Adjustment): Promise<boolean> {
  const rows = (await db(table)
    .insert({
      id: made.id,
      reference: made.reference,
      account_id: made.accountId,
      amount: made.amount,
      currency: made.currency,
      environment: made.environment,
      reason: made.reason,
      actor: made.actor,
      transaction_id: made.transactionId,
      created_time: made.createdTime,
    })
    .onConflict('reference')
    .ignore()
    .returning('id')) as Row[]
  return rows.length > 0
}

async function replay(db: Db, wanted: Adjustment): Promise<Adjustment> {
  const known = mapAdjustment((await db(table).where({ reference: wanted.reference }).first()) as Row)
  if (known.accountId !== wanted.accountId || known.amount !== wanted.amount) {
    throw new StoaError('reference_reused', { details: { adjustmentId: known.id } })
  }
  return known
}

/** Of one environment, the latest first. */
export async function listAdjustments(
  db: Db,
  { environment, accountId: account }: { environment: Environment; accountId: string | null },
  page: Page,
): Promise<Paged<Adjustment>> {
  const wanted = db(table).where({ environment, ...(account !== null && { account_id: account }) })
  const [{ count } = { count: 0 }] = (await wanted.clone().count({ count: '*' })) as Row[]
  const rows = (await wanted.orderBy('id', 'desc').limit(page.limit).offset(page.offset)) as Row[]
  return { items: rows.map(mapAdjustment), total: integer(count) }
}

function mapAdjustment(row: Row): Adjustment {
  return {
    id: text(row.id),
    reference: text(row.reference),
    accountId: text(row.account_id),
    amount: money(row.amount),
    currency: text(row.currency),
    environment: row.environment as Environment,
    reason: text(row.reason),
    actor: text(row.actor),
    transactionId: text(row.transaction_id),
    createdTime: iso(row.created_time),
  }
}
