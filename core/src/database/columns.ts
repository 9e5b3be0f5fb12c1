import type { Knex } from 'knex'
import type { Dialect } from './dialect.ts'

export interface Columns {
  /** Primary key: text made by `newId`. */
  id(name?: string): Knex.ColumnBuilder
  text(name: string): Knex.ColumnBuilder
  /** ISO-8601 UTC. */
  time(name: string): Knex.ColumnBuilder
  integer(name: string): Knex.ColumnBuilder
  /** int64 micro-units. */
  money(name: string): Knex.ColumnBuilder
  boolean(name: string): Knex.ColumnBuilder
  bytes(name: string): Knex.ColumnBuilder
  /**
   * JSON as text on both databases: nothing is ever queried inside it, and webhook bodies must come back byte for byte,
   * which jsonb (it reorders members) does not do.
   */
  json(name: string): Knex.ColumnBuilder
  /** Text that refers to another table's id. */
  ref(name: string, table: string): Knex.ColumnBuilder
}

/** The column types of one dialect, for one table. Not nullable unless `.nullable()` is said. */
export function columnsOf(dialect: Dialect, table: Knex.CreateTableBuilder): Columns {
  const typed = (name: string, type: string) => table.specificType(name, type).notNullable()
  return {
    id: (name = 'id') => typed(name, 'text').primary(),
    text: (name) => typed(name, 'text'),
    time: (name) => typed(name, dialect.timeType),
    integer: (name) => typed(name, dialect.integerType),
    money: (name) => typed(name, dialect.integerType),
    boolean: (name) => typed(name, dialect.booleanType),
    bytes: (name) => typed(name, dialect.bytesType),
    json: (name) => typed(name, 'text'),
    ref: (name, other) => {
      const column = typed(name, 'text')
      column.references('id').inTable(other)
      return column
    },
  }
}
