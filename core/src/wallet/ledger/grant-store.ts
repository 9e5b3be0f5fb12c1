import {
  insertRows,
  iso,
  maybeIso,
  maybeText,
  integer,
  money,
  text,
  updateRows,
  type Db,
  type Dialect,
  type Row,
} from '../../database/index.ts'
import { bySpending, type Grant, type GrantKind } from './grant.ts'

const table = 'stoa_grants'
const moves = 'stoa_grant_moves'

/** What was taken of a grant (negative) or given back to it, and for which charge, hold or grant. Never changes. */
export interface GrantMove {
  transactionId: string
  seq: number
  grantId: string
  referenceId: string
  amount: bigint
}

/** All that have something left, by the wallet, in the order in which they are spent. Whoever changes one holds its wallet's lock. */
export async function findOpenGrants(db: Db, accountIds: string[]): Promise<Map<string, Grant[]>> {
  const found = new Map<string, Grant[]>()
  if (accountIds.length === 0) return found
  const rows = (await db(table).whereIn('account_id', accountIds).where('remaining', '>', 0)) as Row[]
  for (const grant of rows.map(mapGrant).toSorted(bySpending)) {
    found.set(grant.accountId, [...(found.get(grant.accountId) ?? []), grant])
  }
  return found
}

export async function findGrants(db: Db, ids: string[]): Promise<Grant[]> {
  if (ids.length === 0) return []
  return ((await db(table).whereIn('id', ids)) as Row[]).map(mapGrant)
}

export async function insertGrant(db: Db, grant: Grant): Promise<void> {
  await db(table).insert({
    id: grant.id,
    account_id: grant.accountId,
    kind: grant.kind,
    reference: grant.reference,
    amount: grant.amount,
    remaining: grant.remaining,
    held: grant.held,
    priority: grant.priority,
    effective_time: grant.effectiveTime,
    expires_time: grant.expiresTime,
    application_id: grant.applicationId,
    meter_id: grant.meterId,
    description: grant.description,
    actor: grant.actor,
    transaction_id: grant.transactionId,
    source_account_id: grant.sourceAccountId,
    closed_time: grant.closedTime,
    created_time: grant.createdTime,
  })
}

const rests = { where: { id: 'text' }, set: { remaining: 'bigint', held: 'bigint' } } as const

/** Writes what remains of grants that moved. */
export async function updateGrants(db: Db, dialect: Dialect, grants: Grant[]): Promise<void> {
  const changes = grants.map(({ id, remaining, held }) => ({ where: { id }, set: { remaining, held } }))
  await updateRows(db, dialect, table, rests, changes)
}

export async function insertGrantMoves(db: Db, dialect: Dialect, made: GrantMove[]): Promise<void> {
  const rows = made.map((move) => ({
    transaction_id: move.transactionId,
    seq: move.seq,
    grant_id: move.grantId,
    reference_id: move.referenceId,
    amount: move.amount,
  }))
  await insertRows(db, dialect, moves, rows)
}

/** What was taken of grants for this charge and given back since, in the order in which it happened. */
export async function findGrantMoves(db: Db, referenceId: string): Promise<GrantMove[]> {
  const rows = (await db(moves).where({ reference_id: referenceId }).orderBy(['transaction_id', 'seq'])) as Row[]
  return rows.map((row) => ({
    transactionId: text(row.transaction_id),
    seq: integer(row.seq),
    grantId: text(row.grant_id),
    referenceId: text(row.reference_id),
    amount: money(row.amount),
  }))
}

export function mapGrant(row: Row): Grant {
  return {
    id: text(row.id),
    accountId: text(row.account_id),
    kind: row.kind as GrantKind,
    reference: text(row.reference),
    amount: money(row.amount),
    remaining: money(row.remaining),
    held: money(row.held),
    priority: integer(row.priority),
    effectiveTime: iso(row.effective_time),
    expiresTime: maybeIso(row.expires_time),
    applicationId: maybeText(row.application_id),
    meterId: maybeText(row.meter_id),
    description: maybeText(row.description),
    actor: text(row.actor),
    transactionId: text(row.transaction_id),
    sourceAccountId: text(row.source_account_id),
    closedTime: maybeIso(row.closed_time),
    createdTime: iso(row.created_time),
  }
}
