import type { Db } from '../../database/index.ts'
import type { Findings } from './findings.ts'
import { runQueries } from './run-queries.ts'

// What a transaction was booked for, by its kind: the id of the row it refers to. Charges of a batch share one that refers to the batch.
const referents: Record<string, { kinds: string[]; table: string }> = {
  'refunds of nothing': { kinds: ['refund'], table: 'stoa_charges' },
  'top-ups of nothing': { kinds: ['top-up'], table: 'stoa_top_ups' },
  'grants of nothing': { kinds: ['grant', 'grant-expiry'], table: 'stoa_grants' },
  'subscriptions of nothing': { kinds: ['subscription'], table: 'stoa_subscription_items' },
  'payouts of nothing': { kinds: ['payout', 'payout-reversal'], table: 'stoa_payouts' },
  'adjustments of nothing': { kinds: ['adjustment'], table: 'stoa_adjustments' },
}

// Not a join: with each refund of a charge it would find all of them.
const ofNothing = ({ kinds, table }: { kinds: string[]; table: string }) =>
  `select 'transaction ' || txn.id || ' is a ' || txn.kind || ' of nothing' as problem
   from stoa_ledger_transactions txn
   where txn.kind in (${kinds.map((kind) => `'${kind}'`).join(', ')})
     and not exists (select 1 from ${table} referent where referent.id = txn.reference_id)`

// Whoever adds up entries in the order of their accounts passes 64 bits on the way to 0.
const inParts = 'sum(entry.amount / 1000000) * 1000000 + sum(entry.amount % 1000000)'

const queries: Record<string, string> = {
  sums: `select 'transaction ' || transaction_id || ' sums to ' || sum(amount) as problem
    from stoa_ledger_entries group by transaction_id having sum(amount) <> 0`,

  'sums of all': `select 'all entries in ' || account.currency || ' in ' || account.environment || ' sum to ' || (${inParts}) as problem
    from stoa_ledger_entries entry join stoa_ledger_accounts account on account.id = entry.account_id
    group by account.environment, account.currency having ${inParts} <> 0`,

  'entries of nothing': `select 'entry ' || entry.transaction_id || '/' || entry.seq || ' belongs to no transaction' as problem
    from stoa_ledger_entries entry left join stoa_ledger_transactions txn on txn.id = entry.transaction_id
    where txn.id is null`,

  'entries on nothing': `select 'entry ' || entry.transaction_id || '/' || entry.seq || ' is on no account' as problem
    from stoa_ledger_entries entry left join stoa_ledger_accounts account on account.id = entry.account_id
    where account.id is null`,

  'entries of 0': `select 'entry ' || transaction_id || '/' || seq || ' moves nothing' as problem
    from stoa_ledger_entries where amount = 0`,

  'mixed entries': `select 'entry ' || entry.transaction_id || '/' || entry.seq || ' mixes environments or currencies' as problem
    from stoa_ledger_entries entry join stoa_ledger_transactions txn on txn.id = entry.transaction_id
    join stoa_ledger_accounts account on account.id = entry.account_id
    where account.environment <> txn.environment or account.currency <> txn.currency`,

  'places in chains': `select 'entry ' || entry.transaction_id || '/' || entry.seq || ' has a place in a chain and its account none, or the reverse' as problem
    from stoa_ledger_entries entry join stoa_ledger_accounts account on account.id = entry.account_id
    where (entry.account_version is null) <> (account.version is null)
       or (entry.balance_after is null) <> (account.version is null)
       or (entry.hash is null) <> (account.version is null)`,

  'unchained transactions': `select 'transaction ' || transaction_id || ' is on no chain' as problem
    from stoa_ledger_entries group by transaction_id having count(account_version) = 0`,

  // A wallet of one organization and the margin of another, or what another application earned.
  'crossed organizations': `select 'transaction ' || entry.transaction_id || ' moves money between organizations' as problem
    from stoa_ledger_entries entry join stoa_ledger_accounts account on account.id = entry.account_id
    where account.kind in ('wallet', 'margin') group by entry.transaction_id
    having min(account.organization_id) <> max(account.organization_id)`,

  'crossed applications': `select 'transaction ' || txn.id || ' pays another application' as problem
    from stoa_ledger_entries entry join stoa_ledger_accounts account on account.id = entry.account_id
    join stoa_ledger_transactions txn on txn.id = entry.transaction_id
    where account.kind = 'app_payable' and txn.kind in ('charge', 'refund', 'subscription')
      and account.owner_id <> coalesce(txn.application_id, '')`,

  reversals: `select 'transaction ' || txn.id || ' reverses what does not exist' as problem
    from stoa_ledger_transactions txn left join stoa_ledger_transactions former on former.id = txn.reverses_id
    where txn.reverses_id is not null and former.id is null`,

  'charges of nothing': `select 'transaction ' || txn.id || ' is a charge of nothing' as problem
    from stoa_ledger_transactions txn
    left join (select distinct transaction_id from stoa_charges where seq = 0) as charge on charge.transaction_id = txn.id
    where txn.kind = 'charge' and charge.transaction_id is null`,

  ...Object.fromEntries(Object.entries(referents).map(([subject, referent]) => [subject, ofNothing(referent)])),
}

/** Every transaction sums to zero, is of one environment, currency, organization and application, and was booked for something. */
export const checkTransactions = (db: Db, found: Findings): Promise<void> => runQueries(db, found, queries)
