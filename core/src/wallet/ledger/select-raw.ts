import type { Db, Row } from '../../database/index.ts'

/** Runs SQL that gives rows; the two drivers wrap them differently. */
export async function selectRaw(db: Db, sql: string, bindings: readonly unknown[] = []): Promise<Row[]> {
  const result = (await db.raw(sql, bindings as string[])) as Row[] | { rows: Row[] }
  return Array.isArray(result) ? result : result.rows
}
