import { appendOnly } from '../append-only.ts'
import type { Migration } from '../migrate.ts'

export const walletMigration: Migration = {
  name: '0006-wallet',
  async up({ trx, dialect, createTable }) {
    // Every account is one owner's, in one environment and one currency, and its id follows from these. Wallets, and the
    // platform's accounts that nothing in a hurry touches, keep a balance and a chain; the others are the sum of their entries,
    // because a row that all charges of an application update would set the speed.
    await createTable('stoa_ledger_accounts', (column, table) => {
      column.id()
      column.text('kind')
      column.text('owner_type')
      column.text('owner_id')
      column.text('organization_id').nullable()
      column.text('environment')
      column.text('currency')
      column.text('status')
      column.text('status_reason').nullable()
      column.money('balance').nullable()
      // Sums of what is open in stoa_holds and remains in stoa_grants, both part of the balance.
      column.money('held').nullable()
      column.money('granted').nullable()
      // How far down the balance may go; null where there is no limit.
      column.money('min_balance').nullable()
      column.integer('version').nullable()
      // The hash of the last entry of the chain.
      column.text('head').nullable()
      column.text('level').nullable()
      column.money('low_balance').nullable()
      column.money('top_up_below').nullable()
      column.time('created_time')
      table.index(['organization_id', 'kind', 'environment'])
      table.index(['owner_id', 'kind'])
    })

    // The tables that charges write to have no foreign keys: PostgreSQL would lock the shared accounts' rows and look every
    // one of them up again. Nothing can be deleted here anyway, and checkLedger looks for lines that refer to nothing.
    await createTable('stoa_ledger_transactions', (column) => {
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
    })
    await createTable('stoa_ledger_entries', (column, table) => {
      column.text('transaction_id')
      column.integer('seq')
      column.text('account_id')
      column.money('amount')
      column.money('balance_after').nullable()
      column.integer('account_version').nullable()
      column.text('hash').nullable()
      column.time('booked_time')
      table.primary(['transaction_id', 'seq'], 'stoa_ledger_entries_key')
    })
    // Each entry is in one of the two: with a place in a chain, or on an account that is summed up.
    await trx.raw(
      `create unique index stoa_ledger_entries_chain on stoa_ledger_entries (account_id, account_version)
        where account_version is not null`,
    )
    await trx.raw(
      `create index stoa_ledger_entries_account on stoa_ledger_entries (account_id, booked_time)
        where account_version is null`,
    )

    // Money that comes in, or is being asked for.
    await createTable('stoa_top_ups', (column, table) => {
      column.id()
      column.text('source')
      // References are unique among an operator's ('') or those of one merchant.
      column.text('scope')
      column.text('reference')
      column.text('account_id')
      column.text('transaction_id').nullable()
      column.text('organization_id')
      column.text('location_id').nullable()
      column.text('environment')
      column.text('currency')
      column.money('amount')
      column.text('status')
      column.text('payment_method').nullable()
      column.text('provider_reference').nullable()
      column.text('failure').nullable()
      // The operator who gave it up; also of one that was paid after that.
      column.text('given_up_by').nullable()
      column.text('description').nullable()
      column.text('actor')
      column.integer('tries')
      column.time('next_time').nullable()
      column.text('lease_token').nullable()
      column.time('lease_until').nullable()
      column.time('created_time')
      column.time('settled_time').nullable()
      table.unique(['scope', 'reference'])
      table.index(['account_id', 'id'])
      table.index(['environment', 'status', 'id'])
    })
    await trx.raw(`create index stoa_top_ups_due on stoa_top_ups (next_time) where next_time is not null`)
    // A rule has one under way at most.
    await trx.raw(
      `create unique index stoa_top_ups_in_flight on stoa_top_ups (account_id)
        where source = 'auto' and status = 'pending'`,
    )
    await createTable('stoa_top_up_rules', (column, table) => {
      column.text('account_id')
      column.boolean('enabled')
      column.money('threshold')
      // Either the amount of each top-up or the balance it leads to.
      column.money('amount').nullable()
      column.money('target').nullable()
      column.money('daily_limit').nullable()
      column.integer('cool_off_seconds')
      column.text('payment_method').nullable()
      column.integer('failures')
      column.text('actor')
      column.time('due_time').nullable()
      column.time('created_time')
      column.time('updated_time')
      table.primary(['account_id'])
      table.index(['due_time'])
    })

    // Parts of a wallet's balance that are spent first, and end.
    await createTable('stoa_grants', (column, table) => {
      column.id()
      column.text('account_id')
      column.text('kind')
      column.text('reference')
      column.money('amount')
      column.money('remaining')
      // What holds have reserved of the remainder.
      column.money('held')
      column.integer('priority')
      column.time('effective_time')
      column.time('expires_time').nullable()
      column.text('application_id').nullable()
      column.text('meter_id').nullable()
      column.text('description').nullable()
      column.text('actor')
      column.text('transaction_id')
      // The account that it came from, and goes back to when it is promotional and ends.
      column.text('source_account_id')
      column.time('closed_time').nullable()
      column.time('created_time')
      table.unique(['reference'])
      table.index(['account_id', 'id'])
    })
    await trx.raw(`create index stoa_grants_open on stoa_grants (account_id) where remaining > 0`)
    await trx.raw(`create index stoa_grants_expiring on stoa_grants (expires_time) where remaining > 0`)
    // What was taken of a grant (negative) and given back, by the charge it was for.
    await createTable('stoa_grant_moves', (column, table) => {
      column.text('transaction_id')
      column.integer('seq')
      column.text('grant_id')
      column.text('reference_id')
      column.money('amount')
      table.primary(['transaction_id', 'seq'], 'stoa_grant_moves_key')
      table.index(['reference_id'])
      table.index(['grant_id'])
    })

    // Who suspended a wallet or let it go into overdraft, and why.
    await createTable('stoa_wallet_changes', (column, table) => {
      column.id()
      column.text('account_id')
      column.text('kind')
      column.text('value')
      column.text('reason')
      column.text('actor')
      column.time('created_time')
      table.index(['account_id', 'id'])
    })

    // publisher_id is a copy of the application's, so that a charge need not read the application.
    await createTable('stoa_meters', (column, table) => {
      column.id()
      column.text('application_id')
      column.text('publisher_id')
      column.text('name')
      column.text('unit')
      column.text('product_type')
      column.text('product_id').nullable()
      column.text('product_name').nullable()
      column.text('direction').nullable()
      column.text('pricing_page_url').nullable()
      column.text('price_type')
      column.text('currency')
      column.text('status')
      column.time('created_time')
      column.time('updated_time')
      table.index(['application_id', 'id'])
    })
    // The price in force is the highest version whose time has come.
    await createTable('stoa_prices', (column, table) => {
      column.id()
      column.ref('meter_id', 'stoa_meters')
      column.integer('version')
      column.text('currency')
      column.money('unit_price').nullable()
      column.money('min_price').nullable()
      column.money('max_price').nullable()
      column.integer('rate_bps').nullable()
      column.money('package_size').nullable()
      column.json('tiers').nullable()
      column.money('free_units')
      column.money('daily_limit').nullable()
      column.money('cycle_limit').nullable()
      column.time('effective_time')
      column.text('actor')
      column.time('created_time')
      table.unique(['meter_id', 'version'])
    })

    // Rows are never changed: record 0 of an id is the charge, the records after it are what was given back of it. An
    // installation is one application on one location in one environment for ever, so it stands for the three of them.
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
      // How it came about where it is not units x price: what each tier, package or allowance made.
      column.json('lines').nullable()
      column.money('amount')
      // Of it, what the application's own price comes to, and of that the platform's fee. The rest of the amount is the margin.
      column.money('base_amount')
      column.money('fee_amount')
      column.text('rebilling_id').nullable()
      column.text('currency')
      column.text('account_id').nullable()
      column.text('transaction_id')
      column.text('hold_id').nullable()
      column.text('refund_id').nullable()
      column.time('event_time')
      column.time('created_time')
      table.primary(['id', 'seq'], 'stoa_charges_key')
      table.index(['installation_id', 'created_time', 'id'], 'stoa_charges_list')
      table.index(['installation_id', 'meter_id', 'created_time'], 'stoa_charges_meter')
      table.index(['installation_id', 'user_id', 'created_time'], 'stoa_charges_user', {
        // Most charges name nobody.
        predicate: trx.whereNotNull('user_id'),
      })
    })
    // Not of record 0 alone: a list by eventId has the refunds too.
    await trx.raw(`create unique index stoa_charges_event on stoa_charges (installation_id, event_id, seq)`)
    await trx.raw(`create unique index stoa_charges_refund on stoa_charges (id, refund_id) where refund_id is not null`)
    await trx.raw(`create index stoa_charges_hold on stoa_charges (hold_id) where hold_id is not null`)
    // What was declined, once for each eventId and reason, however often it was tried.
    await createTable('stoa_charge_attempts', (column, table) => {
      column.text('installation_id')
      column.text('event_id')
      column.text('code')
      column.text('application_id')
      column.text('organization_id')
      column.text('location_id')
      column.text('environment')
      column.text('meter_id')
      column.money('units')
      // What the application was told of it.
      column.json('details')
      column.integer('tries')
      column.time('first_time')
      column.time('last_time')
      table.primary(['installation_id', 'event_id', 'code'], 'stoa_charge_attempts_key')
      table.index(['installation_id', 'last_time'])
      table.index(['last_time'])
    })
    await createTable('stoa_holds', (column, table) => {
      column.id()
      column.text('account_id')
      column.text('application_id')
      column.text('installation_id')
      column.text('publisher_id')
      column.text('organization_id')
      column.text('location_id')
      column.text('environment')
      column.text('meter_id')
      column.text('event_id')
      column.text('fingerprint')
      column.text('user_id').nullable()
      column.text('description')
      column.text('currency')
      column.money('amount')
      column.money('captured')
      column.text('status')
      // Which grants the rest is reserved of, in the order in which they would be spent.
      column.json('slices')
      column.time('expires_time')
      column.time('created_time')
      column.time('closed_time').nullable()
      table.unique(['installation_id', 'event_id'])
      table.index(['installation_id', 'id'])
      table.index(['account_id', 'id'])
    })
    await trx.raw(`create index stoa_holds_open on stoa_holds (expires_time) where status = 'open'`)
    // How much was used under a limit in a period: a cache of what stoa_charges says, made when it is first needed.
    await createTable('stoa_usage_counters', (column, table) => {
      column.text('key')
      column.time('period_start')
      column.money('units')
      column.money('amount')
      // The last percentage of the limit that was announced.
      column.integer('announced')
      table.primary(['key', 'period_start'])
      table.index(['period_start'])
    })

    for (const table of [
      'stoa_ledger_transactions',
      'stoa_ledger_entries',
      'stoa_grant_moves',
      'stoa_wallet_changes',
      'stoa_prices',
      'stoa_charges',
    ]) {
      await appendOnly(trx, dialect, table)
    }
  },
}
