import { iso, json, maybeText, text, type Db, type Row } from '../database/index.ts'
import type { Environment } from '../context.ts'
import type { InstalledAt, InstalledPlace } from '../events/index.ts'
import type { Target } from './installation.ts'

/**
 * What is installed, and enabled, where something happened: on the place itself, or on the organization that it belongs to.
 * Not what its publisher or an operator has switched off: it has no tokens meanwhile, and is told nothing either.
 */
export async function installationsAt(db: Db, at: Target): Promise<InstalledAt[]> {
  const rows = (await enabled(db, at.environment)
    .where({ 'i.organization_id': at.organizationId })
    .whereIn('i.location_key', at.locationId === null ? [''] : ['', at.locationId])) as Row[]
  return rows.map(mapInstalled)
}

/** The same of all places at once: this installation, or all of what an organization publishes. With where, and since when. */
export async function installationsOf(
  db: Db,
  of: { installationId: string } | { publisherId: string },
  environment: Environment,
): Promise<InstalledPlace[]> {
  const query = enabled(db, environment).select('i.organization_id', 'i.location_id', 'i.installed_time')
  if ('installationId' in of) void query.where({ 'i.id': of.installationId })
  else void query.where({ 'a.publisher_id': of.publisherId })
  return ((await query.orderBy('i.id')) as Row[]).map((row) => ({
    ...mapInstalled(row),
    organizationId: text(row.organization_id),
    locationId: maybeText(row.location_id),
    installedTime: iso(row.installed_time),
  }))
}

function enabled(db: Db, environment: Environment) {
  return db('stoa_installations as i')
    .join('stoa_applications as a', 'a.id', 'i.application_id')
    .where({ 'i.environment': environment, 'i.status': 'enabled' })
    .whereNot('a.status', 'disabled')
    .whereNot('a.client_status', 'DISABLED')
    .select('i.id', 'i.application_id', 'i.grant', 'a.publisher_id')
}

function mapInstalled(row: Row): InstalledAt {
  return {
    installationId: text(row.id),
    applicationId: text(row.application_id),
    publisherId: text(row.publisher_id),
    permissions: new Set(json<string[]>(row.grant)),
  }
}
