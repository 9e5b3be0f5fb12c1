import type { Environment } from '../../context.ts'
import {
  insertRows,
  integer,
  iso,
  maybeIso,
  maybeText,
  money,
  text,
  updateRows,
  type Db,
  type Dialect,
  type Row,
} from '../../database/index.ts'
import type { Page, Paged } from '../../http/index.ts'
import type { Micros } from '../../kernel/index.ts'
import { mapAccount, type EarningAccount } from './collected-store.ts'
import type { Payout, PayoutPart, PayoutStatus } from './payout.ts'

const payouts = 'stoa_payouts'
const parts = 'stoa_payout_parts'
const items = 'stoa_payout_items'
const accounts = 'stoa_ledger_accounts'

const sumColumns = { earned: 'bigint', carried_in: 'bigint', carried_out: 'bigint', amount: 'bigint' }
const payoutColumns = {
  where: { id: 'text' },
  set: { ...sumColumns, run_id: 'text', status: 'text', transaction_id: 'text', created_time: 'timestamptz' },
}
const partColumns = { where: { payout_id: 'text', account_id: 'text' }, set: sumColumns }

const changesOf = (rows: Row[], columns: { where: object; set: object }) =>
  rows.map((row) => ({ where: pick(row, columns.where), set: pick(row, columns.set) }))

const pick = (row: Row, columns: object): Row =>
  Object.fromEntries(Object.keys(columns).map((name) => [name, row[name]]))

/**
 * Writes payouts with all of their parts. What was collected becomes the payout: its items stay as they are, and so does every part, so
 * one that the plan forgot would be money that nobody is paid. That throws.
 */
export async function savePayouts(db: Db, dialect: Dialect, made: (Payout & { parts: PayoutPart[] })[]): Promise<void> {
  const sums = ({ earned, carriedIn, carriedOut, amount }: PayoutPart | Payout) => ({
    earned,
    carried_in: carriedIn,
    carried_out: carriedOut,
    amount,
  })
  const payoutRows = made.map((payout) => ({
    id: payout.id,
    run_id: payout.runId,
    organization_id: payout.organizationId,
    environment: payout.environment,
    currency: payout.currency,
    ...sums(payout),
    status: payout.status,
    transaction_id: payout.transactionId,
    created_time: payout.createdTime,
  }))
  const partRows = made.flatMap((payout) =>
    payout.parts.map((part) => ({ payout_id: payout.id, account_id: part.accountId, ...sums(part) })),
  )
  // Some of both are there, from collecting.
  await insertRows(db, dialect, payouts, payoutRows, 'on conflict do nothing')
  await updateRows(db, dialect, payouts, payoutColumns, changesOf(payoutRows, payoutColumns))
  await insertRows(db, dialect, parts, partRows, 'on conflict do nothing')
  await updateRows(db, dialect, parts, partColumns, changesOf(partRows, partColumns))
  await assertWhole(db, made)
}

async function assertWhole(db: Db, made: Payout[]): Promise<void> {
  const ids = made.map(({ id }) => id)
  const rows = (await db(parts)
    .whereIn('payout_id', ids)
    .groupBy('payout_id')
    .select('payout_id')
    .sum({ earned: 'earned', carried_in: 'carried_in', carried_out: 'carried_out', amount: 'amount' })) as Row[]
  const byId = new Map(rows.map((row) => [text(row.payout_id), row]))
  for (const { id, earned, carriedIn, carriedOut, amount } of made) {
    const whole = byId.get(id)
    const found = whole && [whole.earned, whole.carried_in, whole.carried_out, whole.amount].map((sum) => money(sum))
    if (String(found) !== String([earned, carriedIn, carriedOut, amount])) {
      throw new Error(`The parts of payout ${id} come to ${String(found)}, not to the payout`)
    }
  }
}

/** Writes how it ended. */
export async function settlePayout(db: Db, payout: Payout): Promise<void> {
  await db(payouts).where({ id: payout.id }).update({
    status: payout.status,
    reversal_id: payout.reversalId,
    reference: payout.reference,
    failure: payout.failure,
    settled_by: payout.settledBy,
    settlement_id: payout.settlementId,
    settled_time: payout.settledTime,
  })
}

export async function findPayout(db: Db, id: string): Promise<Payout | null> {
  const row = (await db(payouts).where({ id }).whereNot({ status: 'collecting' }).first()) as Row | undefined
  return row ? mapPayout(row) : null
}

export interface PayoutFilter {
  organizationId?: string
  environment?: Environment
  runId?: string
  status?: PayoutStatus
}

/** The latest first. */
export async function listPayouts(db: Db, filter: PayoutFilter, page: Page): Promise<Paged<Payout>> {
  const wanted = Object.fromEntries(
    Object.entries({
      organization_id: filter.organizationId,
      environment: filter.environment,
      run_id: filter.runId,
      status: filter.status,
    }).filter(([, value]) => value !== undefined),
  )
  const all = () => db(payouts).where(wanted).whereNot({ status: 'collecting' })
  const [{ count } = { count: 0 }] = (await all().count({ count: '*' })) as Row[]
  const rows = (await all().orderBy('id', 'desc').limit(page.limit).offset(page.offset)) as Row[]
  return { items: rows.map(mapPayout), total: integer(count) }
}

/** A payout's part of an account, and whose account it is. */
export async function findParts(db: Db, payoutId: string): Promise<(PayoutPart & { account: EarningAccount })[]> {
  const rows = (await db(`${parts} as part`)
    .join(`${accounts} as account`, 'account.id', 'part.account_id')
    .where({ payout_id: payoutId })
    .orderBy('part.account_id')
    .select('part.*', 'account.id', 'account.kind', 'account.owner_id', 'account.organization_id')) as Row[]
  return rows.map((row) => ({
    accountId: text(row.account_id),
    earned: money(row.earned),
    carriedIn: money(row.carried_in),
    carriedOut: money(row.carried_out),
    amount: money(row.amount),
    account: mapAccount(row),
  }))
}

/** One entry that a payout paid. */
export interface PayoutItem {
  transactionId: string
  seq: number
  kind: string
  referenceId: string
  applicationId: string | null
  accountKind: EarningAccount['kind']
  amount: Micros
  bookedTime: string
}

/** In the order in which their transactions were made, after the one named. */
export async function listItems(
  db: Db,
  payoutId: string,
  { after, limit }: { after: { transactionId: string; seq: number } | null; limit: number },
): Promise<PayoutItem[]> {
  const query = db(`${items} as item`)
    .join('stoa_ledger_transactions as txn', 'txn.id', 'item.transaction_id')
    .join(`${accounts} as account`, 'account.id', 'item.account_id')
    .where('item.payout_id', payoutId)
    .orderBy(['item.transaction_id', 'item.seq'])
    .limit(limit)
    .select('item.*', 'txn.kind', 'txn.reference_id', 'txn.application_id', 'account.kind as account_kind')
  if (after) query.whereRaw('(item.transaction_id, item.seq) > (?, ?)', [after.transactionId, after.seq])
  const rows = (await query) as Row[]
  return rows.map((row) => ({
    transactionId: text(row.transaction_id),
    seq: integer(row.seq),
    kind: text(row.kind),
    referenceId: text(row.reference_id),
    applicationId: maybeText(row.application_id),
    accountKind: row.account_kind as EarningAccount['kind'],
    amount: money(row.amount),
    bookedTime: iso(row.booked_time),
  }))
}

function mapPayout(row: Row): Payout {
  return {
    id: text(row.id),
    runId: text(row.run_id),
    organizationId: text(row.organization_id),
    environment: row.environment as Environment,
    currency: text(row.currency),
    earned: money(row.earned),
    carriedIn: money(row.carried_in),
    carriedOut: money(row.carried_out),
    amount: money(row.amount),
    status: row.status as PayoutStatus,
    transactionId: text(row.transaction_id),
    reversalId: maybeText(row.reversal_id),
    reference: maybeText(row.reference),
    failure: maybeText(row.failure),
    settledBy: maybeText(row.settled_by),
    settlementId: maybeText(row.settlement_id),
    createdTime: iso(row.created_time),
    settledTime: maybeIso(row.settled_time),
  }
}
