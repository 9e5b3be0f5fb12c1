import type { Migration } from '../migrate.ts'

export const eventsMigration: Migration = {
  name: '0003-events',
  async up({ createTable, trx }) {
    await createTable('stoa_webhook_endpoints', (column, table) => {
      column.id()
      column.ref('organization_id', 'stoa_organizations')
      column.text('application_id').nullable()
      column.text('environment')
      column.text('url')
      column.json('events')
      column.text('description').nullable()
      column.text('format')
      column.text('status')
      column.text('status_reason').nullable()
      column.text('secret')
      column.time('created_time')
      column.time('updated_time')
      column.time('deleted_time').nullable()
      table.index(['organization_id', 'environment', 'id'])
    })
    await createTable('stoa_events', (column) => {
      column.id()
      column.text('type')
      column.text('publisher_id')
      column.text('application_id')
      column.text('organization_id')
      column.text('location_id').nullable()
      column.text('environment')
      column.json('payload')
      column.json('highlevel').nullable()
      column.time('created_time')
    })
    await createTable('stoa_deliveries', (column, table) => {
      column.id()
      column.ref('event_id', 'stoa_events')
      column.ref('endpoint_id', 'stoa_webhook_endpoints')
      column.text('type')
      column.text('format')
      column.text('state')
      column.integer('attempt')
      column.time('next_time').nullable()
      column.text('lease_token').nullable()
      column.time('lease_until').nullable()
      column.time('created_time')
      column.time('completed_time').nullable()
      table.index(['endpoint_id', 'id'])
    })
    // Partial, so that what is finished, in the end nearly every row, costs the search for work nothing.
    await trx.raw(
      `create index stoa_deliveries_pending on stoa_deliveries (endpoint_id, next_time) where state = 'pending'`,
    )
    await trx.raw(`create index stoa_deliveries_failed on stoa_deliveries (endpoint_id, id) where state = 'failed'`)
    await createTable('stoa_delivery_attempts', (column, table) => {
      column.ref('delivery_id', 'stoa_deliveries')
      column.integer('n')
      column.text('url')
      column.time('started_time')
      column.integer('duration_ms')
      column.text('outcome')
      column.integer('response_status').nullable()
      column.text('response_body').nullable()
      column.text('error_code').nullable()
      column.text('error_message').nullable()
      column.text('remote_address').nullable()
      table.primary(['delivery_id', 'n'])
    })
  },
}
