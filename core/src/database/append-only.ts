import type { Dialect, DialectName } from './dialect.ts'
import type { Db } from './open.ts'

/** Makes changing history an error, whoever tries: history is corrected by adding to it. For migrations. */
export async function appendOnly(db: Db, dialect: Dialect, table: string): Promise<void> {
  for (const statement of statements[dialect.name](table)) await db.raw(statement)
}

const statements: Record<DialectName, (table: string) => string[]> = {
  sqlite: (table) =>
    ['update', 'delete'].map(
      (action) =>
        `create trigger ${table}_no_${action} before ${action} on ${table} begin select raise(abort, '${table} is append-only'); end`,
    ),
  postgres: (table) => [
    `create or replace function stoa_refuse_change() returns trigger language plpgsql as
     $$ begin raise exception '% is append-only', tg_table_name; end $$`,
    `create trigger ${table}_append_only before update or delete or truncate on ${table}
     for each statement execute function stoa_refuse_change()`,
  ],
}
