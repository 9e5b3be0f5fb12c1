import { text, type Db, type Row } from '../database/index.ts'
import { jobsTable, mapJob } from './job-store.ts'
import { listInstalledLocations } from './locations.ts'
import type { Installation } from './installation.ts'
import { installationsTable } from './store.ts'

const chunk = 500

/**
 * Where an organization's installation was passed on to, by id, `limit` at most: of all locations those that have it, of chosen
 * ones also those that the worker has not come to yet. Never one from which it was taken since, though it was chosen once:
 * what was chosen is not forgotten with what became of it.
 */
export async function listApprovedLocations(
  db: Db,
  { id, applicationId, organizationId, environment, fanOut }: Installation,
  limit: number,
): Promise<string[]> {
  const at = { applicationId, organizationId, environment }
  if (fanOut === null) return []
  if (fanOut.locations === 'all') {
    const { items } = await listInstalledLocations(db, { ...at, isInstalled: true, limit, offset: 0 })
    return items.map((item) => item.id)
  }
  const waiting = await waitingLocations(db, id)
  const approved: string[] = []
  for (let start = 0; start < fanOut.locations.length && approved.length < limit; start += chunk) {
    const part = fanOut.locations.slice(start, start + chunk)
    const rows = (await db(installationsTable)
      .where({ application_id: applicationId, organization_id: organizationId, environment })
      .whereIn('location_key', part)
      .whereNull('uninstalled_time')
      .whereIn('status', ['enabled', 'enabling'])
      .select('location_key')) as Row[]
    const live = new Set(rows.map((row) => text(row.location_key)))
    approved.push(...part.filter((locationId) => live.has(locationId) || waiting.has(locationId)))
  }
  return approved.slice(0, limit)
}

/** The chosen locations that are left to the worker. */
async function waitingLocations(db: Db, installationId: string): Promise<Set<string>> {
  const rows = (await db(jobsTable).where({ installation_id: installationId, kind: 'fan-out' })) as Row[]
  return new Set(
    rows
      .map(mapJob)
      .flatMap(({ detail: { locations }, cursor }) =>
        Array.isArray(locations) ? locations.filter((id) => id > cursor) : [],
      ),
  )
}
