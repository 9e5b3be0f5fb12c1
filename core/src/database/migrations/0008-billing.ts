import { appendOnly, changed, refuseChanges } from '../append-only.ts'
import type { Migration } from '../migrate.ts'

export const billingMigration: Migration = {
  name: '0008-billing',
  async up({ trx, dialect, createTable }) {
    // What a merchant lets an application cost in a period. meter_key is a meter's id, or '' for all of them together: a unique
    // index takes two nulls for different values.
    await createTable('stoa_caps', (column, table) => {
      column.id()
      column.text('installation_id')
      column.text('application_id')
      column.text('organization_id')
      column.text('location_id')
      column.text('environment')
      column.text('meter_key')
      column.text('period')
      column.text('currency')
      column.money('amount')
      column.integer('revision')
      column.time('created_time')
      column.time('updated_time')
      column.time('ended_time').nullable()
      table.index(['installation_id', 'id'])
    })
    await trx.raw(
      `create unique index stoa_caps_one on stoa_caps (installation_id, meter_key, period, currency)
        where ended_time is null`,
    )
    await createTable('stoa_cap_changes', (column, table) => {
      column.ref('cap_id', 'stoa_caps')
      column.integer('revision')
      // Null when it was taken away.
      column.money('amount').nullable()
      column.text('actor')
      column.text('reason').nullable()
      column.time('time')
      table.primary(['cap_id', 'revision'])
    })
    // An application asks for more; a person decides.
    await createTable('stoa_cap_requests', (column, table) => {
      column.id()
      column.text('installation_id')
      column.text('application_id')
      column.text('organization_id')
      column.text('location_id')
      column.text('environment')
      column.text('meter_key')
      column.text('period')
      column.text('currency')
      column.money('amount')
      column.text('reason')
      column.text('status')
      // What the merchant says to it.
      column.text('answer').nullable()
      column.text('decided_by').nullable()
      column.time('decided_time').nullable()
      column.time('created_time')
      table.index(['installation_id', 'id'])
    })

    await trx.raw(
      `create unique index stoa_cap_requests_open on stoa_cap_requests (installation_id, meter_key, period, currency)
        where status = 'open'`,
    )

    await createTable('stoa_plans', (column, table) => {
      column.id()
      column.text('application_id')
      column.text('publisher_id')
      column.text('name')
      column.json('features')
      column.text('payment_type')
      column.text('payment_time')
      column.text('currency')
      // What an organization pays for itself, and for each of its locations.
      column.money('amount')
      column.money('location_amount')
      column.boolean('free_plan')
      column.boolean('free_for_organization')
      column.boolean('free_for_location')
      column.integer('trial_days')
      column.text('status')
      column.integer('position')
      column.time('created_time')
      column.time('updated_time')
      table.index(['application_id', 'position'])
    })
    await createTable('stoa_subscriptions', (column, table) => {
      column.id()
      column.text('installation_id')
      column.text('application_id')
      column.text('publisher_id')
      column.text('organization_id')
      column.text('location_id').nullable()
      column.text('environment')
      column.text('plan_id')
      column.text('status')
      // The day the periods count from.
      column.time('anchor_time')
      column.time('period_start')
      column.time('period_end').nullable()
      column.time('trial_end').nullable()
      column.boolean('ends_with_period')
      column.integer('tries')
      column.time('next_time').nullable()
      column.text('lease_token').nullable()
      column.time('lease_until').nullable()
      column.integer('revision')
      column.time('created_time')
      column.time('updated_time')
      column.time('ended_time').nullable()
      table.index(['application_id', 'environment', 'id'])
      table.index(['installation_id', 'id'])
      table.index(['environment', 'status', 'id'])
    })
    await trx.raw(
      `create unique index stoa_subscriptions_one on stoa_subscriptions (installation_id) where ended_time is null`,
    )
    await trx.raw(`create index stoa_subscriptions_due on stoa_subscriptions (next_time) where next_time is not null`)
    // What a subscription cost, and what of it was given back.
    await createTable('stoa_subscription_items', (column, table) => {
      column.id()
      column.text('subscription_id')
      column.integer('revision')
      column.text('kind')
      column.text('plan_id')
      column.text('application_id')
      column.text('organization_id')
      column.text('location_id').nullable()
      column.text('environment')
      column.text('currency')
      // Negative for what was given back. Its parts as in stoa_charges.
      column.money('amount')
      column.money('base_amount')
      column.money('fee_amount')
      column.text('rebilling_id').nullable()
      column.text('account_id').nullable()
      column.text('transaction_id').nullable()
      column.time('period_start')
      column.time('period_end').nullable()
      column.time('created_time')
      table.unique(['subscription_id', 'revision'])
      table.index(['application_id', 'environment', 'id'])
    })

    // Who pays and what: an organization reselling to its locations. A row never changes but for its end. location_key,
    // application_key and item_key are ids, or '' for all; an item is a meter or a plan.
    await createTable('stoa_rebillings', (column, table) => {
      column.id()
      column.text('organization_id')
      column.text('location_key')
      column.text('application_key')
      column.text('item_key')
      column.text('environment')
      column.integer('version')
      column.boolean('enabled')
      column.integer('markup_bps').nullable()
      // Its own price: of one unit of a meter, or of a plan for a period.
      column.money('own_price').nullable()
      column.text('currency').nullable()
      column.text('actor')
      column.time('created_time')
      column.time('ended_time').nullable()
      table.unique(['organization_id', 'environment', 'location_key', 'application_key', 'item_key', 'version'], {
        indexName: 'stoa_rebillings_version',
      })
    })
    await trx.raw(
      `create unique index stoa_rebillings_one on stoa_rebillings
        (organization_id, environment, location_key, application_key, item_key) where ended_time is null`,
    )

    // The platform's share of what applications earn. The fee in force is the highest version.
    await createTable('stoa_platform_fees', (column, table) => {
      column.text('application_id')
      column.integer('version')
      column.integer('fee_bps')
      column.text('actor')
      column.time('created_time')
      table.primary(['application_id', 'version'])
    })
    await createTable('stoa_payout_runs', (column, table) => {
      column.id()
      column.text('environment')
      column.text('currency')
      column.time('cutoff_time')
      column.money('minimum')
      column.text('actor')
      column.time('created_time')
      // Null of one that is under way.
      column.time('finished_time').nullable()
      // How far it got: whoever takes it next goes on there.
      column.json('position')
      // Organizations that it could not pay; null when there are none.
      column.json('skipped').nullable()
      column.integer('tries')
      column.time('next_time').nullable()
      column.text('lease_token').nullable()
      column.time('lease_until').nullable()
      table.index(['environment', 'id'])
    })
    await trx.raw(`create index stoa_payout_runs_due on stoa_payout_runs (next_time) where finished_time is null`)
    await createTable('stoa_payouts', (column, table) => {
      column.id()
      column.text('run_id')
      column.text('organization_id')
      column.text('environment')
      column.text('currency')
      // What was earned since the last payout, with what is owed from former ones, and what this one leaves over.
      column.money('earned')
      column.money('carried_in')
      column.money('carried_out')
      column.money('amount')
      column.text('status')
      // Null while its items are being collected.
      column.text('transaction_id').nullable()
      // The transaction that gave the money back when it failed.
      column.text('reversal_id').nullable()
      column.text('reference').nullable()
      column.text('failure').nullable()
      column.text('settled_by').nullable()
      // How it ended was told under this number.
      column.text('settlement_id').nullable()
      column.time('created_time')
      column.time('settled_time').nullable()
      table.index(['organization_id', 'environment', 'id'])
      table.index(['run_id'])
      table.index(['environment', 'status', 'id'])
      // What payouts book on the accounts they are of is no earning: these find it.
      table.unique(['transaction_id'])
      table.unique(['reversal_id'])
      table.unique(['settlement_id'])
    })
    await trx.raw(
      `create unique index stoa_payouts_collecting on stoa_payouts (organization_id, environment, currency)
        where status = 'collecting'`,
    )
    // The same of each account a payout is of. What an account is owed beyond its unpaid entries is the sum of what it has earned
    // in all payouts less what those paid of it that did not fail.
    await createTable('stoa_payout_parts', (column, table) => {
      column.text('payout_id')
      column.text('account_id')
      column.money('earned')
      column.money('carried_in')
      column.money('carried_out')
      column.money('amount')
      table.primary(['payout_id', 'account_id'], 'stoa_payout_parts_key')
      table.index(['account_id'])
    })
    // Which entry was paid out by which payout: each in one at most.
    await createTable('stoa_payout_items', (column, table) => {
      column.text('transaction_id')
      column.integer('seq')
      column.text('payout_id')
      column.text('account_id')
      column.money('amount')
      column.time('booked_time')
      table.primary(['transaction_id', 'seq'], 'stoa_payout_items_key')
      table.index(['payout_id', 'transaction_id', 'seq'], 'stoa_payout_items_list')
    })
    // Everything that an account earned before this time is in payouts, so that nobody looks at it again.
    await createTable('stoa_payout_marks', (column, table) => {
      column.text('account_id')
      column.time('paid_until')
      table.primary(['account_id'])
    })
    // Sums of the months that are over, of accounts that keep no balance: so that nobody adds up a year of entries again.
    await createTable('stoa_account_months', (column, table) => {
      column.text('account_id')
      column.time('start_time')
      column.time('end_time')
      // At the end.
      column.money('balance')
      table.primary(['account_id', 'start_time'], 'stoa_account_months_key')
    })
    // Of each, what was booked, by kind and application ('' for none), and what an application's meters came to.
    await createTable('stoa_account_month_totals', (column, table) => {
      column.text('account_id')
      column.time('start_time')
      column.text('kind')
      column.text('application_key')
      column.integer('count')
      column.money('amount')
      table.primary(['account_id', 'start_time', 'kind', 'application_key'], 'stoa_account_month_totals_key')
    })
    await createTable('stoa_account_month_meters', (column, table) => {
      column.text('account_id')
      column.time('start_time')
      column.text('meter_id')
      column.text('kind')
      column.integer('count')
      column.money('units')
      column.money('amount')
      column.money('base_amount')
      column.money('fee_amount')
      table.primary(['account_id', 'start_time', 'meter_id', 'kind'], 'stoa_account_month_meters_key')
    })
    await createTable('stoa_adjustments', (column, table) => {
      column.id()
      column.text('reference')
      column.text('account_id')
      column.money('amount')
      column.text('currency')
      column.text('environment')
      column.text('reason')
      column.text('actor')
      column.text('transaction_id')
      column.time('created_time')
      table.unique(['reference'])
      table.index(['account_id', 'id'])
    })

    for (const table of [
      'stoa_cap_changes',
      'stoa_subscription_items',
      'stoa_platform_fees',
      'stoa_payout_items',
      'stoa_account_months',
      'stoa_account_month_totals',
      'stoa_account_month_meters',
      'stoa_adjustments',
    ]) {
      await appendOnly(trx, dialect, table)
    }
    // Once it is booked a payout only ends, once; whose it is never changes.
    const owner = ['id', 'organization_id', 'environment', 'currency']
    const booked = ['run_id', 'earned', 'carried_in', 'carried_out', 'amount', 'transaction_id', 'created_time']
    await refuseChanges(trx, dialect, 'stoa_payouts', {
      update: `${changed(owner)} or old.status in ('paid', 'failed')
        or (old.status = 'created' and (new.status = 'collecting' or ${changed(booked)}))`,
      delete: `1 = 1`,
    })
    const rule = ['id', 'organization_id', 'location_key', 'application_key', 'item_key', 'environment', 'version']
    const terms = ['enabled', 'markup_bps', 'own_price', 'currency', 'actor', 'created_time']
    await refuseChanges(trx, dialect, 'stoa_rebillings', {
      update: `old.ended_time is not null or ${changed([...rule, ...terms])}`,
      delete: `1 = 1`,
    })
  },
}
