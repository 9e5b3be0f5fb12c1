import type { Environment } from '../../context.ts'
import { integer, iso, money, text, boolean, type Db, type Row } from '../../database/index.ts'
import type { Rebilling } from './rebilling.ts'

const table = 'stoa_rebillings'

/** All rules in force of these organizations. */
export async function findRebillings(db: Db, organizationIds: string[]): Promise<Rebilling[]> {
  const rows = (await db(table).whereIn('organization_id', organizationIds).whereNull('ended_time')) as Row[]
  return rows.map(mapRebilling)
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
