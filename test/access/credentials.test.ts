import { randomUUID } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { mintToken } from '../../core/src/kernel/index.ts'
import { openWorld, type World } from '../accounts/support.ts'
import { send } from '../http/support.ts'
import { eachDatabase } from '../support/databases.ts'
import type { Answer } from '../support/host.ts'

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })
  const get = (headers: Record<string, string>, path = '/users/me') => send(world.url, { path, headers })
  const outcome = ({ status, body }: Answer) => [status, body?.code] as [number, string | undefined]

  /** An installation token of the demo application, as its publisher gets it. */
  async function installationToken(): Promise<string> {
    const { application, organization, publisher } = world.world
    const path = `/application-instances/${application.id}`
    await world.call('PUT', path, { token: organization.apiKey })
    await expect
      .poll(async () => (await world.call('GET', path, { token: organization.apiKey })).body.status as string)
      .toBe('enabled')
    const { status, body } = await world.call('GET', `/applications/${application.id}/instances/${organization.id}`, {
      token: publisher.apiKey,
    })
    expect(status).toBe(200)
    return body.token as string
  }

  describe('a credential', () => {
    it.each(['Authorization', 'REB-APIKEY', 'X-API-Key'])('is taken from the header %s', async (header) => {
      const key = world.world.organization.apiKey
      const { status, body } = await get({ [header]: header === 'Authorization' ? `Bearer ${key}` : key })
      expect([status, body.organizationId]).toEqual([200, world.world.organization.id])
    })

    it.each(['bearer', 'BEARER', 'Bearer '])('is taken after %j', async (scheme) => {
      expect((await get({ Authorization: `${scheme} ${world.world.organization.apiKey}` })).status).toBe(200)
    })

    it('may be a session in any of the three', async () => {
      const { owner } = await world.organization()
      for (const header of ['REB-APIKEY', 'X-API-Key']) expect((await get({ [header]: owner.token })).status).toBe(200)
    })

    it('that is absent is 401 unauthenticated', async () => {
      for (const headers of [{}, { 'X-API-Key': '' }, { Authorization: '' }, { Authorization: 'Basic dXNlcjpwYXNz' }]) {
        expect(outcome(await get(headers as Record<string, string>))).toEqual([401, 'unauthenticated'])
      }
    })

    it('as Bearer decides, also when it is wrong: no falling back to a key beside it', async () => {
      const key = world.world.organization.apiKey
      for (const bearer of [
        'Bearer nonsense',
        `Bearer ${mintToken('ak')}`,
        `Bearer ${key}x`,
        'Bearer',
        'Bearer  ',
        'bearer x',
      ]) {
        for (const header of ['X-API-Key', 'REB-APIKEY']) {
          expect(outcome(await get({ Authorization: bearer, [header]: key })), bearer).toEqual([401, 'invalid_token'])
        }
      }
      const { owner, id } = await world.organization()
      const { body } = await get({ Authorization: `Bearer ${owner.token}`, 'X-API-Key': key })
      expect(body.organizationId).toBe(id)
    })

    it('beside another scheme than Bearer is taken', async () => {
      expect(
        (await get({ Authorization: 'Basic dXNlcjpwYXNz', 'X-API-Key': world.world.organization.apiKey })).status,
      ).toBe(200)
    })

    it.each([
      ['malformed', () => 'stoa_ak_short'],
      ['with a wrong checksum', (key: string) => key.slice(0, -1) + (key.endsWith('0') ? '1' : '0')],
      ['of another host', () => mintToken('ak')],
      ['an unknown installation token', () => mintToken('it')],
      ['a client secret', () => world.world.application.clientSecret],
      ['somebody else’s kind', () => `ghp_${'a'.repeat(36)}`],
      ['a UUID', () => randomUUID()],
      ['very long', () => 'x'.repeat(8000)],
      ['odd characters', () => '%00<>"{};,'],
    ])('that is %s is 401 invalid_token', async (_name, make) => {
      expect(outcome(await get({ 'X-API-Key': make(world.world.organization.apiKey) }))).toEqual([401, 'invalid_token'])
    })

    it('without the permission is 403, and says which', async () => {
      const { id } = await world.organization()
      const { token } = await world.member(id, 'member')
      const { status, body } = await world.call('GET', '/api-keys', { token })
      expect([status, body.code, body.requiredPermission]).toEqual([403, 'missing_permission', 'api-keys:index'])
      expect(body.message).toContain('see which API keys exist')
    })

    it('of a kind the operation does not take is 403, and says which it takes', async () => {
      const { status, body } = await world.call('GET', '/organizations', { token: world.world.organization.apiKey })
      expect([status, body.code]).toEqual([403, 'caller_not_allowed'])
      expect(body.message).toMatch(/takes user credentials, not api-key/)
    })
  })

  describe('an installation token', () => {
    it('acts for the application, in the organization and environment it was made for', async () => {
      const token = await installationToken()
      const { organization } = world.world
      const at = (path: string, headers: Record<string, string> = {}) => world.call('GET', path, { token, headers })
      const path = `/application-instances/${world.world.application.id}/configuration`
      expect((await at(path)).status).toBe(200)
      expect((await at(path, { 'Organization-Id': organization.id, 'X-Environment': 'production' })).status).toBe(200)
      expect(outcome(await at(path, { 'Organization-Id': world.world.publisher.organizationId }))).toEqual([
        404,
        'not_found',
      ])
      expect(outcome(await at(path, { 'X-Environment': 'sandbox' }))).toEqual([403, 'tenant_mismatch'])
      // It was made for the organization, so it reaches into no location.
      expect(
        outcome(await at(`/organizations/${organization.id}/locations/${world.world.locations[0]!.id}${path}`)),
      ).toEqual([404, 'not_found'])
    })

    it('may do what was granted and nothing else', async () => {
      const token = await installationToken()
      const path = `/application-instances/${world.world.application.id}/configuration`
      const write = await world.call('PUT', path, { token, body: { settings: {} } })
      expect(outcome(write)).toEqual([403, 'missing_permission'])
      expect(outcome(await world.call('GET', '/members', { token }))).toEqual([403, 'caller_not_allowed'])
    })

    it('is over after its hour', async () => {
      const token = await installationToken()
      const read = () =>
        world.call('GET', `/application-instances/${world.world.application.id}/configuration`, { token })
      world.advance(3599)
      expect((await read()).status).toBe(200)
      world.advance(1)
      expect(outcome(await read())).toEqual([401, 'expired_token'])
    })

    it('is revoked the moment the application is disabled', async () => {
      const token = await installationToken()
      const path = `/application-instances/${world.world.application.id}`
      const read = () => world.call('GET', `${path}/configuration`, { token })
      expect((await read()).status).toBe(200)
      const disabled = await world.call('POST', `${path}/disable`, {
        token: world.world.organization.apiKey,
        body: { reason: 'test' },
      })
      expect(disabled.status).toBeLessThan(300)
      expect(outcome(await read())).toEqual([401, 'revoked_token'])
    })
  })
})
