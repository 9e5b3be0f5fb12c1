import type { Knex } from 'knex'
import type { Environment } from '../../context.ts'
import {
  boolean,
  insertRows,
  integer,
  iso,
  maybeIso,
  maybeText,
  money,
  text,
  type Db,
  type Dialect,
  type Row,
} from '../../database/index.ts'
import type { Page, Paged } from '../../http/index.ts'
import type { Subscription, SubscriptionItem } from './subscription.ts'

export const subscriptionsTable = 'stoa_subscriptions'
const items = 'stoa_subscription_items'

export async function insertSubscription(db: Db, subscription: Subscription): Promise<void> {
  await db(subscriptionsTable).insert({
    id: subscription.id,
    installation_id: subscription.installationId,
    application_id: subscription.applicationId,
    publisher_id: subscription.publisherId,
    organization_id: subscription.organizationId,
    location_id: subscription.locationId,
    environment: subscription.environment,
    created_time: subscription.createdTime,
    ...changingColumns(subscription),
  })
}

/** Whoever calls it holds the row's lock. A worker that had claimed it finds its lease gone. */
export async function updateSubscription(db: Db, subscription: Subscription): Promise<void> {
  await db(subscriptionsTable)
    .where({ id: subscription.id })
    .update({ ...changingColumns(subscription), lease_token: null, lease_until: null })
}

/** The live one of an installation. */
export async function findSubscription(db: Db, installationId: string): Promise<Subscription | null> {
  return first(live(db, installationId))
}

/** As findSubscription, and nobody else changes it before the transaction ends. */
export async function lockSubscription(db: Db, dialect: Dialect, installationId: string): Promise<Subscription | null> {
  const query = live(db, installationId)
  return first(dialect.rowLocks ? query.forUpdate() : query)
}

export async function lockSubscriptionById(db: Db, dialect: Dialect, id: string): Promise<Subscription | null> {
  const query = db(subscriptionsTable).where({ id })
  return first(dialect.rowLocks ? query.forUpdate() : query)
}

/** The one of an installation that was begun last, live or not. */
export async function findLastSubscription(db: Db, installationId: string): Promise<Subscription | null> {
  return first(db(subscriptionsTable).where({ installation_id: installationId }).orderBy('id', 'desc'))
}

export interface SubscriptionFilter {
  environment: Environment
  status: Subscription['status'] | null
  organizationId: string | null
}

/** Of all organizations, the latest first. */
export async function listSubscriptions(
  db: Db,
  { environment, status, organizationId }: SubscriptionFilter,
  page: Page,
): Promise<Paged<Subscription>> {
  const query = db(subscriptionsTable).where({ environment })
  if (status !== null) void query.where({ status })
  if (organizationId !== null) void query.where({ organization_id: organizationId })
  const [{ count } = { count: 0 }] = (await query.clone().count({ count: '*' })) as Row[]
  const rows = (await query.orderBy('id', 'desc').limit(page.limit).offset(page.offset)) as Row[]
  return { items: rows.map(mapSubscription), total: integer(count) }
}

export async function hadTrial(db: Db, installationId: string): Promise<boolean> {
  return (
    (await first(db(subscriptionsTable).where({ installation_id: installationId }).whereNotNull('trial_end'))) !== null
  )
}

/** Lets the worker look at these now. */
export async function hurrySubscriptions(db: Db, installationIds: string[], now: string): Promise<void> {
  await db(subscriptionsTable)
    .whereIn('installation_id', installationIds)
    .whereNull('ended_time')
    .whereNotIn('status', ['paused', 'unpaid'])
    .update({ next_time: now, lease_token: null, lease_until: null })
}

/** The ids of installations that are on a plan, or on trial, as a subquery. */
export function installationsOnPlan(
  db: Db,
  at: { applicationId: string; organizationId: string; environment: Environment },
  { planId, onTrial }: { planId?: string | undefined; onTrial?: boolean | undefined },
): Knex.QueryBuilder {
  const query = db(subscriptionsTable)
    .where({ application_id: at.applicationId, organization_id: at.organizationId, environment: at.environment })
    .whereNull('ended_time')
    .select('installation_id')
  if (planId !== undefined) void query.where({ plan_id: planId })
  if (onTrial) void query.where({ status: 'trialing' })
  return query
}

/** The condition and order under which the worker claims rows. */
export const dueSubscriptions = (now: string) => (query: Knex.QueryBuilder) =>
  void query
    .where('next_time', '<=', now)
    .where((open) => void open.whereNull('lease_until').orWhere('lease_until', '<=', now))
    .orderBy(['next_time', 'id'])

export async function insertItems(db: Db, dialect: Dialect, made: SubscriptionItem[]): Promise<void> {
  const rows = made.map((item) => ({
    id: item.id,
    subscription_id: item.subscriptionId,
    revision: item.revision,
    kind: item.kind,
    plan_id: item.planId,
    application_id: item.applicationId,
    organization_id: item.organizationId,
    location_id: item.locationId,
    environment: item.environment,
    currency: item.currency,
    amount: item.amount,
    base_amount: item.baseAmount,
    fee_amount: item.feeAmount,
    rebilling_id: item.rebillingId,
    account_id: item.accountId,
    transaction_id: item.transactionId,
    period_start: item.periodStart,
    period_end: item.periodEnd,
    created_time: item.createdTime,
  }))
  await insertRows(db, dialect, items, rows)
}

/** Of the present period, the oldest first: the last whole period or trial, and what changes of the plan made of it. */
export async function findPeriodItems(db: Db, subscriptionId: string): Promise<SubscriptionItem[]> {
  const begin = db(items)
    .where({ subscription_id: subscriptionId })
    .whereIn('kind', ['period', 'trial'])
    .max('revision')
  const rows = (await db(items)
    .where({ subscription_id: subscriptionId })
    .where('revision', '>=', begin)
    .orderBy('revision')) as Row[]
  return rows.map(mapItem)
}

/** Of all subscriptions that an installation has had, the latest first. */
export async function listItems(db: Db, installationId: string, page: Page): Promise<Paged<SubscriptionItem>> {
  const subscriptions = db(subscriptionsTable).where({ installation_id: installationId }).select('id')
  const query = db(items).whereIn('subscription_id', subscriptions)
  const [{ count } = { count: 0 }] = (await query.clone().count({ count: '*' })) as Row[]
  const latest = [
    { column: 'subscription_id', order: 'desc' },
    { column: 'revision', order: 'desc' },
  ]
  const rows = (await query.orderBy(latest).limit(page.limit).offset(page.offset)) as Row[]
  return { items: rows.map(mapItem), total: integer(count) }
}

function live(db: Db, installationId: string): Knex.QueryBuilder {
  return db(subscriptionsTable).where({ installation_id: installationId }).whereNull('ended_time')
}

async function first(query: Knex.QueryBuilder): Promise<Subscription | null> {
  const row = (await query.first()) as Row | undefined
  return row ? mapSubscription(row) : null
}

function changingColumns(subscription: Subscription) {
  return {
    plan_id: subscription.planId,
    status: subscription.status,
    anchor_time: subscription.anchorTime,
    period_start: subscription.periodStart,
    period_end: subscription.periodEnd,
    trial_end: subscription.trialEnd,
    ends_with_period: subscription.endsWithPeriod,
    tries: subscription.tries,
    next_time: subscription.nextTime,
    revision: subscription.revision,
    updated_time: subscription.updatedTime,
    ended_time: subscription.endedTime,
  }
}

export function mapSubscription(row: Row): Subscription {
  return {
    id: text(row.id),
    installationId: text(row.installation_id),
    applicationId: text(row.application_id),
    publisherId: text(row.publisher_id),
    organizationId: text(row.organization_id),
    locationId: maybeText(row.location_id),
    environment: row.environment as Environment,
    planId: text(row.plan_id),
    status: row.status as Subscription['status'],
    anchorTime: iso(row.anchor_time),
    periodStart: iso(row.period_start),
    periodEnd: maybeIso(row.period_end),
    trialEnd: maybeIso(row.trial_end),
    endsWithPeriod: boolean(row.ends_with_period),
    tries: integer(row.tries),
    nextTime: maybeIso(row.next_time),
    leaseToken: maybeText(row.lease_token),
    revision: integer(row.revision),
    createdTime: iso(row.created_time),
    updatedTime: iso(row.updated_time),
    endedTime: maybeIso(row.ended_time),
  }
}

function mapItem(row: Row): SubscriptionItem {
  return {
    id: text(row.id),
    subscriptionId: text(row.subscription_id),
    revision: integer(row.revision),
    kind: row.kind as SubscriptionItem['kind'],
    planId: text(row.plan_id),
    applicationId: text(row.application_id),
    organizationId: text(row.organization_id),
    locationId: maybeText(row.location_id),
    environment: row.environment as Environment,
    currency: text(row.currency),
    amount: money(row.amount),
    baseAmount: money(row.base_amount),
    feeAmount: money(row.fee_amount),
    rebillingId: maybeText(row.rebilling_id),
    accountId: maybeText(row.account_id),
    transactionId: maybeText(row.transaction_id),
    periodStart: iso(row.period_start),
    periodEnd: maybeIso(row.period_end),
    createdTime: iso(row.created_time),
  }
}
