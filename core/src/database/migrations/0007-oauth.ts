import type { Migration } from '../migrate.ts'

export const oauthMigration: Migration = {
  name: '0007-oauth',
  async up({ createTable }) {
    await createTable('stoa_oauth_codes', (column, table) => {
      column.text('code_hash')
      column.ref('application_id', 'stoa_applications')
      column.ref('installation_id', 'stoa_installations')
      column.text('redirect_uri')
      column.text('code_challenge').nullable()
      column.text('scope')
      column.text('user_id')
      // RFC 9449 section 10: the key that the code is bound to.
      column.text('key_thumbprint').nullable()
      column.time('created_time')
      column.time('expires_time')
      column.time('consumed_time').nullable()
      // What it was exchanged for, which a second exchange takes away.
      column.text('family_id').nullable()
      table.primary(['code_hash'])
      table.index(['expires_time'])
    })
    await createTable('stoa_pushed_requests', (column, table) => {
      column.text('request_hash')
      column.ref('application_id', 'stoa_applications')
      column.text('parameters')
      column.time('created_time')
      column.time('expires_time')
      table.primary(['request_hash'])
      table.index(['expires_time'])
    })
  },
}
