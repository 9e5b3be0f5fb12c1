import { integer, json, money, text, type Db, type Row } from '../../database/index.ts'
import { microsText, sumProducts } from '../../kernel/index.ts'
import { selectRaw } from '../ledger/select-raw.ts'

// Each finds lines that say what is off. All of them are one statement, and so look at the ledger at one moment.
const problems = [
  `select 'transaction ' || transaction_id || ' sums to ' || sum(amount) as problem
   from stoa_ledger_entries group by transaction_id having sum(amount) <> 0`,

  `select 'entry ' || entry.transaction_id || '/' || entry.seq || ' belongs to no transaction' as problem
   from stoa_ledger_entries entry left join stoa_ledger_transactions txn on txn.id = entry.transaction_id where txn.id is null`,

  `select 'entry ' || entry.transaction_id || '/' || entry.seq || ' is on no account' as problem
   from stoa_ledger_entries entry left join stoa_ledger_accounts account on account.id = entry.account_id where account.id is null`,

  `select 'entry ' || entry.transaction_id || '/' || entry.seq || ' mixes environments or currencies' as problem
   from stoa_ledger_entries entry join stoa_ledger_transactions txn on txn.id = entry.transaction_id
   join stoa_ledger_accounts account on account.id = entry.account_id
   where account.environment <> txn.environment or account.currency <> txn.currency`,

  `select 'entry ' || entry.transaction_id || '/' || entry.seq || ' has a place in a chain and its account none, or the reverse' as problem
   from stoa_ledger_entries entry join stoa_ledger_accounts account on account.id = entry.account_id
   where (entry.account_version is null) <> (account.version is null)
      or (entry.balance_after is null) <> (account.version is null)`,

  `select 'wallet ' || account_id || ' breaks its chain at version ' || account_version as problem
   from (
     select account_id, account_version, balance_after,
       row_number() over (partition by account_id order by account_version) as place,
       sum(amount) over (partition by account_id order by account_version) as running
     from stoa_ledger_entries where account_version is not null
   ) as chain
   where account_version <> place or balance_after <> running`,

  `select 'wallet ' || account.id || ' says ' || account.balance || ' at version ' || account.version || ', its entries say ' || coalesce(chain.total, 0) || ' at ' || coalesce(chain.entries, 0) as problem
   from stoa_ledger_accounts account left join (
     select account_id, sum(amount) as total, count(*) as entries
     from stoa_ledger_entries where account_version is not null group by account_id
   ) as chain on chain.account_id = account.id
   where account.kind = 'wallet'
     and (account.balance <> coalesce(chain.total, 0) or account.version <> coalesce(chain.entries, 0))`,

  `select 'wallet ' || id || ' is below its limit: ' || balance as problem
   from stoa_ledger_accounts
   where kind = 'wallet' and balance - held < min_balance`,

  `select 'charges of ' || charge.transaction_id || ' say ' || charge.amount || ', the ledger says ' || coalesce(paid.amount, 0) as problem
   from (
     select transaction_id, account_id, sum(case when seq = 0 then -amount else amount end) as amount
     from stoa_charges group by transaction_id, account_id
   ) as charge left join stoa_ledger_entries paid
     on paid.transaction_id = charge.transaction_id and paid.account_id = charge.account_id
   where charge.amount <> coalesce(paid.amount, 0)`,

  `select 'transaction ' || txn.id || ' is a ' || txn.kind || ' of nothing' as problem
   from stoa_ledger_transactions txn
   where txn.id not in (select transaction_id from stoa_charges)
     and txn.id not in (select transaction_id from stoa_top_ups where transaction_id is not null)
     and not exists (select 1 from stoa_payouts payout where payout.transaction_id = txn.id or payout.reversal_id = txn.id)`,

  `select 'charge ' || charge.id || '/' || charge.seq || ' has no transaction' as problem
   from stoa_charges charge left join stoa_ledger_transactions txn on txn.id = charge.transaction_id where txn.id is null`,

  `select 'refund of ' || refund.id || ' does not give back what was charged' as problem
   from stoa_charges refund left join stoa_charges charge on charge.id = refund.id and charge.seq = 0
   where refund.seq > 0 and (charge.id is null or charge.amount < refund.amount)`,

  `select 'top-up ' || topup.id || ' says ' || topup.amount || ', the ledger says ' || coalesce(paid.amount, 0) as problem
   from stoa_top_ups topup left join stoa_ledger_entries paid
     on paid.transaction_id = topup.transaction_id and paid.account_id = topup.account_id
   where topup.amount <> coalesce(paid.amount, 0)`,
]

/**
 * Recomputes every sum, chain and balance from the entries and compares charges and top-ups with what was booked for them.
 * Returns one line for each thing that is off; empty when the books are right.
 */
export async function checkLedger(db: Db): Promise<string[]> {
  const rows = await selectRaw(db, problems.join(' union all '))
  return [...rows.map((row) => text(row.problem)), ...(await checkAmounts(db))]
}

const pageSize = 5000

// Here rather than in SQL, whose int64 the product would overflow. Charges never change, so pages of them suffice.
async function checkAmounts(db: Db): Promise<string[]> {
  const wrong: string[] = []
  let last: { id: string; seq: number } = { id: '', seq: -1 }
  for (;;) {
    const { id: lastId, seq: lastSeq } = last
    const rows = (await db('stoa_charges')
      .where(
        (after) =>
          void after
            .where('id', '>', lastId)
            .orWhere((same) => void same.where({ id: lastId }).where('seq', '>', lastSeq)),
      )
      .orderBy(['id', 'seq'])
      .limit(pageSize)
      .where({ seq: 0 })
      .select('id', 'seq', 'units', 'unit_price', 'lines', 'base_amount')) as Row[]
    for (const row of rows) {
      const lines = row.lines === null ? [[row.units, row.unit_price]] : json<[string, string][]>(row.lines)
      const right = sumProducts(lines.map(([units, price]): [bigint, bigint] => [money(units), money(price)]))
      if (right !== money(row.base_amount))
        wrong.push(`charge ${text(row.id)} is ${microsText(money(row.base_amount))}, not ${microsText(right)}`)
    }
    if (rows.length < pageSize) return wrong
    const end = rows.at(-1)!
    last = { id: text(end.id), seq: integer(end.seq) }
  }
}
