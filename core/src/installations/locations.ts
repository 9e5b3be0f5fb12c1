import type { Environment } from '../context.ts'
import { integer, maybeIso, maybeText, text, type Db, type Dialect, type Row } from '../database/index.ts'
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

/** The locations of a fan-out, sorted. Throws `not_found` when one is not the organization's. */
export async function chosenLocations(db: Db, organizationId: string, { locations }: FanOut): Promise<string[]> {
  const all = () => db('stoa_locations').where({ organization_id: organizationId }).select('id')
  const idsOf = (rows: Row[]) => rows.map((row) => text(row.id))
  if (locations === 'all') return idsOf((await all()) as Row[]).sort()
  const ids = [...new Set(locations)].sort()
  if (ids.length > mostChosen) throw invalidField('locations', `at most ${mostChosen}; or choose all`)
  for (let start = 0; start < ids.length; start += chunk) {
    const part = ids.slice(start, start + chunk)
    const known = (await all().whereIn('id', part)) as Row[]
    if (known.length < part.length) throw new StoaError('not_found')
  }
  return ids
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
  if (wanted.isInstalled === true) void matching.whereNotNull('i.id')
  if (wanted.isInstalled === false) void matching.whereNull('i.id')
  if (wanted.query) {
    const pattern = `%${wanted.query.replace(/[!%_]/g, '!$&')}%`
    void matching.whereRaw(`lower(l.name) like lower(?) escape '!'`, [pattern])
  }
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
