import type { Db } from '../../database/index.ts'
import type { Findings } from './findings.ts'
import { runQueries } from './run-queries.ts'

const queries: Record<string, string> = {
  // The move that a grant began with, where it has one, is its amount.
  'remainders of grants': `select 'grant ' || stoa_grants.id || ' has ' || remaining || ' left, its moves say ' || (stoa_grants.amount + coalesce(moved, 0)) as problem
    from stoa_grants left join (
      select move.grant_id, sum(move.amount) as moved from stoa_grant_moves move
      join stoa_grants own on own.id = move.grant_id where move.transaction_id <> own.transaction_id group by move.grant_id
    ) as moves on moves.grant_id = stoa_grants.id
    where remaining <> stoa_grants.amount + coalesce(moved, 0)`,

  'limits of grants': `select 'grant ' || id || ' passes its limits: ' || held || ' held of ' || remaining || ' of ' || amount as problem
    from stoa_grants where held < 0 or held > remaining or remaining > amount or remaining < 0`,

  'grants of wallets': `select 'wallet ' || account.id || ' says ' || account.granted || ' granted, its grants say ' || coalesce(total, 0) as problem
    from stoa_ledger_accounts account
    left join (select account_id, sum(remaining) as total from stoa_grants group by account_id) as grants
      on grants.account_id = account.id
    where account.version is not null and account.granted <> coalesce(total, 0)`,

  'moves of nothing': `select 'move ' || move.transaction_id || '/' || move.seq || ' is of no grant' as problem
    from stoa_grant_moves move left join stoa_grants on stoa_grants.id = move.grant_id where stoa_grants.id is null`,

  // Grants are parts of the balance: what moves them moves it by at least as much, and in the same direction.
  'moves and legs': `select 'transaction ' || moves.transaction_id || ' moves grants by ' || moves.amount || ' and their wallet by ' || coalesce(leg.amount, 0) as problem
    from (
      select move.transaction_id, stoa_grants.account_id, sum(move.amount) as amount
      from stoa_grant_moves move join stoa_grants on stoa_grants.id = move.grant_id
      group by move.transaction_id, stoa_grants.account_id
    ) as moves
    left join (
      select transaction_id, account_id, sum(amount) as amount from stoa_ledger_entries
      where transaction_id in (select transaction_id from stoa_grant_moves) group by transaction_id, account_id
    ) as leg on leg.transaction_id = moves.transaction_id and leg.account_id = moves.account_id
    where leg.amount is null or (moves.amount > 0 and moves.amount > leg.amount)
      or (moves.amount < 0 and moves.amount < leg.amount)`,

  'moves back': `select 'charge ' || charge.id || ' gave ' || back.amount || ' more back to grant ' || back.grant_id || ' than it took' as problem
    from (
      select reference_id, grant_id, sum(amount) as amount from stoa_grant_moves
      group by reference_id, grant_id having sum(amount) > 0
    ) as back join stoa_charges charge on charge.id = back.reference_id and charge.seq = 0`,

  'held of wallets': `select 'wallet ' || account.id || ' says ' || account.held || ' held, its holds say ' || coalesce(total, 0) as problem
    from stoa_ledger_accounts account left join (
      select account_id, sum(amount - captured) as total from stoa_holds where status = 'open' group by account_id
    ) as holds on holds.account_id = account.id
    where account.version is not null and account.held <> coalesce(total, 0)`,

  'held of grants': `select 'wallet ' || account.id || ' holds ' || account.held || ', of its grants ' || grants.held as problem
    from stoa_ledger_accounts account
    join (select account_id, sum(held) as held from stoa_grants group by account_id) as grants on grants.account_id = account.id
    where grants.held > account.held`,

  // A capture may be of more than was held: what goes beyond it is taken of the wallet.
  captures: `select 'hold ' || hold.id || ' of ' || hold.amount || ' says ' || hold.captured || ' captured, its charges say ' || coalesce(taken, 0) as problem
    from stoa_holds hold left join (
      select hold_id, sum(amount) as taken from stoa_charges where hold_id is not null and seq = 0 group by hold_id
    ) as captures on captures.hold_id = hold.id
    where hold.captured <> case when taken > hold.amount then hold.amount else coalesce(taken, 0) end`,

  'captures of nothing': `select 'charge ' || charge.id || ' was captured of no hold' as problem
    from stoa_charges charge left join stoa_holds hold on hold.id = charge.hold_id
    where charge.hold_id is not null and hold.id is null`,
}

/** What remains of grants is what was taken and given back; what is held is what open holds reserve; both are part of the balance. */
export const checkGrants = (db: Db, found: Findings): Promise<void> => runQueries(db, found, queries)
