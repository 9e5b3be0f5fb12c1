import type { DialectName } from '../dialect.ts'
import type { Migration } from '../migrate.ts'

export const walletMigration: Migration = {
  name: '0006-wallet',
  async up({ trx, dialect, createTable }) {
    // Every account is one owner's, in one environment and one currency. Only wallets keep a balance and a version; the
    // other kinds are the sum of their entries, because a row that all charges of an application update would set the speed.
    await createTable('stoa_ledger_accounts', (column, table) => {
      column.id()
      column.text('kind')
      column.text('owner_type')
      column.text('owner_id')
      column.text('organization_id').nullable()
      column.text('environment')
      column.text('currency')
      column.text('status')
      column.money('balance').nullable()
      column.money('min_balance').nullable()
      column.integer('version').nullable()
      column.time('created_time')
      table.unique(['owner_type', 'owner_id', 'kind', 'environment', 'currency'], {
        indexName: 'stoa_ledger_accounts_owner',
      })
    })

    // The tables that charges write to have no foreign keys: PostgreSQL would lock the shared accounts' rows and look every
    // one of them up again. Nothing can be deleted here anyway, and checkLedger looks for lines that refer to nothing.
    await createTable('stoa_ledger_transactions', (column, table) => {
      column.id()
      column.text('kind')
      column.text('reference_id')
      column.text('reverses_id').nullable()
      column.text('application_id').nullable()
      column.text('environment')
      column.text('currency')
      column.text('actor')
      column.text('description').nullable()
      column.time('booked_time')
      column.time('event_time')
      // A transaction is reversed once: the last line of defence against giving money back twice.
      table.unique(['reverses_id'], { indexName: 'stoa_ledger_transactions_reverses' })
    })
    await createTable('stoa_ledger_entries', (column, table) => {
      column.text('transaction_id')
      column.integer('seq')
      column.text('account_id')
      column.money('amount')
      column.money('balance_after').nullable()
      column.integer('account_version').nullable()
      column.time('booked_time')
      table.primary(['transaction_id', 'seq'], 'stoa_ledger_entries_key')
      table.unique(['account_id', 'account_version'], { indexName: 'stoa_ledger_entries_chain' })
    })
    await createTable('stoa_top_ups', (column, table) => {
      column.id()
      column.text('reference')
      column.text('account_id')
      column.text('transaction_id')
      column.text('organization_id')
      column.text('location_id').nullable()
      column.text('environment')
      column.text('currency')
      column.money('amount')
      column.text('description').nullable()
      column.text('actor')
      column.time('created_time')
      table.unique(['reference'])
    })

    // publisher_id is a copy of the application's, so that a charge need not read the application.
    await createTable('stoa_meters', (column, table) => {
      column.id()
      column.text('application_id')
      column.text('publisher_id')
      column.text('name')
      column.text('unit')
      column.text('price_type')
      column.text('status')
      column.integer('price_version')
      column.time('created_time')
      column.time('updated_time')
      table.index(['application_id', 'id'])
    })
    await createTable('stoa_prices', (column, table) => {
      column.id()
      column.ref('meter_id', 'stoa_meters')
      column.integer('version')
      column.text('currency')
      column.money('unit_price').nullable()
      column.money('min_price').nullable()
      column.money('max_price').nullable()
      column.text('actor')
      column.time('created_time')
      table.unique(['meter_id', 'version'])
    })

    // Rows are never changed: record 0 of an id is the charge, the records after it are what was given back of it.
    await createTable('stoa_charges', (column, table) => {
      column.text('id')
      column.integer('seq')
      column.text('application_id')
      column.text('installation_id')
      column.text('publisher_id')
      column.text('organization_id')
      column.text('location_id')
      column.text('environment')
      column.text('meter_id')
      column.text('price_id')
      column.text('event_id')
      column.text('fingerprint')
      column.text('user_id').nullable()
      column.text('description')
      column.money('units')
      column.money('unit_price')
      column.money('amount')
      column.text('currency')
      column.text('account_id').nullable()
      column.text('transaction_id')
      column.time('event_time')
      column.time('created_time')
      table.primary(['id', 'seq'], 'stoa_charges_key')
      table.unique(['application_id', 'location_id', 'environment', 'event_id', 'seq'], {
        indexName: 'stoa_charges_event',
      })
      table.index(['application_id', 'location_id', 'environment', 'created_time', 'id'], 'stoa_charges_list')
      table.index(['application_id', 'location_id', 'environment', 'meter_id', 'created_time'], 'stoa_charges_meter')
      table.index(['application_id', 'location_id', 'environment', 'user_id', 'created_time'], 'stoa_charges_user', {
        // Most charges name nobody.
        predicate: trx.whereNotNull('user_id'),
      })
    })

    for (const table of [
      'stoa_ledger_transactions',
      'stoa_ledger_entries',
      'stoa_top_ups',
      'stoa_prices',
      'stoa_charges',
    ]) {
      for (const statement of appendOnly[dialect.name](table)) await trx.raw(statement)
    }
  },
}

/** Makes changing history an error, whoever tries: history is corrected by adding to it. */
const appendOnly: Record<DialectName, (table: string) => string[]> = {
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
