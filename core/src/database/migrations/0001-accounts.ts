import type { Migration } from '../migrate.ts'

export const accountsMigration: Migration = {
  name: '0001-accounts',
  async up({ createTable }) {
    await createTable('stoa_host', (column) => {
      column.id('name')
      column.text('value')
    })
    await createTable('stoa_users', (column, table) => {
      column.id()
      column.text('email')
      column.text('name')
      column.text('password_hash').nullable()
      column.time('created_time')
      table.unique(['email'])
    })
    await createTable('stoa_organizations', (column) => {
      column.id()
      column.text('name')
      column.text('email').nullable()
      column.time('created_time')
      column.time('updated_time')
    })
    await createTable('stoa_locations', (column, table) => {
      column.id()
      column.ref('organization_id', 'stoa_organizations')
      column.text('name')
      column.text('address').nullable()
      column.time('created_time')
      column.time('updated_time')
      table.index(['organization_id', 'id'])
    })
    await createTable('stoa_memberships', (column, table) => {
      column.ref('organization_id', 'stoa_organizations')
      column.ref('user_id', 'stoa_users')
      column.text('role')
      column.time('created_time')
      table.primary(['organization_id', 'user_id'])
      table.index(['user_id'])
    })
    await createTable('stoa_sessions', (column, table) => {
      column.id()
      column.ref('user_id', 'stoa_users')
      column.time('created_time')
      column.time('expires_time')
      column.time('revoked_time').nullable()
      table.index(['user_id'])
      table.index(['expires_time'])
    })
  },
}
