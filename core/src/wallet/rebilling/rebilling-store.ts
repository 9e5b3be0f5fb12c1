import type { Environment } from '../../context.ts'
import { integer, iso, maybeIso, maybeText, money, text, boolean, type Db, type Row } from '../../database/index.ts'
import type { Page, Paged } from '../../http/index.ts'
import type { Micros } from '../../kernel/index.ts'
import type { Rebilling } from './rebilling.ts'

const table = 'stoa_rebillings'

/** Where a rule holds: whose it is, and for what. '' stands for all. */
export type RebillingPlace = Pick<
  Rebilling,
  'organizationId' | 'environment' | 'locationKey' | 'applicationKey' | 'itemKey'
>

/** A version with who made it, and until when it held. */
export interface RebillingVersion extends Rebilling {
  /** Of the own price. */
  currency: string | null
  actor: string
  /** Null while it is in force. */
  endedTime: string | null
}

/** What something is bought at, of a meter or a plan of the application. */
export interface BoughtAt extends Pick<Rebilling, 'organizationId' | 'environment'> {
  locationId: string
  applicationId: string
}

/** Every rule in force that may hold at one of these; an organization may have thousands of others. */
export async function findRebillings(db: Db, places: BoughtAt[]): Promise<Rebilling[]> {
  const each = (name: keyof BoughtAt) => [...new Set(places.map((place) => place[name]))]
  const rows = (await db(table)
    .whereIn('organization_id', each('organizationId'))
    .whereIn('environment', each('environment'))
    .whereIn('location_key', ['', ...each('locationId')])
    .whereIn('application_key', ['', ...each('applicationId')])
    .whereNull('ended_time')) as Row[]
  return rows.map(mapRebilling)
}

/** How many rules an organization has in force, in both environments. */
export async function countRebillings(db: Db, organizationId: string): Promise<number> {
  const found = db(table).where({ organization_id: organizationId }).whereNull('ended_time')
  const [row] = (await found.count({ count: '*' })) as Row[]
  return integer(row!.count)
}

/** The rule in force at exactly this place. */
export async function findRebillingAt(db: Db, place: RebillingPlace): Promise<RebillingVersion | null> {
  const row = (await db(table).where(keyOf(place)).whereNull('ended_time').first()) as Row | undefined
  return row ? mapVersion(row) : null
}

/** All that was ever in force at this place, the latest first. */
export async function listVersions(db: Db, place: RebillingPlace, page: Page): Promise<Paged<RebillingVersion>> {
  const [{ count } = { count: 0 }] = (await db(table).where(keyOf(place)).count({ count: '*' })) as Row[]
  const rows = (await db(table)
    .where(keyOf(place))
    .orderBy('version', 'desc')
    .limit(page.limit)
    .offset(page.offset)) as Row[]
  return { items: rows.map(mapVersion), total: integer(count) }
}

/** The rules in force of an organization, those for all locations first. */
export async function listRebillings(
  db: Db,
  of: Pick<Rebilling, 'organizationId' | 'environment'>,
  filter: Partial<Pick<Rebilling, 'locationKey' | 'applicationKey'>>,
  page: Page,
): Promise<Paged<RebillingVersion>> {
  const own = () => {
    const query = db(table)
      .where({ organization_id: of.organizationId, environment: of.environment })
      .whereNull('ended_time')
    if (filter.locationKey !== undefined) query.where({ location_key: filter.locationKey })
    if (filter.applicationKey !== undefined) query.where({ application_key: filter.applicationKey })
    return query
  }
  const [{ count } = { count: 0 }] = (await own().count({ count: '*' })) as Row[]
  const rows = (await own()
    .orderBy(['location_key', 'application_key', 'item_key'])
    .limit(page.limit)
    .offset(page.offset)) as Row[]
  return { items: rows.map(mapVersion), total: integer(count) }
}

/** The highest version there was at this place, also of one that has ended; 0 when there was none. */
export async function lastVersion(db: Db, place: RebillingPlace): Promise<number> {
  const [row] = (await db(table).where(keyOf(place)).max({ version: 'version' })) as Row[]
  return row?.version == null ? 0 : integer(row.version)
}

export async function endRebilling(db: Db, id: string, now: string): Promise<void> {
  await db(table).where({ id }).update({ ended_time: now })
}

export async function insertRebilling(db: Db, rule: RebillingVersion): Promise<void> {
  await db(table).insert({
    id: rule.id,
    ...keyOf(rule),
    version: rule.version,
    enabled: rule.enabled,
    markup_bps: rule.markupBps,
    own_price: rule.ownPrice,
    currency: rule.currency,
    actor: rule.actor,
    created_time: rule.createdTime,
    ended_time: rule.endedTime,
  })
}

/**
 * What a plan asks for each location. Read here and not in the room of the plans, which comes later and prices them by these rules.
 */
export async function findPlanPrice(
  db: Db,
  { applicationId, planId }: { applicationId: string; planId: string },
): Promise<{ amount: Micros; currency: string } | null> {
  const row = (await db('stoa_plans').where({ id: planId, application_id: applicationId }).first()) as Row | undefined
  return row ? { amount: money(row.location_amount), currency: text(row.currency) } : null
}

function keyOf({ organizationId, environment, locationKey, applicationKey, itemKey }: RebillingPlace) {
  return {
    organization_id: organizationId,
    environment,
    location_key: locationKey,
    application_key: applicationKey,
    item_key: itemKey,
  }
}

function mapVersion(row: Row): RebillingVersion {
  return {
    ...mapRebilling(row),
    currency: maybeText(row.currency),
    actor: text(row.actor),
    endedTime: maybeIso(row.ended_time),
  }
}

export function mapRebilling(row: Row): Rebilling {
  return {
    id: text(row.id),
    organizationId: text(row.organization_id),
    locationKey: text(row.location_key),
    applicationKey: text(row.application_key),
    itemKey: text(row.item_key),
    environment: row.environment as Environment,
    version: integer(row.version),
    enabled: boolean(row.enabled),
    markupBps: row.markup_bps === null ? null : integer(row.markup_bps),
    ownPrice: row.own_price === null ? null : money(row.own_price),
    createdTime: iso(row.created_time),
  }
}
