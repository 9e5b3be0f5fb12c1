import type { Migration } from '../migrate.ts'

export const accessMigration: Migration = {
  name: '0002-access',
  async up({ createTable }) {
    await createTable('stoa_api_keys', (column, table) => {
      column.id()
      column.ref('organization_id', 'stoa_organizations')
      column.text('application_id').nullable()
      column.ref('created_by', 'stoa_users').nullable()
      column.text('parent_id').nullable()
      column.text('name')
      column.text('token_hash')
      column.text('last_four')
      column.json('permissions')
      column.text('environment')
      column.time('created_time')
      column.time('expires_time').nullable()
      column.time('revoked_time').nullable()
      column.time('last_used_time').nullable()
      table.unique(['token_hash'])
      table.index(['organization_id', 'id'])
      table.index(['parent_id'])
    })
    await createTable('stoa_installation_tokens', (column, table) => {
      column.text('token_hash')
      column.text('application_id')
      column.text('installation_id')
      column.text('organization_id')
      column.text('location_id').nullable()
      column.text('environment')
      column.json('permissions')
      column.integer('rate_limit').nullable()
      column.time('created_time')
      column.time('expires_time')
      column.time('revoked_time').nullable()
      table.primary(['token_hash'])
      table.index(['installation_id'])
      table.index(['application_id'])
      table.index(['expires_time'])
    })
  },
}
