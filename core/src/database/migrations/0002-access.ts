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
    // One authorization of a client and the refresh tokens that follow from each other: what is revoked as one.
    await createTable('stoa_token_families', (column, table) => {
      column.id()
      column.text('application_id')
      column.text('installation_id')
      // Of a location's: the organization's that it was exchanged from, and ends with.
      column.text('parent_id').nullable()
      column.text('user_id').nullable()
      column.text('scope')
      column.text('key_thumbprint').nullable()
      column.time('created_time')
      column.time('expires_time')
      column.time('revoked_time').nullable()
      table.index(['installation_id'])
      table.index(['parent_id'])
      table.index(['application_id'])
      table.index(['expires_time'])
      table.index(['revoked_time'])
    })
    await createTable('stoa_refresh_tokens', (column, table) => {
      column.text('token_hash')
      column.ref('family_id', 'stoa_token_families')
      column.time('created_time')
      column.time('expires_time')
      // When it was exchanged for its successor.
      column.time('rotated_time').nullable()
      column.text('successor_hash').nullable()
      table.primary(['token_hash'])
      table.index(['family_id'])
      table.index(['expires_time'])
    })
    // Ids of client assertions and DPoP proofs, until they have expired: none is taken twice.
    await createTable('stoa_seen_ids', (column, table) => {
      column.text('hash')
      column.time('expires_time')
      table.primary(['hash'])
      table.index(['expires_time'])
    })
    // What applications act with: installation tokens and OAuth access tokens.
    await createTable('stoa_application_tokens', (column, table) => {
      column.text('token_hash')
      column.text('application_id')
      // Null for a token of the application itself (client credentials).
      column.text('installation_id').nullable()
      column.text('organization_id')
      column.text('location_id').nullable()
      column.text('environment')
      column.json('permissions')
      column.text('scope').nullable()
      column.integer('rate_limit').nullable()
      column.text('family_id').nullable()
      column.text('user_id').nullable()
      // The client secret it was obtained with, which takes it along when it ends at once.
      column.text('secret_id').nullable()
      // RFC 9449: the key that the sender has to prove.
      column.text('key_thumbprint').nullable()
      column.time('created_time')
      column.time('expires_time')
      column.time('revoked_time').nullable()
      table.primary(['token_hash'])
      table.index(['installation_id'])
      table.index(['application_id'])
      table.index(['secret_id'])
      table.index(['family_id'])
      table.index(['expires_time'])
    })
  },
}
