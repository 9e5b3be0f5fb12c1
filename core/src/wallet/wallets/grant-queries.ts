import { integer, text, type Db, type Row } from '../../database/index.ts'
import type { Page, Paged } from '../../http/index.ts'
import { mapGrant } from '../ledger/grant-store.ts'
import type { Grant } from '../ledger/grant.ts'
import { walletIds, type WalletFilter } from './wallet-queries.ts'

const table = 'stoa_grants'

export async function findGrantByReference(db: Db, reference: string): Promise<Grant | null> {
  const row = (await db(table).where({ reference }).first()) as Row | undefined
  return row ? mapGrant(row) : null
}

export interface GrantFilter {
  wallets: WalletFilter
  /** Only those of which something is left, or of which nothing is. */
  isOpen: boolean | null
}

/** The latest first. */
export async function listGrants(db: Db, { wallets, isOpen }: GrantFilter, page: Page): Promise<Paged<Grant>> {
  const found = db(table).whereIn('account_id', walletIds(db, wallets))
  if (isOpen !== null) void found.where('remaining', isOpen ? '>' : '=', 0)
  const [count] = (await found.clone().count({ count: '*' })) as Row[]
  const rows = (await found.orderBy('id', 'desc').limit(page.limit).offset(page.offset)) as Row[]
  return { items: rows.map(mapGrant), total: integer(count!.count) }
}

/** Ids of those that have ended and have something left that no hold reserves, without those of `except`. */
export async function findEndedGrants(
  db: Db,
  now: string,
  { limit, except }: { limit: number; except: string[] },
): Promise<string[]> {
  const rows = (await db(table)
    .where('remaining', '>', 0)
    .whereRaw('remaining > held')
    .where('expires_time', '<=', now)
    .whereNotIn('id', except)
    .orderBy('expires_time')
    .limit(limit)
    .select('id')) as Row[]
  return rows.map((row) => text(row.id))
}

/** Whoever calls it holds the wallet's lock. */
export async function endGrant(db: Db, id: string, now: string): Promise<void> {
  await db(table).where({ id }).update({ expires_time: now })
}

export async function closeGrant(db: Db, id: string, now: string): Promise<void> {
  await db(table).where({ id, closed_time: null }).update({ closed_time: now })
}
