import { deleteInBatches, type Db } from '../database/index.ts'
import { hashToken } from '../kernel/index.ts'

const table = 'stoa_seen_ids'

/**
 * Whether this is the first time that the id is seen for this purpose, on any node. It is remembered until `expiresTime`, from
 * when on whatever carries it is too old anyway.
 */
export async function isSeenFirst(
  db: Db,
  seen: { purpose: string; id: string; expiresTime: string },
): Promise<boolean> {
  const rows: unknown[] = await db(table)
    .insert({ hash: hashToken(`${seen.purpose}|${seen.id}`), expires_time: seen.expiresTime })
    .onConflict('hash')
    .ignore()
    .returning('hash')
  return rows.length > 0
}

export async function deleteEndedSeenIds(db: Db, before: string): Promise<void> {
  await deleteInBatches(db, table, 'hash', (query) => void query.where('expires_time', '<', before))
}
