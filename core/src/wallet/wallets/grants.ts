import type { Knex } from 'knex'
import { findApplication } from '../../applications/index.ts'
import type { Environment } from '../../context.ts'
import { isUniqueViolation, type Db } from '../../database/index.ts'
import { publish } from '../../events/index.ts'
import { invalidField, maxMicros, newId, nowIso, StoaError, utcTime, type Micros } from '../../kernel/index.ts'
import { insufficientFunds } from '../charges/insufficient-funds.ts'
import type { WalletContext } from '../context.ts'
import { accountId, platformAccount, type Account, type NewAccount } from '../ledger/account.ts'
import { ownMoney, type Grant, type GrantKind } from '../ledger/grant.ts'
import { openJournal, type Journal } from '../ledger/journal.ts'
import { ensureAccounts } from '../ledger/ledger-store.ts'
import { findMeter } from '../meters/meter-store.ts'
import { readCurrency } from '../currency.ts'
import { findGrantByReference } from './grant-queries.ts'
import { grantEvent } from './grant-shape.ts'
import { readAmount } from '../read-amount.ts'
import { readOwner, walletOf } from './wallet-owner.ts'

export interface NewGrant {
  /** Exactly one of the two: whose wallet it is for. */
  organizationId?: string | null
  locationId?: string | null
  amount: number | string
  currency?: string | null
  environment: Environment
  kind: GrantKind
  /** From 0, which is spent first, to 100; by default 50. */
  priority?: number
  /** By default now. Before it, the grant is part of the balance and cannot be spent. */
  effectiveTime?: string | null
  expiresTime?: string | null
  /** Only for this application, or this meter of it. */
  applicationId?: string | null
  meterId?: string | null
  /** The same one never grants twice. */
  reference: string
  description?: string | null
  actor: string
  /** The wallet that pays for it; by default the platform does. */
  from?: NewAccount
}

export interface GrantOutcome {
  grant: Grant
  wallet: Account
  replayed: boolean
}

/**
 * Puts money into a wallet as a grant. `db` must be a transaction. The same reference with the same wallet and amount is answered as
 * before, with others refused (`reference_reused`). Throws `not_found` for the owner, the application or the meter,
 * `validation_failed`, and `insufficient_funds` when the wallet that pays for it does not hold enough of its own.
 */
export async function grantMoney(ctx: WalletContext, db: Knex.Transaction, input: NewGrant): Promise<GrantOutcome> {
  const amount = readAmount(input.amount)
  const currency = readCurrency(ctx, input.currency)
  const wallet = walletOf(await readOwner(db, input), { environment: input.environment, currency })
  const scope = await readScope(ctx, db, input)
  const source = input.from ?? platformAccount(input.kind === 'paid' ? 'topup_clearing' : 'promotion', wallet)
  const now = nowIso(ctx.clock)
  await ensureAccounts(db, ctx.dialect, [source, wallet], now)
  const journal = await openJournal(ctx, db, [accountId(wallet), accountId(source)])
  const account = journal.account(accountId(wallet))!
  // After the lock, which whoever grants by the same reference waits for; for another wallet the unique index refuses the second.
  const known = await findGrantByReference(db, input.reference)
  if (known) return { grant: asWanted(known, { accountId: account.id, amount }), wallet: account, replayed: true }
  const times = readTimes(input, now)
  if (account.balance + amount > maxMicros) {
    throw invalidField('amount', 'would take the wallet beyond what it can hold')
  }
  const grant: Grant = {
    id: newId('grt'),
    accountId: account.id,
    kind: input.kind,
    reference: input.reference,
    amount,
    remaining: amount,
    held: 0n,
    priority: input.priority ?? 50,
    ...times,
    ...scope,
    description: input.description ?? null,
    actor: input.actor,
    transactionId: newId('txn'),
    sourceAccountId: accountId(source),
    closedTime: null,
    createdTime: now,
  }
  post(journal, account, grant)
  try {
    await journal.write()
  } catch (error) {
    // Granted to another wallet by the same reference at this very moment.
    throw isUniqueViolation(error) ? new StoaError('reference_reused') : error
  }
  await publish(ctx, db, grantEvent('grant.created', account, grant, now))
  return { grant, wallet: account, replayed: false }
}

function post(journal: Journal, wallet: Account, grant: Grant): void {
  const { environment, currency } = wallet
  // The platform's accounts keep no balance; the wallet of an organization does.
  const source = journal.account(grant.sourceAccountId)
  if (source) assertOwnMoney(journal, source, grant.amount)
  journal.post(
    {
      id: grant.transactionId,
      kind: 'grant',
      referenceId: grant.id,
      reversesId: null,
      applicationId: null,
      environment,
      currency,
      actor: grant.actor,
      description: grant.description,
      eventTime: journal.now,
    },
    [
      { account: source ?? { id: grant.sourceAccountId }, amount: -grant.amount },
      { account: wallet, amount: grant.amount },
    ],
  )
  journal.addGrant(wallet, grant)
}

/** Only what is its own: neither grants, which are for applications, nor an overdraft can be given away. */
function assertOwnMoney(journal: Journal, source: Account, amount: Micros): void {
  if (source.status === 'suspended') throw new StoaError('wallet_suspended')
  const available = ownMoney(source, journal.grants(source.id))
  if (amount <= available) return
  const asked = { required: amount, available, currency: source.currency }
  const then = (missing: string) => `top it up by ${missing} and try again; only money of its own can be given`
  throw insufficientFunds(asked, { what: 'grant', then })
}

function asWanted(known: Grant, wanted: { accountId: string; amount: Micros }): Grant {
  if (known.accountId !== wanted.accountId || known.amount !== wanted.amount) {
    throw new StoaError('reference_reused', { details: { grantId: known.id } })
  }
  return known
}

function readTimes({ effectiveTime, expiresTime }: NewGrant, now: string) {
  const effective = effectiveTime ? utcTime('effectiveTime', effectiveTime) : now
  const expires = expiresTime ? utcTime('expiresTime', expiresTime) : null
  if (expires !== null && expires <= now) throw invalidField('expiresTime', 'must lie in the future')
  if (expires !== null && expires <= effective) throw invalidField('expiresTime', 'must come after effectiveTime')
  return { effectiveTime: effective, expiresTime: expires }
}

async function readScope(ctx: WalletContext, db: Db, { applicationId = null, meterId = null }: NewGrant) {
  if (applicationId === null) {
    if (meterId !== null) throw invalidField('applicationId', 'is required beside meterId')
    return { applicationId, meterId }
  }
  if (!(await findApplication(db, applicationId))) {
    throw invalidField('applicationId', 'no application has this id', 'not_found')
  }
  if (meterId !== null && !(await findMeter(db, { applicationId, meterId }, nowIso(ctx.clock)))) {
    throw invalidField('meterId', 'the application has no meter with this id', 'not_found')
  }
  return { applicationId, meterId }
}
