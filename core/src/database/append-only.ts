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

/** SQL conditions on the rows `old` and `new` under which a change is an error. */
export interface Refusal {
  update: string
  delete: string
}

/**
 * Makes some changes of rows an error, whoever tries, where others are their life: for what is settled once. A table with such rows
 * cannot be emptied either. For migrations.
 */
export async function refuseChanges(db: Db, dialect: Dialect, table: string, refusal: Refusal): Promise<void> {
  for (const statement of refusals[dialect.name](table, refusal)) await db.raw(statement)
}

/** A condition of a Refusal: whether any of the columns gets another value. */
export const changed = (columns: string[]): string =>
  `(${columns.map((name) => `old.${name} is distinct from new.${name}`).join(' or ')})`

const actions = ['update', 'delete'] as const

const refusals: Record<DialectName, (table: string, refusal: Refusal) => string[]> = {
  sqlite: (table, refusal) =>
    actions.map(
      (action) =>
        `create trigger ${table}_no_${action} before ${action} on ${table} when ${refusal[action]}
         begin select raise(abort, '${table} is settled'); end`,
    ),
  postgres: (table, refusal) => [
    `create or replace function stoa_refuse_settled() returns trigger language plpgsql as
     $$ begin raise exception '% is settled', tg_table_name; end $$`,
    ...actions.map(
      (action) =>
        `create trigger ${table}_no_${action} before ${action} on ${table} for each row when (${refusal[action]})
         execute function stoa_refuse_settled()`,
    ),
    `create trigger ${table}_no_truncate before truncate on ${table} for each statement execute function stoa_refuse_settled()`,
  ],
}
