import { lockApplication } from '../../applications/index.ts'
import {
  boolean,
  integer,
  iso,
  json,
  money,
  text,
  toJson,
  type Db,
  type Dialect,
  type Row,
} from '../../database/index.ts'
import type { Page, Paged } from '../../http/index.ts'
import type { PaymentTime } from './period-end-after.ts'
import type { Plan } from './plan.ts'

const table = 'stoa_plans'

export async function insertPlan(db: Db, plan: Plan): Promise<void> {
  await db(table).insert({
    id: plan.id,
    application_id: plan.applicationId,
    publisher_id: plan.publisherId,
    payment_type: plan.paymentType,
    payment_time: plan.paymentTime,
    currency: plan.currency,
    amount: plan.amount,
    location_amount: plan.locationAmount,
    free_plan: plan.freePlan,
    free_for_organization: plan.freeForOrganization,
    free_for_location: plan.freeForLocation,
    trial_days: plan.trialDays,
    position: plan.position,
    created_time: plan.createdTime,
    ...changingColumns(plan),
  })
}

export async function updatePlan(db: Db, plan: Plan): Promise<void> {
  await db(table).where({ id: plan.id }).update(changingColumns(plan))
}

/**
 * All of an application's, in the order in which they are offered. Until the transaction ends nobody else changes them or makes another:
 * the application is locked, because rows that are not there yet cannot be.
 */
export async function lockPlans(db: Db, dialect: Dialect, applicationId: string): Promise<Plan[]> {
  await lockApplication(db, applicationId, dialect.rowLocks)
  const rows = (await db(table).where({ application_id: applicationId }).orderBy('position')) as Row[]
  return rows.map(mapPlan)
}

/** Those that can be chosen, in the order in which they are offered. */
export async function findActivePlans(db: Db, applicationId: string): Promise<Plan[]> {
  const rows = (await db(table).where({ application_id: applicationId, status: 'active' }).orderBy('position')) as Row[]
  return rows.map(mapPlan)
}

export async function findPlan(db: Db, at: { applicationId: string; planId: string }): Promise<Plan | null> {
  const row = (await db(table).where({ id: at.planId, application_id: at.applicationId }).first()) as Row | undefined
  return row ? mapPlan(row) : null
}

export async function listPlans(db: Db, applicationId: string, page: Page): Promise<Paged<Plan>> {
  const query = db(table).where({ application_id: applicationId })
  const [{ count } = { count: 0 }] = (await query.clone().count({ count: '*' })) as Row[]
  const rows = (await query.orderBy('position').limit(page.limit).offset(page.offset)) as Row[]
  return { items: rows.map(mapPlan), total: integer(count) }
}

function changingColumns({ name, features, status, updatedTime }: Plan) {
  return { name, features: toJson(features), status, updated_time: updatedTime }
}

function mapPlan(row: Row): Plan {
  return {
    id: text(row.id),
    applicationId: text(row.application_id),
    publisherId: text(row.publisher_id),
    name: text(row.name),
    features: json<string[]>(row.features),
    paymentType: row.payment_type as Plan['paymentType'],
    paymentTime: row.payment_time as PaymentTime,
    currency: text(row.currency),
    amount: money(row.amount),
    locationAmount: money(row.location_amount),
    freePlan: boolean(row.free_plan),
    freeForOrganization: boolean(row.free_for_organization),
    freeForLocation: boolean(row.free_for_location),
    trialDays: integer(row.trial_days),
    status: row.status as Plan['status'],
    position: integer(row.position),
    createdTime: iso(row.created_time),
    updatedTime: iso(row.updated_time),
  }
}
