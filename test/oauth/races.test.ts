import pg from 'pg'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { onPostgres } from '../support/databases.ts'
import type { Answer } from '../support/host.ts'
import type { Browser } from './browser.ts'
import { sharedDatabase } from './two-hosts.ts'
import { clientForm, openOAuthWorld, type OAuthWorld } from './world.ts'

// One step of somebody else is made by hand, and a request of ours falls in between its beginning and its commit.
onPostgres((database) => {
  let world: OAuthWorld
  let browser: Browser
  let databaseUrl: string
  beforeAll(async () => {
    const shared = await sharedDatabase(database)
    databaseUrl = shared.url
    world = await openOAuthWorld(shared.database)
    browser = await world.signedIn()
  })

  /** Does `change` in a transaction that commits once `request` waits for it, and answers what the request came to. */
  async function during(change: [sql: string, values: unknown[]][], request: () => Promise<Answer>): Promise<Answer> {
    const other = new pg.Client(databaseUrl)
    const watch = new pg.Client(databaseUrl)
    await Promise.all([other.connect(), watch.connect()])
    onTestFinished(async () => void (await Promise.all([other.end(), watch.end()])))
    await other.query('BEGIN')
    for (const [sql, values] of change) await other.query(sql, values)
    const answer = request()
    const waiting = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`
    await expect.poll(async () => (await watch.query(waiting)).rowCount, { timeout: 2500, interval: 20 }).toBe(1)
    await other.query('COMMIT')
    return answer
  }

  describe('a token is not made behind the back of somebody who', () => {
    it('ends the secret that its client came with', async () => {
      const app = await world.app()
      const end: [string, unknown[]][] = [
        ['SELECT id FROM stoa_applications WHERE id = $1 FOR UPDATE', [app.id]],
        [`UPDATE stoa_client_secrets SET expires_time = now() - interval '1 s' WHERE application_id = $1`, [app.id]],
      ]
      const { status, body } = await during(end, () =>
        world.token({ grant_type: 'client_credentials', ...clientForm(app) }),
      )
      expect([status, body.error]).toEqual([401, 'invalid_client'])
    })

    it.each(['', ', also inside the grace window'])('ends its authorization%s', async (window) => {
      const app = await world.app()
      const tokens = (await world.tokens(app, { browser })).body
      if (window !== '') await world.refresh(app, tokens.refresh_token)
      const family = tokens.refreshTokenId as string
      const end: [string, unknown[]][] = [
        [`UPDATE stoa_token_families SET revoked_time = now() WHERE id = $1`, [family]],
      ]
      const { status, body } = await during(end, () => world.refresh(app, tokens.refresh_token))
      expect([status, body.error]).toEqual([400, 'invalid_grant'])
    })

    it('ends the authorization of the organization that a location’s is exchanged from', async () => {
      const app = await world.app()
      const company = (await world.tokens(app, { browser, form: { target: 'all', future: 'yes' } })).body
      const end: [string, unknown[]][] = [
        [`UPDATE stoa_token_families SET revoked_time = now() WHERE id = $1`, [company.refreshTokenId]],
      ]
      const body = { companyId: company.companyId as string, locationId: world.world.locations[0]!.id }
      const answer = await during(end, () =>
        world.call('POST', '/oauth/locationToken', { token: company.access_token, body }),
      )
      expect([answer.status, answer.body.code]).toEqual([401, 'invalid_token'])
    })
  })
})
