import type { Knex } from 'knex'
import { findLocation, findOrganization } from '../../accounts/index.ts'
import type { Environment } from '../../context.ts'
import { iso, maybeText, money, text, type Db, type Row } from '../../database/index.ts'
import {
  invalidField,
  maxMicros,
  microsText,
  newId,
  nowIso,
  StoaError,
  toMicros,
  type Micros,
} from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { accountId, platformAccount, type NewAccount } from '../ledger/account.ts'
import { openJournal } from '../ledger/journal.ts'
import { ensureAccounts } from '../ledger/ledger-store.ts'

/** Money put into a wallet by the platform's operator. Never changed afterwards. */
export interface TopUp {
  id: string
  reference: string
  accountId: string
  transactionId: string
  organizationId: string
  locationId: string | null
  environment: Environment
  currency: string
  amount: Micros
  description: string | null
  actor: string
  createdTime: string
}

export interface NewTopUp {
  /** Exactly one of the two: whose wallet it is. */
  organizationId?: string | null
  locationId?: string | null
  amount: number | string
  environment: Environment
  /** The operator's own number for the payment; the same reference never adds money twice. */
  reference: string
  description?: string | null
  /** `<kind of caller>:<id>` of who did it. */
  actor: string
}

const table = 'stoa_top_ups'
const most: Micros = 1_000_000_000n * 1_000_000n

/**
 * Adds money to the wallet of an organization or a location, making the wallet when it is the first. `db` must be a
 * transaction. The same reference with the same content is answered as before, with other content refused
 * (`reference_reused`). Throws `not_found` when nobody has the id, `validation_failed` for the amount.
 */
export async function topUp(
  ctx: WalletContext,
  db: Knex.Transaction,
  input: NewTopUp,
): Promise<{ topUp: TopUp; replayed: boolean }> {
  const amount = readAmount(input.amount)
  const owner = await ownerOf(db, input)
  const { currency } = ctx.config
  const { environment, reference, actor } = input
  const now = nowIso(ctx.clock)
  const at = { environment, currency }
  const clearing = platformAccount('topup_clearing', at)
  const wallet: NewAccount = {
    kind: 'wallet',
    ownerType: owner.type,
    ownerId: owner.id,
    organizationId: owner.organizationId,
    ...at,
  }
  await ensureAccounts(db, ctx.dialect, [clearing, wallet], now)
  const journal = await openJournal(ctx, db, [accountId(wallet)])
  const account = journal.account(accountId(wallet))!
  const id = newId('top')
  const description = input.description ?? null
  const transactionId = newId('txn')
  const made: TopUp = {
    id,
    reference,
    accountId: account.id,
    transactionId,
    organizationId: owner.organizationId,
    locationId: owner.type === 'location' ? owner.id : null,
    ...at,
    amount,
    description,
    actor,
    createdTime: now,
  }
  if (!(await insertUnlessKnown(db, made))) return { topUp: await replay(db, made), replayed: true }
  if (account.balance + amount > maxMicros)
    throw invalidField('amount', 'would take the wallet beyond what it can hold')
  const transaction = {
    id: transactionId,
    kind: 'top-up' as const,
    referenceId: id,
    reversesId: null,
    applicationId: null,
  }
  journal.post({ ...transaction, ...at, actor, description, eventTime: now }, [
    { account: { id: accountId(clearing) }, amount: -amount },
    { account, amount },
  ])
  await journal.write()
  return { topUp: made, replayed: false }
}

function readAmount(given: number | string): Micros {
  const amount = toMicros(given)
  if (amount === null) throw invalidField('amount', 'must be a decimal with at most 6 decimals and 15 digits')
  if (amount <= 0n) throw invalidField('amount', 'must be more than 0')
  if (amount > most) throw invalidField('amount', `must be at most ${microsText(most)}`)
  return amount
}

async function ownerOf(db: Db, { organizationId, locationId }: NewTopUp) {
  if (organizationId && locationId)
    throw invalidField('locationId', 'cannot stand beside organizationId; name one wallet')
  if (locationId) {
    const location = await findLocation(db, locationId)
    if (!location) throw invalidField('locationId', 'no location has this id', 'not_found')
    return { type: 'location' as const, id: location.id, organizationId: location.organizationId }
  }
  if (!organizationId) throw invalidField('organizationId', 'is required, or locationId')
  const organization = await findOrganization(db, organizationId)
  if (!organization) throw invalidField('organizationId', 'no organization has this id', 'not_found')
  return { type: 'organization' as const, id: organization.id, organizationId: organization.id }
}

async function insertUnlessKnown(db: Db, made: TopUp): Promise<boolean> {
  const rows = (await db(table)
    .insert({
      id: made.id,
      reference: made.reference,
      account_id: made.accountId,
      transaction_id: made.transactionId,
      organization_id: made.organizationId,
      location_id: made.locationId,
      environment: made.environment,
      currency: made.currency,
      amount: made.amount,
      description: made.description,
      actor: made.actor,
      source: 'operator',
      status: 'succeeded',
      tries: 0,
      created_time: made.createdTime,
      settled_time: made.createdTime,
    })
    .onConflict('reference')
    .ignore()
    .returning('id')) as Row[]
  return rows.length > 0
}

async function replay(db: Db, wanted: TopUp): Promise<TopUp> {
  const row = (await db(table).where({ reference: wanted.reference }).first()) as Row
  const known: TopUp = {
    id: text(row.id),
    reference: text(row.reference),
    accountId: text(row.account_id),
    transactionId: text(row.transaction_id),
    organizationId: text(row.organization_id),
    locationId: maybeText(row.location_id),
    environment: row.environment as Environment,
    currency: text(row.currency),
    amount: money(row.amount),
    description: maybeText(row.description),
    actor: text(row.actor),
    createdTime: iso(row.created_time),
  }
  if (known.accountId !== wanted.accountId || known.amount !== wanted.amount) {
    throw new StoaError('reference_reused', { details: { topUpId: known.id } })
  }
  return known
}
