import type { Db } from '../../database/index.ts'
import type { Findings } from './findings.ts'
import { runQueries } from './run-queries.ts'

const queries: Record<string, string> = {
  subscriptions: `select 'subscription items of ' || item.transaction_id || ' say ' || item.amount || ', the ledger says ' || coalesce(-paid.amount, 0) as problem
    from (
      select transaction_id, account_id, sum(amount) as amount from stoa_subscription_items
      where transaction_id is not null group by transaction_id, account_id
    ) as item left join (
      select transaction_id, account_id, sum(amount) as amount from stoa_ledger_entries group by transaction_id, account_id
    ) as paid on paid.transaction_id = item.transaction_id and paid.account_id = item.account_id
    where item.amount <> coalesce(-paid.amount, 0)`,

  'subscription items': `select 'subscription item ' || id || ' was never booked' as problem
    from stoa_subscription_items where amount <> 0 and transaction_id is null`,

  'payout items': `select 'payout item ' || item.transaction_id || '/' || item.seq || ' is not what was earned' as problem
    from stoa_payout_items item left join stoa_ledger_entries earned
      on earned.transaction_id = item.transaction_id and earned.seq = item.seq
    where earned.amount is null or earned.amount <> item.amount or earned.account_id <> item.account_id`,

  payouts: `select 'payout ' || payout.id || ' says ' || payout.earned || ' was earned, its items say ' || coalesce(items.amount, 0) as problem
    from stoa_payouts payout
    left join (select payout_id, sum(amount) as amount from stoa_payout_items group by payout_id) as items
      on items.payout_id = payout.id
    where payout.earned <> coalesce(items.amount, 0)`,

  'account months': `select 'month ' || start_time || ' of account ' || account_id || ' says ' || moved || ' came, its entries say ' || entries || ' and its parts ' || parts as problem
    from (
      select month.*,
        coalesce((select sum(entry.amount) from stoa_ledger_entries entry where entry.account_id = month.account_id
          and entry.account_version is null and entry.booked_time >= month.start_time and entry.booked_time < month.end_time), 0) as entries,
        coalesce((select sum(total.amount) from stoa_account_month_totals total
          where total.account_id = month.account_id and total.start_time = month.start_time), 0) as parts
      from (
        select account_id, start_time, end_time,
          balance - coalesce(lag(balance) over (partition by account_id order by start_time), 0) as moved
        from stoa_account_months
      ) as month
    ) as summed where moved <> entries or moved <> parts`,

  'payouts carried': `select 'payout ' || id || ' loses or makes money: ' || earned || ' and ' || carried_in || ' became ' || amount || ' and ' || carried_out as problem
    from stoa_payouts where earned + carried_in <> amount + carried_out`,
}

/** Subscriptions cost what was booked; payouts pay what was earned, each entry once; months that are over have their sums. */
export const checkBilling = (db: Db, found: Findings): Promise<void> => runQueries(db, found, queries)
