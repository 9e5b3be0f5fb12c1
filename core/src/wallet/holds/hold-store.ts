import type { Environment } from '../../context.ts'
import {
  integer,
  iso,
  json,
  maybeIso,
  maybeText,
  money,
  text,
  toJson,
  type Db,
  type Row,
} from '../../database/index.ts'
import type { Page, Paged } from '../../http/index.ts'
import type { Hold, HoldStatus } from './hold.ts'

const table = 'stoa_holds'

export async function insertHold(db: Db, hold: Hold): Promise<void> {
  await db(table).insert({
    id: hold.id,
    account_id: hold.accountId,
    application_id: hold.applicationId,
    installation_id: hold.installationId,
    publisher_id: hold.publisherId,
    organization_id: hold.organizationId,
    location_id: hold.locationId,
    environment: hold.environment,
    meter_id: hold.meterId,
    event_id: hold.eventId,
    fingerprint: hold.fingerprint,
    user_id: hold.userId,
    description: hold.description,
    currency: hold.currency,
    amount: hold.amount,
    expires_time: hold.expiresTime,
    created_time: hold.createdTime,
    ...changing(hold),
  })
}

export async function updateHold(db: Db, hold: Hold): Promise<void> {
  await db(table).where({ id: hold.id }).update(changing(hold))
}

/** Whoever changes one holds its wallet's lock, so reading it after that is enough. */
export async function findHolds(db: Db, ids: string[]): Promise<Map<string, Hold>> {
  if (ids.length === 0) return new Map()
  const rows = (await db(table).whereIn('id', ids)) as Row[]
  return new Map(rows.map(mapHold).map((hold) => [hold.id, hold]))
}

export async function findHold(
  db: Db,
  by: { installationId: string } & ({ id: string } | { eventId: string }),
): Promise<Hold | null> {
  const what = 'id' in by ? { id: by.id } : { event_id: by.eventId }
  const row = (await db(table)
    .where({ installation_id: by.installationId, ...what })
    .first()) as Row | undefined
  return row ? mapHold(row) : null
}

/** The latest first. */
export async function listHolds(
  db: Db,
  { installationId, status }: { installationId: string; status: HoldStatus | null },
  page: Page,
): Promise<Paged<Hold>> {
  const own = db(table).where({ installation_id: installationId, ...(status && { status }) })
  const [{ count } = { count: 0 }] = (await own.clone().count({ count: '*' })) as Row[]
  const rows = (await own.clone().orderBy('id', 'desc').limit(page.limit).offset(page.offset)) as Row[]
  return { items: rows.map(mapHold), total: integer(count) }
}

/** What names a hold. */
export type HoldKey = Pick<Hold, 'id' | 'installationId'>

/** Open holds whose time is over, without those of `except`. */
export async function findExpired(
  db: Db,
  now: string,
  { limit, except }: { limit: number; except: string[] },
): Promise<HoldKey[]> {
  const rows = (await db(table)
    .where({ status: 'open' })
    .where('expires_time', '<=', now)
    .whereNotIn('id', except)
    .orderBy('expires_time')
    .limit(limit)
    .select('id', 'installation_id')) as Row[]
  return rows.map(mapKey)
}

const mapKey = (row: Row): HoldKey => ({ id: text(row.id), installationId: text(row.installation_id) })

/**
 * Ends the time of an installation's open holds, so that none can be captured any more and the worker releases them. Each wallet's lock is
 * the worker's to take: whoever uninstalls many at once would hold many, in no order.
 */
export async function endHoldsOf(db: Db, installationId: string, now: string): Promise<void> {
  await db(table)
    .where({ installation_id: installationId, status: 'open' })
    .where('expires_time', '>', now)
    .update({ expires_time: now })
}

function changing(hold: Hold) {
  const slices = hold.slices.map(({ grantId, amount }) => [grantId, String(amount)])
  return { captured: hold.captured, status: hold.status, slices: toJson(slices), closed_time: hold.closedTime }
}

function mapHold(row: Row): Hold {
  return {
    id: text(row.id),
    accountId: text(row.account_id),
    applicationId: text(row.application_id),
    installationId: text(row.installation_id),
    publisherId: text(row.publisher_id),
    organizationId: text(row.organization_id),
    locationId: text(row.location_id),
    environment: row.environment as Environment,
    meterId: text(row.meter_id),
    eventId: text(row.event_id),
    fingerprint: text(row.fingerprint),
    userId: maybeText(row.user_id),
    description: text(row.description),
    currency: text(row.currency),
    amount: money(row.amount),
    captured: money(row.captured),
    status: row.status as HoldStatus,
    slices: json<[string, string][]>(row.slices).map(([grantId, amount]) => ({ grantId, amount: BigInt(amount) })),
    expiresTime: iso(row.expires_time),
    createdTime: iso(row.created_time),
    closedTime: maybeIso(row.closed_time),
  }
}
