import type { Knex } from 'knex'
import { publishMany } from '../../events/index.ts'
import { newId, nowIso } from '../../kernel/index.ts'
import type { WalletContext } from '../context.ts'
import { minorUnit } from '../currency.ts'
import { accountId, platformAccount } from '../ledger/account.ts'
import { openJournal, type Journal } from '../ledger/journal.ts'
import { ensureAccounts } from '../ledger/ledger-store.ts'
import { earningAccountsOf, findCollected, findCollecting, type EarningAccount } from './collected-store.ts'
import { payoutEvent } from './payout-events.ts'
import { savePayouts } from './payout-store.ts'
import { planPayout, type Payout, type PayoutPart, type PayoutRun } from './payout.ts'

/** Whoever has it is the only one that collects or pays in this environment and currency. */
export async function lockClearing(ctx: WalletContext, trx: Knex.Transaction, run: PayoutRun): Promise<Journal> {
  const clearing = platformAccount('payout_clearing', run)
  await ensureAccounts(trx, ctx.dialect, [clearing], nowIso(ctx.clock))
  return openJournal(ctx, trx, [accountId(clearing)])
}

/** Pays what was collected of these organizations, all or nothing. Returns how many payouts that makes. `trx` must be a transaction. */
export async function payOrganizations(
  ctx: WalletContext,
  trx: Knex.Transaction,
  run: PayoutRun,
  organizationIds: string[],
): Promise<number> {
  const journal = await lockClearing(ctx, trx, run)
  // Looked for under the lock: while this run collected, for minutes maybe, another one may have collected of accounts that are newer.
  const accounts = await earningAccountsOf(trx, organizationIds, run)
  const clearing = journal.account(accountId(platformAccount('payout_clearing', run)))!
  const rules = { minimum: run.minimum, minorUnit: minorUnit(run.currency) }
  const dues = await findCollected(
    trx,
    accounts.map(({ id }) => id),
  )
  const payees = byOrganization(accounts)
  const collecting = await findCollecting(trx, [...payees.keys()], run)
  const made: (Payout & { parts: PayoutPart[] })[] = []
  for (const [organizationId, own] of payees) {
    const plan = planPayout(
      own.flatMap(({ id }) => dues.get(id) ?? []),
      rules,
    )
    if (!plan) continue
    // Without one when it is all of former payouts.
    const id = collecting.get(organizationId) ?? newId('pay')
    const { environment, currency } = run
    const transaction = journal.post(
      {
        kind: 'payout',
        referenceId: id,
        reversesId: null,
        applicationId: null,
        environment,
        currency,
        actor: run.actor,
        description: null,
        eventTime: journal.now,
      },
      [
        ...plan.parts.map((part) => ({ account: { id: part.accountId }, amount: -part.amount })),
        { account: clearing, amount: plan.amount },
      ],
    )
    made.push({
      id,
      runId: run.id,
      organizationId,
      environment,
      currency,
      ...plan,
      status: 'created',
      transactionId: transaction.id,
      reversalId: null,
      reference: null,
      failure: null,
      settledBy: null,
      settlementId: null,
      createdTime: journal.now,
      settledTime: null,
    })
  }
  if (made.length === 0) return 0
  await journal.write()
  await savePayouts(trx, ctx.dialect, made)
  await publishMany(
    ctx,
    trx,
    made.map((payout) => payoutEvent('payout.created', payout, journal.now)),
  )
  return made.length
}

function byOrganization(accounts: EarningAccount[]): Map<string, EarningAccount[]> {
  const found = new Map<string, EarningAccount[]>()
  for (const account of accounts) {
    found.set(account.organizationId, [...(found.get(account.organizationId) ?? []), account])
  }
  return found
}
