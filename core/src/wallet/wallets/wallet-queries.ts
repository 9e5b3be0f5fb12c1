import type { Environment } from '../../context.ts'
import { integer, iso, text, type Db, type Row } from '../../database/index.ts'
import type { Page, Paged } from '../../http/index.ts'
import type { Wallet } from '../ledger/account.ts'
import { mapAccount } from '../ledger/ledger-store.ts'

export interface WalletFilter {
  organizationId: string | null
  locationId: string | null
  /** Without it, those of the organization's locations too. */
  ownerType?: 'organization' | 'location'
  environment: Environment
  currency: string | null
  status: 'active' | 'suspended' | null
}

export async function listWallets(db: Db, filter: WalletFilter, page: Page): Promise<Paged<Wallet>> {
  const found = filtered(db, filter)
  const [count] = (await found.clone().count({ count: '*' })) as Row[]
  // The organizations' own first: the word comes after 'location' in the alphabet.
  const rows = (await found
    .orderBy([{ column: 'owner_type', order: 'desc' }, 'owner_id', 'currency'])
    .limit(page.limit)
    .offset(page.offset)) as Row[]
  return { items: rows.map(mapAccount), total: integer(count!.count) }
}

/** A query for the ids, for use within another. */
export function walletIds(db: Db, filter: WalletFilter) {
  return filtered(db, filter).select('id')
}

function filtered(db: Db, filter: WalletFilter) {
  const { organizationId, locationId, ownerType, environment, currency, status } = filter
  const found = db('stoa_ledger_accounts').where({ kind: 'wallet', environment })
  if (organizationId !== null) void found.where({ organization_id: organizationId })
  if (locationId !== null) void found.where({ owner_type: 'location', owner_id: locationId })
  if (ownerType !== undefined) void found.where({ owner_type: ownerType })
  if (currency !== null) void found.where({ currency })
  if (status !== null) void found.where({ status })
  return found
}

export interface WalletChange {
  id: string
  kind: string
  value: string
  reason: string
  actor: string
  createdTime: string
}

/** What the platform decided over a wallet, the latest first. */
export async function listWalletChanges(db: Db, accountId: string, page: Page): Promise<Paged<WalletChange>> {
  const found = db('stoa_wallet_changes').where({ account_id: accountId })
  const [count] = (await found.clone().count({ count: '*' })) as Row[]
  const rows = (await found.orderBy('id', 'desc').limit(page.limit).offset(page.offset)) as Row[]
  const items = rows.map((row) => ({
    id: text(row.id),
    kind: text(row.kind),
    value: text(row.value),
    reason: text(row.reason),
    actor: text(row.actor),
    createdTime: iso(row.created_time),
  }))
  return { items, total: integer(count!.count) }
}
