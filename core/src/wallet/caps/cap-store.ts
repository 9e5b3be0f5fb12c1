import type { Environment } from '../../context.ts'
import { integer, iso, maybeIso, maybeText, money, text, type Db, type Row } from '../../database/index.ts'
import type { Page, Paged } from '../../http/index.ts'
import type { Micros } from '../../kernel/index.ts'
import type { Cap, CapScope } from './cap.ts'
import type { Period } from './period.ts'

const caps = 'stoa_caps'
const changes = 'stoa_cap_changes'

/** The caps in force of these installations. */
export async function findCaps(db: Db, installationIds: string[]): Promise<Cap[]> {
  const rows = (await db(caps)
    .whereIn('installation_id', installationIds)
    .whereNull('ended_time')
    .orderBy('id')) as Row[]
  return rows.map(mapCap)
}

/** Null also for a cap that was taken away, and for one of another installation. */
export async function findCap(db: Db, installationId: string, capId: string): Promise<Cap | null> {
  return first(db, { installation_id: installationId, id: capId })
}

export async function findCapFor(db: Db, installationId: string, scope: CapScope): Promise<Cap | null> {
  return first(db, { installation_id: installationId, ...scopeColumns(scope) })
}

export async function insertCap(db: Db, cap: Cap): Promise<void> {
  await db(caps).insert({
    id: cap.id,
    installation_id: cap.installationId,
    application_id: cap.applicationId,
    organization_id: cap.organizationId,
    location_id: cap.locationId,
    environment: cap.environment,
    ...scopeColumns(cap),
    amount: cap.amount,
    revision: cap.revision,
    created_time: cap.createdTime,
    updated_time: cap.updatedTime,
    ended_time: cap.endedTime,
  })
}

/** The installation must be locked: decisions about its caps follow each other. */
export async function updateCap(db: Db, cap: Cap): Promise<void> {
  const { amount, revision, updatedTime, endedTime } = cap
  await db(caps).where({ id: cap.id }).update({ amount, revision, updated_time: updatedTime, ended_time: endedTime })
}

/** One decision about a cap. */
export interface CapChange {
  revision: number
  /** Null: the cap was taken away. */
  amount: Micros | null
  /** `<kind of caller>:<id>` */
  actor: string
  reason: string | null
  time: string
}

export async function insertCapChange(db: Db, capId: string, change: CapChange): Promise<void> {
  await db(changes).insert({ cap_id: capId, ...change })
}

/** The latest first; also of a cap that was taken away. */
export async function listCapChanges(
  db: Db,
  at: { installationId: string; capId: string },
  page: Page,
): Promise<Paged<CapChange>> {
  const query = db(changes)
    .join(caps, `${caps}.id`, `${changes}.cap_id`)
    .where({ cap_id: at.capId, installation_id: at.installationId })
  const [{ count } = { count: 0 }] = (await query.clone().count({ count: '*' })) as Row[]
  const rows = (await query
    .select(`${changes}.*`)
    .orderBy(`${changes}.revision`, 'desc')
    .limit(page.limit)
    .offset(page.offset)) as Row[]
  return { items: rows.map(mapChange), total: integer(count) }
}

/** The columns of a scope; an absent meter is '', because a unique index takes two nulls for different values. */
export function scopeColumns({ meterId, period, currency }: CapScope) {
  return { meter_key: meterId ?? '', period, currency }
}

export function mapScope(row: Row): CapScope {
  return {
    meterId: text(row.meter_key) === '' ? null : text(row.meter_key),
    period: row.period as Period,
    currency: text(row.currency),
  }
}

async function first(db: Db, where: Row): Promise<Cap | null> {
  const row = (await db(caps).where(where).whereNull('ended_time').first()) as Row | undefined
  return row ? mapCap(row) : null
}

function mapCap(row: Row): Cap {
  return {
    ...mapScope(row),
    id: text(row.id),
    installationId: text(row.installation_id),
    applicationId: text(row.application_id),
    organizationId: text(row.organization_id),
    locationId: text(row.location_id),
    environment: row.environment as Environment,
    amount: money(row.amount),
    revision: integer(row.revision),
    createdTime: iso(row.created_time),
    updatedTime: iso(row.updated_time),
    endedTime: maybeIso(row.ended_time),
  }
}

function mapChange(row: Row): CapChange {
  return {
    revision: integer(row.revision),
    amount: row.amount === null ? null : money(row.amount),
    actor: text(row.actor),
    reason: maybeText(row.reason),
    time: iso(row.time),
  }
}
