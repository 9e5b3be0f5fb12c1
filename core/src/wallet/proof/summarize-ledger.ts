import type { Environment } from '../../context.ts'
import { integer, money, text, type Db, type Row } from '../../database/index.ts'
import { microsText } from '../../kernel/index.ts'
import type { AccountKind } from '../ledger/account.ts'
import { selectRaw } from '../ledger/select-raw.ts'

const tables = {
  accounts: 'stoa_ledger_accounts',
  transactions: 'stoa_ledger_transactions',
  entries: 'stoa_ledger_entries',
  charges: 'stoa_charges',
  topUps: 'stoa_top_ups',
  grants: 'stoa_grants',
  holds: 'stoa_holds',
  subscriptionItems: 'stoa_subscription_items',
  payouts: 'stoa_payouts',
  adjustments: 'stoa_adjustments',
}

export interface LedgerSummary {
  /** Rows; charges count what was given back too. */
  counts: Record<keyof typeof tables, number>
  /** What all accounts of a kind come to together, as decimal text; those of a currency in an environment sum to 0. */
  sums: { environment: Environment; currency: string; kind: AccountKind; accounts: number; balance: string }[]
}

export async function summarizeLedger(db: Db): Promise<LedgerSummary> {
  const counts = {} as LedgerSummary['counts']
  for (const [name, table] of Object.entries(tables)) {
    const [{ count } = { count: 0 }] = (await db(table).count({ count: '*' })) as Row[]
    counts[name as keyof typeof tables] = integer(count)
  }
  // In two parts, which stay far from 64 bits: what all accounts of a kind have together need not fit into them.
  const rows = await selectRaw(
    db,
    `select account.environment, account.currency, account.kind, count(*) as accounts,
       sum(entries.whole) as whole, sum(entries.micro) as micro
     from stoa_ledger_accounts account
     join (
       select account_id, sum(amount / 1000000) as whole, sum(amount % 1000000) as micro from stoa_ledger_entries group by account_id
     ) as entries
       on entries.account_id = account.id
     group by account.environment, account.currency, account.kind
     order by account.environment, account.currency, account.kind`,
  )
  const sums = rows.map((row) => ({
    environment: row.environment as Environment,
    currency: text(row.currency),
    kind: row.kind as AccountKind,
    accounts: integer(row.accounts),
    balance: microsText(money(row.whole) * 1_000_000n + money(row.micro)),
  }))
  return { counts, sums }
}
