import type { Db } from '../../database/index.ts'
import type { Findings } from './findings.ts'
import { runQueries } from './run-queries.ts'

/** Rows of a table whose transaction moves their account by something else than they say. */
const unlike = (what: string, table: string, where: string) =>
  `select '${what} ' || booked.id || ' says ' || booked.amount || ', the ledger says ' || coalesce(paid.amount, 0) as problem
   from ${table} booked left join stoa_ledger_entries paid
     on paid.transaction_id = booked.transaction_id and paid.account_id = booked.account_id
   where ${where} and booked.amount <> coalesce(paid.amount, 0)`

const queries: Record<string, string> = {
  'top-ups': unlike('top-up', 'stoa_top_ups', `booked.status = 'succeeded'`),
  'top-ups that are not paid': `select 'top-up ' || id || ' is ' || status || ' and was booked' as problem
    from stoa_top_ups where status <> 'succeeded' and transaction_id is not null`,
  grants: unlike('grant', 'stoa_grants', '1 = 1'),
  adjustments: unlike('adjustment', 'stoa_adjustments', '1 = 1'),
}

/** Whatever was put into a wallet was booked, once and for its amount. */
export const checkFunding = (db: Db, found: Findings): Promise<void> => runQueries(db, found, queries)
