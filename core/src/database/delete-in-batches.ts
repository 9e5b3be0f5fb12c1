import type { Knex } from 'knex'
import type { Row } from './codecs.ts'
import type { Db } from './open.ts'

const batch = 1000

/**
 * Deletes rows by their key, which may be of several columns, a thousand at a time, so that neither SQLite's one connection nor PostgreSQL's statement timeout
 * has anything to do with how many there are. `first` runs before each batch, for rows that refer to it.
 */
export async function deleteInBatches(
  db: Db,
  table: string,
  key: string | readonly string[],
  ended: (query: Knex.QueryBuilder) => void,
  first: (keys: unknown[]) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  for (;;) {
    const columns = [key].flat()
    const query = db(table).select(columns).limit(batch)
    ended(query)
    const keys = ((await query) as Row[]).map((row) =>
      typeof key === 'string' ? row[key] : columns.map((name) => row[name]),
    )
    if (keys.length === 0) return
    await first(keys)
    await db(table)
      .whereIn(key as string, keys as string[])
      .delete()
    if (keys.length < batch) return
  }
}
