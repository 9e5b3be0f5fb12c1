import { beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type World } from './world.ts'

const properties = {
  type: 'object',
  properties: {
    color: { type: 'string', enum: ['red', 'green'] },
    welcomeAmount: { type: 'number', default: 5 },
    loud: { type: 'boolean' },
    apiKey: { type: 'string', writeOnly: true, minLength: 4 },
    nested: { type: 'object', properties: { pin: { type: 'string', format: 'password' } } },
  },
  required: ['color', 'apiKey'],
  additionalProperties: false,
}
const secret = 'sk_live_abcdef123456'
const both = ['GetApplicationInstanceConfiguration', 'PutApplicationInstanceConfiguration']

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })

  const at = (id: string) => `/application-instances/${id}/configuration`
  const read = async (id: string, token = world.merchant.token) => world.request('GET', at(id), { token })
  const write = (id: string, settings: unknown, token = world.merchant.token) =>
    world.request('PUT', at(id), { token, body: { settings } })
  const install = (id: string, body?: unknown) =>
    world.request('PUT', `/application-instances/${id}`, { token: world.merchant.token, body })
  const instance = async (id: string) =>
    (await world.request('GET', `/application-instances/${id}`, { token: world.merchant.token })).body
  const appToken = async (id: string): Promise<string> => {
    const path = `/applications/${id}/instances/${world.merchant.organizationId}`
    return (await world.request('GET', path, { token: world.publisher.token })).body.token
  }
  async function installed(options: object = {}): Promise<string> {
    const id = await world.application({ properties, permissions: both, ...options })
    expect((await install(id)).status).toBe(201)
    return id
  }

  describe('reading', () => {
    it('shows defaults, and that something is missing, before anything was written', async () => {
      const id = await installed()
      const answer = await read(id)
      expect(answer.status).toBe(200)
      const self = `http://stoa.test/organizations/${world.merchant.organizationId}${at(id)}`
      expect(answer.body).toEqual({ settings: { welcomeAmount: 5 }, _links: [{ rel: 'self', href: self }] })
      expect(await instance(id)).toMatchObject({ isConfigured: false, status: 'enabled' })
    })

    it('links to the application’s own settings page', async () => {
      const id = await installed({ configurationUrl: 'https://app.example/settings' })
      expect((await read(id)).body._links).toContainEqual({
        rel: 'configuration',
        href: 'https://app.example/settings',
      })
    })

    it('is 404 where nothing is installed, whatever the reason', async () => {
      const id = await world.application({ properties })
      const unknown = await read('app_unknown')
      expect((await read(id)).body.message).toBe(unknown.body.message)
      expect((await read(id)).status).toBe(404)
      expect((await write(id, {})).status).toBe(404)
      await install(id)
      await world.request('DELETE', `/application-instances/${id}`, { token: world.merchant.token })
      expect((await read(id)).status).toBe(404)
    })

    it('needs the permission, and the grant', async () => {
      const id = await installed({ permissions: ['GetCustomer'] })
      const none = await world.key(world.merchant, { permissions: ['instances:show'] })
      expect((await read(id, none)).body.code).toBe('missing_permission')
      expect((await write(id, {}, none)).body.code).toBe('missing_permission')
      expect((await read(id, await appToken(id))).body.code).toBe('missing_permission')
      expect((await world.request('GET', at(id))).status).toBe(401)
    })
  })

  describe('writing', () => {
    it('is 201 with Location the first time, then 200; types are kept', async () => {
      const id = await installed()
      const first = await write(id, { color: 'red', welcomeAmount: 2.5, loud: false, apiKey: secret })
      expect(first.status).toBe(201)
      expect(first.headers.get('location')).toBe(first.body._links[0].href)
      const settings = { color: 'red', welcomeAmount: 2.5, loud: false, apiKey: { set: true, last4: '3456' } }
      expect(first.body.settings).toEqual(settings)
      expect((await write(id, settings)).status).toBe(200)
      expect((await read(id)).body.settings).toEqual(settings)
      expect(await instance(id)).toMatchObject({ isConfigured: true, settings })
    })

    it('replaces the whole, takes PHP’s [] for {}, and does not mind what is missing', async () => {
      const id = await installed()
      await write(id, { color: 'red' })
      const empty = await write(id, [])
      expect([empty.status, empty.body.settings]).toEqual([200, { welcomeAmount: 5 }])
      expect((await instance(id)).isConfigured).toBe(false)
    })

    it('refuses what breaks the schema, naming each field, and keeps what was there', async () => {
      const id = await installed()
      await write(id, { color: 'red' })
      const refused = await write(id, { color: 'blue', welcomeAmount: '5', colour: 1 })
      expect(refused.body).toMatchObject({ statusCode: 422, code: 'invalid_settings' })
      const fields = refused.body.invalidFields.map((each: { field: string }) => each.field).sort()
      expect(fields).toEqual(['settings.color', 'settings.colour', 'settings.welcomeAmount'])
      expect((await read(id)).body.settings.color).toBe('red')
    })

    it('refuses what is no object', async () => {
      const id = await installed()
      for (const settings of ['text', 5, null, ['red']]) {
        const refused = await write(id, settings)
        expect([refused.status, refused.body.invalidFields[0].field]).toEqual([422, 'settings'])
      }
      const absent = await world.request('PUT', at(id), { token: world.merchant.token, body: {} })
      expect(absent.body.invalidFields).toEqual([{ field: 'settings', message: 'is required' }])
    })

    it('takes any object when the application has no schema', async () => {
      const id = await world.application({ permissions: both })
      await install(id)
      expect((await instance(id)).isConfigured).toBe(true)
      expect((await write(id, { anything: { goes: [1, 'two'] } })).status).toBe(201)
      expect((await read(id)).body.settings).toEqual({ anything: { goes: [1, 'two'] } })
    })
  })

  describe('secrets', () => {
    it('are sealed in the database, masked for people, and in the clear for the application', async () => {
      const id = await installed()
      await write(id, { color: 'red', apiKey: secret, nested: { pin: '0000' } })
      const [row] = (await world.db('stoa_installations').where({ application_id: id })) as {
        settings: string
        secrets: string
      }[]
      expect(JSON.stringify(row, (_, value: unknown) => (typeof value === 'bigint' ? 0 : value))).not.toContain(secret)
      expect(row!.settings).not.toContain('0000')
      expect((await read(id)).body.settings).toMatchObject({
        apiKey: { set: true, last4: '3456' },
        nested: { pin: { set: true } },
      })
      const token = await appToken(id)
      expect((await read(id, token)).body.settings).toMatchObject({ apiKey: secret, nested: { pin: '0000' } })
    })

    it('keep their value when absent or sent back masked, and are cleared by null', async () => {
      const id = await installed()
      await write(id, { color: 'red', apiKey: secret })
      await write(id, { color: 'green', apiKey: { set: true, last4: '3456' } })
      await write(id, { color: 'red' })
      expect((await read(id, await appToken(id))).body.settings.apiKey).toBe(secret)
      expect((await write(id, { color: 'red', apiKey: null })).body.settings.apiKey).toBeUndefined()
      expect((await read(id, await appToken(id))).body.settings.apiKey).toBeUndefined()
      expect((await instance(id)).isConfigured).toBe(false)
    })

    it('are refused when wrong, without being repeated', async () => {
      const id = await installed()
      const refused = await write(id, { apiKey: 'abc' })
      expect(refused.body.invalidFields[0].field).toBe('settings.apiKey')
      expect(JSON.stringify(refused.body)).not.toContain('abc"')
    })

    it('do not open in another installation’s row', async () => {
      const [one, other] = [await installed(), await installed()]
      await write(one, { apiKey: secret })
      const rows = (await world.db('stoa_installations').where({ application_id: one })) as { secrets: string }[]
      await world.db('stoa_installations').where({ application_id: other }).update({ secrets: rows[0]!.secrets })
      await expect(read(other, await appToken(other))).rejects.toThrow(/another row/)
    })

    it('never reach the publisher or the stored event', async () => {
      const id = await world.application({ properties, permissions: both })
      await install(id, { settings: { color: 'red', apiKey: secret } })
      expect(JSON.stringify(await world.events(id))).not.toContain(secret)
      const list = await world.request('GET', `/applications/${id}/instances`, { token: world.publisher.token })
      expect(list.body[0].settings.apiKey).toEqual({ set: true, last4: '3456' })
    })
  })

  describe('installing with settings', () => {
    it('stores them; the event shows them', async () => {
      const id = await world.application({ properties, permissions: both })
      const answer = await install(id, { settings: { color: 'red', welcomeAmount: 7 } })
      expect([answer.status, answer.body.settings]).toEqual([201, { color: 'red', welcomeAmount: 7 }])
      const [event] = await world.events(id)
      expect(event!.payload).toMatchObject({ _embedded: { applicationInstance: { settings: { color: 'red' } } } })
      expect((await write(id, { color: 'green' })).status).toBe(200)
    })

    it('does not install when they are wrong', async () => {
      const id = await world.application({ properties, permissions: both })
      const refused = await install(id, { settings: { color: 'blue' } })
      expect([refused.status, refused.body.code]).toEqual([422, 'invalid_settings'])
      expect((await read(id)).status).toBe(404)
      expect(await world.events(id)).toEqual([])
    })

    it('changes them in a later PUT; empty ones change nothing', async () => {
      const id = await world.application({ properties, permissions: both })
      await install(id, { settings: { color: 'red' } })
      for (const settings of [{}, [], null]) {
        expect((await install(id, { settings })).body.settings.color).toBe('red')
      }
      const changed = await install(id, { settings: { color: 'green' } })
      expect([changed.status, changed.body.settings.color]).toEqual([200, 'green'])
    })
  })

  describe('configuredBy', () => {
    it('user: only people write; both read', async () => {
      const id = await installed()
      const token = await appToken(id)
      const refused = await write(id, { color: 'red' }, token)
      expect([refused.status, refused.body.code]).toEqual([403, 'caller_not_allowed'])
      expect((await read(id, token)).status).toBe(200)
    })

    it('application: only the application writes, also not by way of the instance; both read', async () => {
      const id = await installed({ configurationUrl: 'https://app.example/settings' })
      const token = await appToken(id)
      expect((await write(id, { color: 'red' })).body.code).toBe('caller_not_allowed')
      expect((await install(id, { settings: { color: 'red' } })).body.code).toBe('caller_not_allowed')
      const written = await write(id, { color: 'red', apiKey: secret }, token)
      expect([written.status, written.body.settings.apiKey]).toEqual([201, secret])
      expect((await read(id)).body.settings.apiKey).toEqual({ set: true, last4: '3456' })
      const back = await install(id, await instance(id))
      expect([back.status, back.body.settings.color]).toEqual([200, 'red'])
    })

    it('application without a schema: configured once it has written', async () => {
      const id = await world.application({ permissions: both, configurationUrl: 'https://app.example/settings' })
      await install(id)
      expect((await instance(id)).isConfigured).toBe(false)
      await write(id, {}, await appToken(id))
      expect((await instance(id)).isConfigured).toBe(true)
    })
  })

  it('answers an application’s token for its own installation alone', async () => {
    const [mine, other] = [await installed(), await installed()]
    const token = await appToken(mine)
    const foreign = await read(other, token)
    expect([foreign.status, foreign.body.message]).toEqual([404, (await read('app_unknown', token)).body.message])
    expect((await write(other, { color: 'red' }, token)).status).toBe(404)
  })
})
