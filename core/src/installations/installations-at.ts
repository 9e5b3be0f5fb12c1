import { json, text, type Db, type Row } from '../database/index.ts'
import type { InstalledAt } from '../events/index.ts'
import type { Target } from './installation.ts'

/**
 * What is installed, and enabled, where something happened: on the place itself, or on the organization that it belongs to.
 * Not what its publisher or an operator has switched off: it has no tokens meanwhile, and is told nothing either.
 */
export async function installationsAt(db: Db, at: Target): Promise<InstalledAt[]> {
  const rows = (await db('stoa_installations as i')
    .join('stoa_applications as a', 'a.id', 'i.application_id')
    .where({ 'i.organization_id': at.organizationId, 'i.environment': at.environment, 'i.status': 'enabled' })
    .whereIn('i.location_key', at.locationId === null ? [''] : ['', at.locationId])
    .whereNot('a.status', 'disabled')
    .whereNot('a.client_status', 'DISABLED')
    .select('i.id', 'i.application_id', 'i.grant', 'a.publisher_id')) as Row[]
  return rows.map((row) => ({
    installationId: text(row.id),
    applicationId: text(row.application_id),
    publisherId: text(row.publisher_id),
    permissions: new Set(json<string[]>(row.grant)),
  }))
}
