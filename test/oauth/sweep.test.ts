import { createHost } from '@stoa/core'
import knex, { type Knex } from 'knex'
import { expect, it, onTestFinished } from 'vitest'
import { eachDatabase, type TestDatabase } from '../support/databases.ts'
import { movableClock } from './clock.ts'
import { hostSecret, sharedDatabase } from './two-hosts.ts'
import { clientForm, openOAuthWorld } from './world.ts'

const day = 24 * 3600

eachDatabase((database) => {
  it('what has ended is removed, and of an authorization in use what is too old to matter', async () => {
    const time = movableClock()
    const shared = await sharedDatabase(database)
    const world = await openOAuthWorld(shared.database, { clock: time.clock })
    const app = await world.app()
    await world.post('/oauth/par', { response_type: 'code', code_challenge: 'x'.repeat(43), ...clientForm(app) })
    await world.tokens(app)
    const ended = await world.tokens(app)
    expect(ended.status).toBe(200)
    let { refresh_token: token } = (await world.tokens(app)).body
    for (const _ of [1, 2, 3]) {
      time.advance(60 * day)
      const { status, body } = await world.refresh(app, token)
      expect(status).toBe(200)
      token = body.refresh_token
    }
    await sweep(shared.url, world.url, time.clock)

    const count = counter(database, shared.url)
    expect(await count('stoa_token_families')).toBe(1)
    // The one that is good, and the one before it, which would tell of a thief.
    expect(await count('stoa_refresh_tokens')).toBe(2)
    expect(await count('stoa_application_tokens')).toBe(1)
    expect(await count('stoa_oauth_codes')).toBe(0)
    expect(await count('stoa_pushed_requests')).toBe(0)
    expect((await world.refresh(app, token)).status).toBe(200)
  })

  it('a table that cannot be swept does not keep the others from it', async () => {
    const time = movableClock()
    const shared = await sharedDatabase(database)
    const world = await openOAuthWorld(shared.database, { clock: time.clock })
    const app = await world.app()
    await world.tokens(app)
    await query(database, shared.url, (db) => db.schema.renameTable('stoa_seen_ids', 'elsewhere'))
    time.advance(100 * day)
    await sweep(shared.url, world.url, time.clock)
    expect(await counter(database, shared.url)('stoa_token_families')).toBe(0)
    await query(database, shared.url, (db) => db.schema.renameTable('elsewhere', 'stoa_seen_ids'))
  })
})

/** A host sweeps when it starts. */
async function sweep(url: string, baseUrl: string, clock: { now(): Date }): Promise<void> {
  const host = await createHost({ secret: hostSecret, mode: 'test', database: url, baseUrl, clock, logger: silent })
  host.start()
  await host.stop()
}
const quiet = () => undefined
const silent = { info: quiet, warn: quiet, error: quiet, debug: quiet } as never

function counter(database: TestDatabase, url: string) {
  return async (table: string) => {
    const rows = (await query(database, url, (db) => db(table).count({ count: '*' }))) as { count: unknown }[]
    return Number(rows[0]!.count)
  }
}

async function query<T>({ kind }: TestDatabase, url: string, work: (db: Knex) => PromiseLike<T>): Promise<T> {
  const connection =
    kind === 'postgres'
      ? { client: 'pg', connection: url }
      : { client: 'better-sqlite3', connection: { filename: url }, useNullAsDefault: true }
  const db = knex(connection)
  onTestFinished(() => db.destroy())
  return work(db)
}
