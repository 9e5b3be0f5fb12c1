import type { Knex } from 'knex'

/**
 * Rows whose text holds another, in any case. Letters beyond ASCII are compared as the database's own `lower` does, which on
 * SQLite leaves them as they are. `column` is the code's own word, never a client's.
 */
export function whereContains(query: Knex.QueryBuilder, column: string, text: string): void {
  void query.whereRaw(`lower(${column}) like lower(?) escape '!'`, [`%${text.replace(/[!%_]/g, '!$&')}%`])
}
