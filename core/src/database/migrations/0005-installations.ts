import type { Migration } from '../migrate.ts'

export const installationsMigration: Migration = {
  name: '0005-installations',
  async up({ createTable }) {
    await createTable('stoa_installations', (column, table) => {
      column.id()
      column.ref('application_id', 'stoa_applications')
      column.ref('organization_id', 'stoa_organizations')
      column.ref('location_id', 'stoa_locations').nullable()
      // The location's id, or '' for the organization itself: a unique index takes two nulls for different values.
      column.text('location_key')
      column.text('environment')
      column.text('status')
      column.text('status_reason').nullable()
      // The version of the application it was last brought to; the one in force may ask for more than the grant.
      column.integer('version')
      column.integer('refused_version').nullable()
      // The last version whose pending access the publisher was told of.
      column.integer('pending_version').nullable()
      // Of an installation on an organization: the locations it is passed on to.
      column.json('fan_out').nullable()
      // Of an installation that was passed on: the organization's, which takes it along when it ends.
      column.text('parent_id').nullable()
      column.json('grant')
      column.json('settings')
      column.text('secrets').nullable()
      // What may be shown of the secrets, so that showing an installation never opens them.
      column.json('shown_secrets').nullable()
      column.time('configured_time').nullable()
      column.text('installed_by').nullable()
      column.time('installed_time')
      column.time('uninstalled_time').nullable()
      // Counts the steps of the history; every step names the one it follows.
      column.integer('revision')
      // The revision at which it last began to be enabled or disabled: tells this time's events from earlier ones.
      column.integer('episode')
      column.integer('tries')
      column.time('deadline_time').nullable()
      column.text('problem_code').nullable()
      column.time('problem_time').nullable()
      column.text('lease_token').nullable()
      column.time('lease_until').nullable()
      column.time('created_time')
      column.time('updated_time')
      table.unique(['application_id', 'environment', 'organization_id', 'location_key'])
      table.index(['application_id', 'environment', 'id'])
      table.index(['application_id', 'id'])
      table.index(['location_id'])
      table.index(['organization_id', 'location_key', 'environment', 'id'])
      table.index(['deadline_time'])
      table.index(['parent_id', 'id'])
    })
    await createTable('stoa_installation_steps', (column, table) => {
      column.ref('installation_id', 'stoa_installations')
      column.integer('revision')
      column.text('actor_kind')
      column.text('actor_id').nullable()
      column.text('from_status').nullable()
      column.text('to_status')
      column.text('reason').nullable()
      column.time('time')
      // Also what makes the history gapless: two processes cannot both write step 7.
      table.primary(['installation_id', 'revision'])
    })
    // What is done for many installations, page by page: rolling a version out, passing an installation on to locations, and
    // bringing those that were passed on to where the organization's is.
    await createTable('stoa_installation_jobs', (column, table) => {
      column.id()
      column.text('kind')
      column.ref('application_id', 'stoa_applications')
      column.text('installation_id').nullable()
      // Who began it, and the locations that were chosen.
      column.json('detail')
      // The last id that is done.
      column.text('cursor')
      // Null while it waits for the organization's installation to be enabled again.
      column.time('due_time').nullable()
      column.text('lease_token').nullable()
      column.time('lease_until').nullable()
      column.time('created_time')
      table.index(['due_time'])
      table.index(['installation_id'])
    })
    // Which event told which publisher about which time: what a delivery acknowledges.
    await createTable('stoa_installation_notices', (column, table) => {
      column.text('event_id')
      column.ref('installation_id', 'stoa_installations')
      column.integer('episode')
      table.primary(['event_id'])
      table.index(['installation_id'])
    })
  },
}
