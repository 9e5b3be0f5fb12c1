import type { Knex } from 'knex'
import { findLocation, findOrganization } from '../accounts/index.ts'
import type { Environment } from '../context.ts'
import { integer, json, text, type Db, type Dialect, type Row } from '../database/index.ts'
import type { Page, Paged } from '../http/index.ts'
import { columnsOf, mapInstallation, type Change } from './installation-row.ts'
import type { Installation, Target } from './installation.ts'

const table = 'stoa_installations'

export async function findInstallation(db: Db, at: { applicationId: string } & Target): Promise<Installation | null> {
  return first(where(db, at))
}

/** As findInstallation, and nobody else changes the row before the transaction ends. */
export async function lockInstallation(
  db: Db,
  dialect: Dialect,
  at: { applicationId: string } & Target,
): Promise<Installation | null> {
  return first(locked(where(db, at), dialect))
}

export async function findInstallationById(db: Db, id: string): Promise<Installation | null> {
  return first(db(table).where({ id }))
}

export async function lockInstallationById(db: Db, dialect: Dialect, id: string): Promise<Installation | null> {
  return first(locked(db(table).where({ id }), dialect))
}

/**
 * The installation of an application on the organization or the location that has this id. Which of the two it is, is asked
 * of those who keep them rather than guessed from what is installed: an embedder may bring ids of its own, and a host whose
 * data is older than the rule that no id is in both must never be given a location's token for an organization it named.
 * Where both have it the organization is meant, as the path says.
 */
export async function lockInstallationOfTenant(
  db: Db,
  dialect: Dialect,
  at: { applicationId: string; tenantId: string; environment: Environment },
): Promise<Installation | null> {
  const { applicationId, tenantId, environment } = at
  if (await findOrganization(db, tenantId)) {
    return lockInstallation(db, dialect, { applicationId, organizationId: tenantId, locationId: null, environment })
  }
  const location = await findLocation(db, tenantId)
  if (!location) return null
  const { organizationId } = location
  return lockInstallation(db, dialect, { applicationId, organizationId, locationId: tenantId, environment })
}

/** Inserts unless the target has one of this application already. */
export async function insertInstallation(db: Db, installation: Installation): Promise<void> {
  const { id, applicationId, organizationId, locationId, environment, createdTime } = installation
  await db(table)
    .insert({
      id,
      application_id: applicationId,
      organization_id: organizationId,
      location_id: locationId,
      location_key: locationId ?? '',
      environment,
      created_time: createdTime,
      ...columnsOf(installation),
    })
    .onConflict(['application_id', 'environment', 'organization_id', 'location_key'])
    .ignore()
}

/**
 * Compare-and-swap: changes the row if it still is at this status and revision. Null when it has moved on.
 * `revision` is the new one, for a step of the history; without it the revision stays.
 */
export async function swapInstallation(
  db: Db,
  from: Installation,
  change: Change & { revision?: number },
): Promise<Installation | null> {
  const rows = (await db(table)
    .where({ id: from.id, status: from.status, revision: from.revision })
    .update(columnsOf(change))
    .returning('*')) as Row[]
  return rows[0] ? mapInstallation(rows[0]) : null
}

/** Installations of one application in one environment, the oldest first; not those uninstalled for good. */
export function listInstallationsOf(
  db: Db,
  at: { applicationId: string; environment: Environment },
  page: Page,
): Promise<Paged<Installation>> {
  const query = db(table).where({ application_id: at.applicationId, environment: at.environment })
  return list(query.modify(present), page)
}

/** What is installed on a target, the oldest first; not what was uninstalled for good. */
export function listInstallationsOn(
  db: Db,
  target: Target,
  onlyApplicationId: string | null,
  page: Page,
): Promise<Paged<Installation>> {
  const query = db(table).where({
    organization_id: target.organizationId,
    location_key: target.locationId ?? '',
    environment: target.environment,
    ...(onlyApplicationId !== null && { application_id: onlyApplicationId }),
  })
  return list(query.modify(present), page)
}

/** What a target has of these applications. */
export async function findInstallationsOn(db: Db, target: Target, applicationIds: string[]): Promise<Installation[]> {
  const rows = (await db(table)
    .where({
      organization_id: target.organizationId,
      location_key: target.locationId ?? '',
      environment: target.environment,
    })
    .whereIn('application_id', applicationIds)
    .modify(present)) as Row[]
  return rows.map(mapInstallation)
}

/** Which of these installations are enabled now. */
export async function findEnabledInstallations(db: Db, ids: string[]): Promise<Set<string>> {
  const rows = (await db(table).whereIn('id', ids).where({ status: 'enabled' }).select('id')) as Row[]
  return new Set(rows.map((row) => text(row.id)))
}

/**
 * What one organization and its locations have installed of an application, locked: the next `limit` by id. Only none at all
 * means the end, because a row that somebody else uninstalls while it is waited for is left out.
 */
export async function lockInstalledIn(
  db: Db,
  dialect: Dialect,
  at: { applicationId: string; organizationId: string; environment: Environment },
  page: { after: string; limit: number },
): Promise<Installation[]> {
  const query = db(table)
    .where({ application_id: at.applicationId, organization_id: at.organizationId, environment: at.environment })
    .whereNull('uninstalled_time')
    .where('id', '>', page.after)
    .orderBy('id')
    .limit(page.limit)
  return ((await locked(query, dialect)) as Row[]).map(mapInstallation)
}

/** What an organization's installation was passed on to and is installed still, locked: the next `limit` by id. */
export async function lockChildren(
  db: Db,
  dialect: Dialect,
  parentId: string,
  page: { after: string; limit: number },
): Promise<Installation[]> {
  const query = db(table)
    .where({ parent_id: parentId })
    .whereNull('uninstalled_time')
    .where('id', '>', page.after)
    .orderBy('id')
    .limit(page.limit)
  return ((await locked(query, dialect)) as Row[]).map(mapInstallation)
}

/** The ids of what an organization's installation was passed on to and is installed still: the next `limit`. */
export async function listPassedOn(
  db: Db,
  parentId: string,
  { after, limit }: { after: string; limit: number },
): Promise<string[]> {
  const rows = (await db(table)
    .where({ parent_id: parentId })
    .whereNull('uninstalled_time')
    .where('id', '>', after)
    .orderBy('id')
    .limit(limit)
    .select('id')) as Row[]
  return rows.map((row) => text(row.id))
}

/** The organization's installations, in both environments, that are passed on to locations. */
export async function findPassedOn(db: Db, organizationId: string): Promise<Installation[]> {
  const rows = (await db(table)
    .where({ organization_id: organizationId, location_key: '' })
    .whereNotNull('fan_out')
    .whereNull('uninstalled_time')
    .orderBy('id')) as Row[]
  return rows.map(mapInstallation)
}

/** The next ids of what is installed of an application, in both environments. */
export async function listInstalledIds(
  db: Db,
  applicationId: string,
  page: { after: string; limit: number },
): Promise<string[]> {
  const rows = (await db(table)
    .where({ application_id: applicationId })
    .whereNull('uninstalled_time')
    .where('id', '>', page.after)
    .orderBy('id')
    .limit(page.limit)
    .select('id')) as Row[]
  return rows.map((row) => text(row.id))
}

/** How many installations an application has, or had: their history refers to it. */
export async function countInstallations(db: Db, applicationId: string): Promise<number> {
  const [{ count } = { count: 0 }] = (await db(table)
    .where({ application_id: applicationId })
    .count({ count: '*' })) as Row[]
  return integer(count)
}

/** How many live installations of an application have which grant. Grants are written sorted, so that equal ones are one. */
export async function countGrants(db: Db, applicationId: string): Promise<{ grant: string[]; count: number }[]> {
  const rows = (await db(table)
    .where({ application_id: applicationId })
    .whereNull('uninstalled_time')
    .groupBy('grant')
    .select('grant')
    .count({ count: '*' })) as Row[]
  return rows.map((row) => ({ grant: json<string[]>(row.grant), count: integer(row.count) }))
}

/** The condition and order under which the worker claims rows. */
export const dueInstallations = (now: string) => (query: Knex.QueryBuilder) =>
  void query
    .where('deadline_time', '<=', now)
    .where((open) => void open.whereNull('lease_until').orWhere('lease_until', '<=', now))
    .orderBy('deadline_time')

export const installationsTable = table

/** Gives a claimed row back at once: the next time it is due must not have to wait for the lease to run out. */
export async function releaseInstallation(db: Db, id: string, leaseToken: string): Promise<void> {
  await db(table).where({ id, lease_token: leaseToken }).update({ lease_token: null, lease_until: null })
}

function where(db: Db, at: { applicationId: string } & Target): Knex.QueryBuilder {
  return db(table).where({
    application_id: at.applicationId,
    environment: at.environment,
    organization_id: at.organizationId,
    location_key: at.locationId ?? '',
  })
}

function locked(query: Knex.QueryBuilder, dialect: Dialect): Knex.QueryBuilder {
  return dialect.rowLocks ? query.forUpdate() : query
}

async function first(query: Knex.QueryBuilder): Promise<Installation | null> {
  const row = (await query.first()) as Row | undefined
  return row ? mapInstallation(row) : null
}

function present(query: Knex.QueryBuilder): void {
  void query.where((open) => void open.whereNull('uninstalled_time').orWhere('status', 'disabling'))
}

async function list(query: Knex.QueryBuilder, page: Page): Promise<Paged<Installation>> {
  const [{ count } = { count: 0 }] = (await query.clone().count({ count: '*' })) as Row[]
  const rows = (await query.orderBy('id').limit(page.limit).offset(page.offset)) as Row[]
  return { items: rows.map(mapInstallation), total: integer(count) }
}
