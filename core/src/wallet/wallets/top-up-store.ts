import { randomUUID } from 'node:crypto'
import type { Environment } from '../../context.ts'
import { integer, iso, maybeIso, maybeText, money, text, type Db, type Row } from '../../database/index.ts'
import type { Page, Paged } from '../../http/index.ts'
import type { Micros } from '../../kernel/index.ts'
import type { TopUp } from './top-up.ts'

export const topUpsTable = 'stoa_top_ups'

/** When the provider is asked (again), and whose turn it is meanwhile. */
export interface TopUpTurn {
  nextTime: string | null
  leaseToken: string | null
  leaseUntil: string | null
}

export const noTurn: TopUpTurn = { nextTime: null, leaseToken: null, leaseUntil: null }

/** Null when its reference is known: then the top-up that has it. */
export async function insertTopUp(db: Db, topUp: TopUp, turn: TopUpTurn = noTurn): Promise<TopUp | null> {
  const rows = (await db(topUpsTable)
    .insert({
      id: topUp.id,
      source: topUp.source,
      scope: topUp.scope,
      reference: topUp.reference,
      account_id: topUp.accountId,
      transaction_id: topUp.transactionId,
      organization_id: topUp.organizationId,
      location_id: topUp.locationId,
      environment: topUp.environment,
      currency: topUp.currency,
      amount: topUp.amount,
      status: topUp.status,
      payment_method: topUp.paymentMethod,
      provider_reference: topUp.providerReference,
      failure: topUp.failure,
      given_up_by: topUp.givenUpBy,
      description: topUp.description,
      actor: topUp.actor,
      tries: topUp.tries,
      ...turnColumns(turn),
      created_time: topUp.createdTime,
      settled_time: topUp.settledTime,
    })
    .onConflict(['scope', 'reference'])
    .ignore()
    .returning('id')) as Row[]
  if (rows.length > 0) return null
  const { scope, reference } = topUp
  return mapTopUp((await db(topUpsTable).where({ scope, reference }).first()) as Row)
}

/**
 * Settles what is pending, or what was given up and has come after all; false when it no longer is, whoever was first. `nextTime` is
 * when the provider is asked again about what is given up by this.
 */
export async function swapSettled(db: Db, topUp: TopUp, nextTime: string | null = null): Promise<boolean> {
  const changed = await db(topUpsTable)
    .where({ id: topUp.id })
    .where((open) => {
      void open.where({ status: 'pending' })
      // Only what was given up has a next time once it has failed.
      if (topUp.status === 'succeeded')
        void open.orWhere((late) => void late.where({ status: 'failed' }).whereNotNull('next_time'))
    })
    .update({
      status: topUp.status,
      transaction_id: topUp.transactionId,
      provider_reference: topUp.providerReference,
      failure: topUp.failure,
      given_up_by: topUp.givenUpBy,
      settled_time: topUp.settledTime,
      ...turnColumns({ ...noTurn, nextTime }),
    })
  return changed > 0
}

/** Takes one that is pending, for whoever asks the provider about it now; null when it is not, or somebody else's turn. */
export async function claimTopUp(
  db: Db,
  id: string,
  { now, leaseUntil }: { now: string; leaseUntil: string },
): Promise<{ topUp: TopUp; leaseToken: string } | null> {
  const leaseToken = randomUUID()
  const [row] = (await db(topUpsTable)
    .where({ id, status: 'pending' })
    .where((free) => void free.whereNull('lease_until').orWhere('lease_until', '<=', now))
    .update({ lease_token: leaseToken, lease_until: leaseUntil, tries: db.raw('tries + 1') })
    .returning('*')) as Row[]
  return row ? { topUp: mapTopUp(row), leaseToken } : null
}

/** Lets it wait for its next turn, unless its lease ran out and it is somebody else's by now. */
export async function postponeTopUp(
  db: Db,
  { id, providerReference }: TopUp,
  leaseToken: string,
  nextTime: string | null,
): Promise<void> {
  await db(topUpsTable)
    .where({ id, lease_token: leaseToken })
    .whereNot({ status: 'succeeded' })
    .update({ provider_reference: providerReference, ...turnColumns({ ...noTurn, nextTime }) })
}

const turnColumns = ({ nextTime, leaseToken, leaseUntil }: TopUpTurn) => ({
  next_time: nextTime,
  lease_token: leaseToken,
  lease_until: leaseUntil,
})

export async function findTopUp(db: Db, id: string): Promise<TopUp | null> {
  const row = (await db(topUpsTable).where({ id }).first()) as Row | undefined
  return row ? mapTopUp(row) : null
}

export interface TopUpFilter {
  organizationId: string
  locationId: string | null
  environment: Environment
  currency: string | null
}

/** Of one target, the latest first. */
export async function listTopUps(db: Db, filter: TopUpFilter, page: Page): Promise<Paged<TopUp>> {
  const { organizationId, locationId, environment, currency } = filter
  const wallets = db('stoa_ledger_accounts')
    .where({ kind: 'wallet', owner_id: locationId ?? organizationId, environment })
    .select('id')
  if (currency !== null) void wallets.where({ currency })
  const found = db(topUpsTable).whereIn('account_id', wallets)
  const [count] = (await found.clone().count({ count: '*' })) as Row[]
  const rows = (await found.orderBy('id', 'desc').limit(page.limit).offset(page.offset)) as Row[]
  return { items: rows.map(mapTopUp), total: integer(count!.count) }
}

export interface AllTopUpsFilter {
  status: TopUp['status'] | null
  organizationId: string | null
  environment: Environment
}

/** Of the whole platform, the latest first. */
export async function listAllTopUps(db: Db, filter: AllTopUpsFilter, page: Page): Promise<Paged<TopUp>> {
  const { status, organizationId, environment } = filter
  const found = db(topUpsTable).where({ environment })
  if (status !== null) void found.where({ status })
  if (organizationId !== null) void found.where({ organization_id: organizationId })
  const [count] = (await found.clone().count({ count: '*' })) as Row[]
  const rows = (await found.orderBy('id', 'desc').limit(page.limit).offset(page.offset)) as Row[]
  return { items: rows.map(mapTopUp), total: integer(count!.count) }
}

/** What a wallet's rule did, and what is under way there. */
export async function findTopUpHistory(
  db: Db,
  accountId: string,
  dayStart: string,
): Promise<{ pending: Micros; isRuleUnderWay: boolean; ofDay: Micros; lastTime: string | null }> {
  const pending = (await db(topUpsTable).where({ account_id: accountId, status: 'pending' })) as Row[]
  const ofRule = db(topUpsTable).where({ account_id: accountId, source: 'auto' })
  const today = ofRule.clone().whereIn('status', ['pending', 'succeeded']).where('created_time', '>=', dayStart)
  const [day] = (await today.sum({ amount: 'amount' })) as Row[]
  const last = (await ofRule.where({ status: 'succeeded' }).orderBy('settled_time', 'desc').first()) as Row | undefined
  return {
    pending: pending.reduce((sum, row) => sum + money(row.amount), 0n),
    isRuleUnderWay: pending.some(({ source }) => source === 'auto'),
    ofDay: money((day?.amount as string | bigint | null) ?? 0n),
    lastTime: maybeIso(last?.settled_time),
  }
}

export function mapTopUp(row: Row): TopUp {
  return {
    id: text(row.id),
    source: row.source as TopUp['source'],
    scope: text(row.scope),
    reference: text(row.reference),
    accountId: text(row.account_id),
    transactionId: maybeText(row.transaction_id),
    organizationId: text(row.organization_id),
    locationId: maybeText(row.location_id),
    environment: row.environment as Environment,
    currency: text(row.currency),
    amount: money(row.amount),
    status: row.status as TopUp['status'],
    paymentMethod: maybeText(row.payment_method),
    providerReference: maybeText(row.provider_reference),
    failure: maybeText(row.failure),
    givenUpBy: maybeText(row.given_up_by),
    description: maybeText(row.description),
    actor: text(row.actor),
    tries: integer(row.tries),
    createdTime: iso(row.created_time),
    settledTime: maybeIso(row.settled_time),
  }
}
