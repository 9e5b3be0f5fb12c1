import type { Knex } from 'knex'
import type { Environment } from '../context.ts'
import {
  integer,
  iso,
  maybeIso,
  maybeText,
  text,
  type Db,
  type Dialect,
  type Row,
  whereContains,
} from '../database/index.ts'
import { invalidField, StoaError } from '../kernel/index.ts'
import type { FanOut } from './installation.ts'

/**
 * Adding a location and passing an installation on to "all there are, and those to come" exclude each other, so that no
 * location is overlooked by both. A lock that foreign keys do not take: only these two wait.
 */
export async function lockLocations(db: Db, dialect: Dialect, organizationId: string): Promise<void> {
  if (dialect.rowLocks) await db('stoa_organizations').where({ id: organizationId }).forNoKeyUpdate().select('id')
}

/** As lockLocations, for those who add a location: they need not wait for each other. */
export async function shareOrganization(db: Db, dialect: Dialect, organizationId: string): Promise<void> {
  if (dialect.rowLocks) await db('stoa_organizations').where({ id: organizationId }).forShare().select('id')
}

const mostChosen = 5000
const chunk = 500

/**
 * All locations that an organization had at some moment, without their ids, of which there may be very many: none of them has
 * a higher id, none was made later. Times alone would not do, for two can be made in one millisecond and clocks of processes
 * differ; nor would ids alone, for an embedder may bring ids of its own, in any order.
 */
export interface LocationsThen {
  highestId: string
  latestTime: string
}

/** What a fan-out goes on to: chosen locations, by sorted ids, or all that there were. */
export type FanOutLocations = string[] | LocationsThen

/** The locations of a fan-out. Throws `not_found` when one is not the organization's. */
export async function chosenLocations(db: Db, organizationId: string, { locations }: FanOut): Promise<FanOutLocations> {
  const all = () => db('stoa_locations').where({ organization_id: organizationId })
  if (locations === 'all') {
    const row = (await all().max({ id: 'id', time: 'created_time' }).first()) as Row
    return row.id === null ? [] : { highestId: text(row.id), latestTime: iso(row.time) }
  }
  const ids = [...new Set(locations)].sort()
  if (ids.length > mostChosen) throw invalidField('locations', `at most ${mostChosen}; or choose all`)
  for (let start = 0; start < ids.length; start += chunk) {
    const part = ids.slice(start, start + chunk)
    const known = (await all().whereIn('id', part).select('id')) as Row[]
    if (known.length < part.length) throw new StoaError('not_found')
  }
  return ids
}

/** The next of them by id, and the cursor after which more follow, or null. */
export async function pageOfFanOut(
  db: Db,
  organizationId: string,
  locations: FanOutLocations,
  { after, limit }: { after: string; limit: number },
): Promise<{ ids: string[]; cursor: string | null }> {
  const next = Array.isArray(locations)
    ? locations.filter((id) => id > after)
    : await idsThen(db, organizationId, locations, { after, limit: limit + 1 })
  const ids = next.slice(0, limit)
  return { ids, cursor: next.length > limit ? ids.at(-1)! : null }
}

async function idsThen(
  db: Db,
  organizationId: string,
  { highestId, latestTime }: LocationsThen,
  { after, limit }: { after: string; limit: number },
): Promise<string[]> {
  const rows = (await db('stoa_locations')
    .where({ organization_id: organizationId })
    .where('id', '>', after)
    .where('id', '<=', highestId)
    .where('created_time', '<=', latestTime)
    .orderBy('id')
    .limit(limit)
    .select('id')) as Row[]
  return rows.map((row) => text(row.id))
}

export interface InstalledLocation {
  id: string
  name: string
  address: string | null
  /** Whether the application is enabled there, or being enabled. */
  isInstalled: boolean
  /** The version of the application it is at; null where it is not installed. */
  version: number | null
  installedTime: string | null
}

export interface InstalledLocationsQuery {
  applicationId: string
  organizationId: string
  environment: Environment
  isInstalled?: boolean | undefined
  /** Part of a location's name, in any case. */
  query?: string | undefined
  /** Only this one. */
  locationId?: string | undefined
  /** Only where the application is at this version. */
  version?: number | undefined
  /** Only these installations: a query for their ids. */
  among?: Knex.QueryBuilder | undefined
  limit: number
  offset: number
}

/**
 * All locations of an organization and whether they have the application, passed on or installed by themselves. By id; the
 * total is that of the filter. Letters beyond ASCII are compared as the database's own `lower` does, which on SQLite leaves
 * them as they are.
 */
export async function listInstalledLocations(
  db: Db,
  wanted: InstalledLocationsQuery,
): Promise<{ items: InstalledLocation[]; total: number }> {
  const matching = db('stoa_locations as l')
    .leftJoin('stoa_installations as i', (on) => {
      void on
        .on('i.location_key', 'l.id')
        .on('i.organization_id', 'l.organization_id')
        .onVal('i.application_id', wanted.applicationId)
        .onVal('i.environment', wanted.environment)
        .onNull('i.uninstalled_time')
        .onIn('i.status', ['enabled', 'enabling'])
    })
    .where('l.organization_id', wanted.organizationId)
  if (wanted.locationId !== undefined) void matching.where('l.id', wanted.locationId)
  if (wanted.version !== undefined) void matching.where('i.version', wanted.version)
  if (wanted.among !== undefined) void matching.whereIn('i.id', wanted.among)
  if (wanted.isInstalled === true) void matching.whereNotNull('i.id')
  if (wanted.isInstalled === false) void matching.whereNull('i.id')
  if (wanted.query) whereContains(matching, 'l.name', wanted.query)
  const [{ count } = { count: 0 }] = (await matching.clone().count({ count: '*' })) as Row[]
  const rows = (await matching
    .orderBy('l.id')
    .limit(wanted.limit)
    .offset(wanted.offset)
    .select('l.id', 'l.name', 'l.address', {
      installation_id: 'i.id',
      version: 'i.version',
      installed_time: 'i.installed_time',
    })) as Row[]
  return { items: rows.map(mapInstalledLocation), total: integer(count) }
}

function mapInstalledLocation(row: Row): InstalledLocation {
  const isInstalled = row.installation_id !== null
  return {
    id: text(row.id),
    name: text(row.name),
    address: maybeText(row.address),
    isInstalled,
    version: isInstalled ? integer(row.version) : null,
    installedTime: maybeIso(row.installed_time),
  }
}
