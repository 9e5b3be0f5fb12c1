import { integer, iso, text, type Db, type Row } from '../../database/index.ts'
import type { Page, Paged } from '../../http/index.ts'

const table = 'stoa_platform_fees'

/** The platform's share of what an application earns. Never changes; the one in force is the highest version. */
export interface PlatformFee {
  applicationId: string
  version: number
  /** Hundredths of a percent. */
  feeBps: number
  actor: string
  createdTime: string
}

/** The platform's share by application, in hundredths of a percent; 0 for those it was never set for. */
export async function findFees(db: Db, applicationIds: string[]): Promise<Map<string, number>> {
  const last = db(`${table} as other`).max('other.version').whereRaw('other.application_id = fee.application_id')
  const rows = (await db(`${table} as fee`)
    .whereIn('fee.application_id', applicationIds)
    .where('fee.version', last)
    .select('fee.application_id', 'fee.fee_bps')) as Row[]
  return new Map(rows.map((row) => [text(row.application_id), integer(row.fee_bps)]))
}

/** Every share the application has had, the latest first. */
export async function listFees(db: Db, applicationId: string, page: Page): Promise<Paged<PlatformFee>> {
  const [{ count } = { count: 0 }] = (await db(table)
    .where({ application_id: applicationId })
    .count({ count: '*' })) as Row[]
  const rows = (await db(table)
    .where({ application_id: applicationId })
    .orderBy('version', 'desc')
    .limit(page.limit)
    .offset(page.offset)) as Row[]
  return { items: rows.map(mapFee), total: integer(count) }
}

/** Sets the share for charges booked from now on; the present one again changes nothing. */
export async function setFee(
  db: Db,
  { applicationId, feeBps, actor, now }: { applicationId: string; feeBps: number; actor: string; now: string },
): Promise<PlatformFee> {
  for (;;) {
    const [last] = (await listFees(db, applicationId, { limit: 1, offset: 0 })).items
    if (last?.feeBps === feeBps) return last
    const fee = { applicationId, version: (last?.version ?? 0) + 1, feeBps, actor, createdTime: now }
    // Somebody who set another at the same moment was before us: what they wrote is there when we look again.
    const rows = (await db(table)
      .insert({ application_id: applicationId, version: fee.version, fee_bps: feeBps, actor, created_time: now })
      .onConflict(['application_id', 'version'])
      .ignore()
      .returning('version')) as Row[]
    if (rows.length > 0) return fee
  }
}

function mapFee(row: Row): PlatformFee {
  return {
    applicationId: text(row.application_id),
    version: integer(row.version),
    feeBps: integer(row.fee_bps),
    actor: text(row.actor),
    createdTime: iso(row.created_time),
  }
}
