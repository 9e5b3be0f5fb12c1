import pg from 'pg'
import type { TestProject } from 'vitest/node'
import { startPostgres } from './postgres-server.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    /** The PostgreSQL of this run: a URL whose user may create databases. */
    postgresUrl: string
    /** A migrated database nobody may connect to, to clone from. Databases cloned from it begin with its name and `_`. */
    postgresTemplate: string
  }
}

/**
 * Once per run, before any test of `test/`: a PostgreSQL (its own, or the one in `TEST_DATABASE_URL`) with a migrated
 * template. It throws when it cannot, and the run fails: a database that is silently left out is never noticed.
 */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const migrate = await importMigrateDatabase()
  const given = process.env.TEST_DATABASE_URL
  const server = given ? undefined : await startPostgres({ durable: false })
  const url = given ?? `${server?.url}/postgres`
  const template = `stoa_template_${process.pid}`
  try {
    await dropDatabases(url, template)
    await createTemplate(url, template, migrate)
  } catch (error) {
    await server?.stop()
    throw error
  }
  project.provide('postgresUrl', url)
  project.provide('postgresTemplate', template)

  return async () => {
    if (server) await server.stop()
    else await dropDatabases(url, template)
  }
}

/** Late, so that a core which does not load fails with this file in the trace rather than while vitest starts. */
async function importMigrateDatabase(): Promise<(url: string) => Promise<unknown>> {
  const core = await import('@stoa/core')
  if (typeof core.migrateDatabase !== 'function') {
    throw new Error('@stoa/core exports no migrateDatabase(url): without it there is no PostgreSQL to test on')
  }
  return core.migrateDatabase
}

async function createTemplate(
  url: string,
  template: string,
  migrate: (url: string) => Promise<unknown>,
): Promise<void> {
  await withAdmin(url, (admin) => admin.query(`CREATE DATABASE ${template} TEMPLATE template0`))
  const templateUrl = new URL(url)
  templateUrl.pathname = template
  await migrate(templateUrl.href)
  // PostgreSQL clones only what nobody is connected to. This also shows at once a migration that leaves its pool open.
  await withAdmin(url, async (admin) => {
    const { rows } = await admin.query('SELECT 1 FROM pg_stat_activity WHERE datname = $1', [template])
    if (rows.length > 0) throw new Error('migrateDatabase(url) has returned but is still connected to the database')
    await admin.query(`ALTER DATABASE ${template} ALLOW_CONNECTIONS false`)
  })
}

/** The template and every clone of it: of a run that was killed and had our process id, or of this one at its end. */
async function dropDatabases(url: string, template: string): Promise<void> {
  await withAdmin(url, async (admin) => {
    const { rows } = await admin.query<{ datname: string }>(
      `SELECT datname FROM pg_database WHERE datname = $1 OR starts_with(datname, $1 || '_')`,
      [template],
    )
    for (const { datname } of rows) await admin.query(`DROP DATABASE IF EXISTS ${datname} WITH (FORCE)`)
  })
}

async function withAdmin<T>(url: string, use: (admin: pg.Client) => Promise<T>): Promise<T> {
  const admin = new pg.Client(url)
  await admin.connect()
  try {
    return await use(admin)
  } finally {
    await admin.end()
  }
}
