import type { Db, Row } from '../../database/index.ts'
import { microsText, sumProducts, type Micros } from '../../kernel/index.ts'
import type { ChargeRecord } from '../charges/charge.ts'
import { mapRecord } from '../charges/charge-store.ts'
import { billedUnits } from '../meters/price-charge.ts'
import { resell, type Rebilling } from '../rebilling/rebilling.ts'
import { mapRebilling } from '../rebilling/rebilling-store.ts'
import { earningLegs, partsGivenBack } from '../revenue/earnings.ts'
import type { Posting } from '../ledger/ledger.ts'
import type { Findings } from './findings.ts'
import { findPostings } from '../ledger/read-journal.ts'
import { pageSize, readPages } from './read-pages.ts'
import { runQueries } from './run-queries.ts'

type Told = (line: string) => void

const queries: Record<string, string> = {
  'charges made twice': `select 'event ' || event_id || ' of ' || installation_id || ' was charged ' || count(*) || ' times' as problem
    from stoa_charges where seq = 0 group by installation_id, event_id having count(*) > 1`,

  'wallets of charges': `select 'charge ' || charge.id || '/' || charge.seq || ' was paid by another’s wallet' as problem
    from stoa_charges charge left join stoa_ledger_accounts account on account.id = charge.account_id
    where charge.account_id is not null and (account.id is null or account.kind <> 'wallet'
      or account.owner_id not in (charge.location_id, charge.organization_id)
      or account.organization_id <> charge.organization_id
      or account.environment <> charge.environment or account.currency <> charge.currency)`,

  // All of a batch's at once: adding them up one after the other finds a sum that is right in between.
  'charges and legs': `select 'charges of ' || charge.transaction_id || ' say ' || charge.amount || ', the ledger says ' || coalesce(paid.amount, 0) as problem
    from (
      select transaction_id, account_id, sum(case when seq = 0 then -amount else amount end) as amount
      from stoa_charges where account_id is not null group by transaction_id, account_id
    ) as charge left join stoa_ledger_entries paid
      on paid.transaction_id = charge.transaction_id and paid.account_id = charge.account_id
    where charge.amount <> coalesce(paid.amount, 0)`,

  'entries of free charges': `select 'transaction ' || txn.id || ' of charges that cost nothing has entries' as problem
    from stoa_ledger_transactions txn
    join (select transaction_id from stoa_charges group by transaction_id having max(amount) = 0) as charge
      on charge.transaction_id = txn.id
    join stoa_ledger_entries entry on entry.transaction_id = txn.id and entry.seq = 0`,
}

/**
 * Every charge is what its units, price or lines come to, rounded once; its parts are the legs of its transaction; what was given back
 * of it is never more than it, in each of its parts.
 */
export async function checkCharges(db: Db, found: Findings): Promise<void> {
  await runQueries(db, found, queries)
  const tell: Told = (line) => found.add('charges', line)
  const batches = createBatches(tell)
  // What was given back of a charge follows it in the order of the key, maybe on the next page.
  let present: GivenBack | null = null
  for await (const records of chargeRecords(db)) {
    const postings = await findPostings(
      db,
      records.map(({ transactionId }) => transactionId),
    )
    const rules = await findRules(db, records)
    for (const record of records) {
      checkLegs(record, postings.get(record.transactionId) ?? null, batches, tell)
      if (record.seq > 0) {
        if (present?.charge.id === record.id) checkRefund(present, record, tell)
        else tell(`refund of ${record.id} is of no charge`)
        continue
      }
      present = { charge: record, count: 0, amount: 0n, units: 0n }
      checkAmounts(record, rules, tell)
    }
  }
  batches.tellUnsettled()
}

function chargeRecords(db: Db): AsyncGenerator<ChargeRecord[]> {
  return readPages(async (after: ChargeRecord | null) => {
    const query = db('stoa_charges').orderBy(['id', 'seq']).limit(pageSize)
    if (after) void query.whereRaw('(id, seq) > (?, ?)', [after.id, after.seq])
    return ((await query) as Row[]).map(mapRecord)
  })
}

async function findRules(db: Db, records: ChargeRecord[]): Promise<Map<string, Rebilling>> {
  const ids = new Set(records.flatMap(({ rebillingId }) => rebillingId ?? []))
  if (ids.size === 0) return new Map()
  const rows = (await db('stoa_rebillings').whereIn('id', [...ids])) as Row[]
  return new Map(rows.map(mapRebilling).map((rule) => [rule.id, rule]))
}

function checkAmounts(charge: ChargeRecord, rules: Map<string, Rebilling>, tell: Told): void {
  const { id, units, unitPrice, lines, baseAmount, feeAmount, amount, rebillingId } = charge
  const priced = lines ?? [{ units, unitPrice }]
  const base = sumProducts(priced.map((line): [Micros, Micros] => [line.units, line.unitPrice]))
  if (base !== baseAmount) tell(`charge ${id} is ${microsText(baseAmount)}, not ${microsText(base)}`)
  if (feeAmount < 0n || feeAmount > baseAmount) tell(`charge ${id} has a fee of ${microsText(feeAmount)}`)
  const rule = rebillingId === null ? null : rules.get(rebillingId)
  if (rule === undefined) return tell(`charge ${id} was resold by no rule`)
  const { amount: paid } = resell(rule, baseAmount, billedUnits(charge))
  if (paid !== amount) tell(`charge ${id} was resold at ${microsText(amount)}, not ${microsText(paid)}`)
}

/** What was given back of a charge, as far as its refunds were read. */
interface GivenBack {
  charge: ChargeRecord
  count: number
  amount: Micros
  units: Micros
}

/** Refunds in order: dense, of the same place, each part exactly its share of the charge, and in sum not more than it. */
function checkRefund(given: GivenBack, refund: ChargeRecord, tell: Told): void {
  const { charge } = given
  const { id, seq, amount, units } = refund
  given.count += 1
  if (seq !== given.count) tell(`refund ${id}/${seq} is number ${given.count} of its charge`)
  if (refund.accountId !== charge.accountId || refund.installationId !== charge.installationId) {
    tell(`refund ${id}/${seq} is not where its charge is`)
  }
  if (amount < 0n || units < 0n || given.amount + amount > charge.amount || given.units + units > charge.units) {
    tell(`refund ${id}/${seq} gives back more than was charged`)
  }
  const parts = partsGivenBack(charge, given.amount, amount)
  if (parts.baseAmount !== refund.baseAmount || parts.feeAmount !== refund.feeAmount) {
    tell(`refund ${id}/${seq} does not give back each part in its proportion`)
  }
  given.amount += amount
  given.units += units
}

/** The legs of a charge or refund are its parts. Charges of a batch share a transaction: they are added up until it is whole. */
function checkLegs(record: ChargeRecord, posting: Posting | null, batches: Batches, tell: Told): void {
  const { id, seq, transactionId } = record
  if (!posting) return tell(`charge ${id}/${seq} has no transaction`)
  const { transaction, entries } = posting
  const kind = seq === 0 ? 'charge' : 'refund'
  if (
    transaction.kind !== kind ||
    transaction.environment !== record.environment ||
    transaction.currency !== record.currency
  ) {
    tell(`charge ${id}/${seq} has another’s transaction, ${transactionId}`)
  }
  if (record.amount === 0n) return
  const legs = legsOf(record)
  if (transaction.referenceId !== id) return batches.add(transactionId, legs, entries)
  if (!isSame(legs, entries)) {
    tell(`charge ${id}/${seq} says ${microsText(record.amount)}, and ${transactionId} has other legs`)
  }
}

type Legs = Map<string, Micros>

function legsOf(record: ChargeRecord): Legs {
  const sign = record.seq === 0 ? 1n : -1n
  const legs: Legs = new Map()
  if (record.accountId !== null) legs.set(record.accountId, -sign * record.amount)
  for (const { account, amount } of earningLegs(record, record)) {
    if (amount !== 0n) legs.set(account.id, (legs.get(account.id) ?? 0n) + sign * amount)
  }
  return legs
}

function isSame(legs: Legs, entries: Posting['entries']): boolean {
  return entries.length === legs.size && entries.every(({ accountId, amount }) => legs.get(accountId) === amount)
}

interface Batches {
  add(transactionId: string, legs: Legs, entries: Posting['entries']): void
  tellUnsettled(): void
}

/** In right books there are as many as write at the same time. */
const mostOpen = 1000

/**
 * Transactions of batches whose charges have not all come yet: few at a time, since the ids of their charges lie together. Of wrecked books
 * the first ones are told once there are too many, so that memory does not depend on how much is wrong.
 */
function createBatches(tell: Told): Batches {
  const open = new Map<string, Legs>()
  const tellOf = (id: string) => tell(`transaction ${id} has other legs than its charges`)
  return {
    add(transactionId, legs, entries) {
      const sum = open.get(transactionId) ?? new Map<string, Micros>()
      for (const [account, amount] of legs) sum.set(account, (sum.get(account) ?? 0n) + amount)
      // Amounts only add up: what is whole once, and gets more, never is again.
      if (isSame(sum, entries)) open.delete(transactionId)
      else open.set(transactionId, sum)
      if (open.size <= mostOpen) return
      const [oldest] = open.keys()
      open.delete(oldest!)
      tellOf(oldest!)
    },
    tellUnsettled: () => [...open.keys()].forEach(tellOf),
  }
}
