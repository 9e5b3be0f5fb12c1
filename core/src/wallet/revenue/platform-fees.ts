import { integer, text, type Db, type Row } from '../../database/index.ts'

const table = 'stoa_platform_fees'

/** The platform's share by application, in hundredths of a percent; 0 for those it was never set for. */
export async function findFees(db: Db, applicationIds: string[]): Promise<Map<string, number>> {
  const last = db(`${table} as other`).max('other.version').whereRaw('other.application_id = fee.application_id')
  const rows = (await db(`${table} as fee`)
    .whereIn('fee.application_id', applicationIds)
    .where('fee.version', last)
    .select('fee.application_id', 'fee.fee_bps')) as Row[]
  return new Map(rows.map((row) => [text(row.application_id), integer(row.fee_bps)]))
}
