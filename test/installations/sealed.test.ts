import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createSecretBox, type SecretBox } from '../../core/src/kernel/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type World } from './world.ts'

const properties = {
  type: 'object',
  properties: {
    color: { type: 'string' },
    apiKey: { type: 'string', writeOnly: true, minLength: 4 },
    pin: { type: 'integer', writeOnly: true },
  },
  required: ['apiKey'],
}
const both = ['GetApplicationInstanceConfiguration', 'PutApplicationInstanceConfiguration']
const apiKey = 'sk_live_abcdef123456'
const masked = { color: 'red', apiKey: { set: true, last4: '3456' }, pin: { set: true, last4: null } }

eachDatabase((database) => {
  let world: World
  let opened = 0
  let box: SecretBox
  beforeAll(async () => {
    world = await openWorld(database)
    box = world.ctx.secretBox
  })
  beforeEach(() => {
    opened = 0
    use({ ...box, open: (sealed, context) => (opened++, box.open(sealed, context)) })
  })

  const use = (secretBox: SecretBox) => Object.assign(world.ctx, { secretBox })
  const loseKey = () => use(createSecretBox(['another secret, because the first was lost']))
  const asMerchant = (method: string, path: string, body?: unknown) =>
    world.request(method, path, { token: world.merchant.token, body })
  const instance = (id: string) => `/application-instances/${id}`
  const configuration = (id: string) => `${instance(id)}/configuration`
  const ownerList = (id: string) =>
    world.request('GET', `/applications/${id}/instances`, { token: world.publisher.token })
  const appRead = async (id: string) => {
    const path = `/applications/${id}/instances/${world.merchant.organizationId}`
    const { token } = (await world.request('GET', path, { token: world.publisher.token })).body
    return world.request('GET', configuration(id), { token })
  }
  async function configured(settings: object = { color: 'red', apiKey, pin: 1234 }): Promise<string> {
    const id = await world.application({ properties, permissions: both })
    expect((await asMerchant('PUT', instance(id), { settings })).status).toBe(201)
    return id
  }

  describe('sealed settings', () => {
    it('are opened for the application alone, and never to be shown masked', async () => {
      const id = await configured()
      const [one, settings, all, owner] = [
        await asMerchant('GET', instance(id)),
        await asMerchant('GET', configuration(id)),
        await asMerchant('GET', '/application-instances'),
        await ownerList(id),
      ]
      expect(one.body).toMatchObject({ isConfigured: true, settings: masked })
      expect(settings.body.settings).toEqual(masked)
      expect(all.body.at(-1).settings).toEqual(masked)
      expect(owner.body[0].settings).toEqual(masked)
      expect(opened).toBe(0)
      expect((await appRead(id)).body.settings).toEqual({ color: 'red', apiKey, pin: 1234 })
      expect(opened).toBe(1)
    })

    it('are opened by a PUT only when it keeps some of them', async () => {
      const id = await configured()
      await asMerchant('PUT', configuration(id), { settings: { color: 'red', apiKey: `${apiKey}7`, pin: null } })
      expect(opened).toBe(0)
      await asMerchant('PUT', configuration(id), { settings: { color: 'green' } })
      expect(opened).toBe(1)
      expect((await appRead(id)).body.settings).toEqual({ color: 'green', apiKey: `${apiKey}7` })
    })

    it('are not opened by an instance that is put back as it was read', async () => {
      const id = await configured()
      const back = await asMerchant('PUT', instance(id), (await asMerchant('GET', instance(id))).body)
      expect([back.status, back.body.settings, opened]).toEqual([200, masked, 0])
    })

    it('follow the newest schema: what is missing by it, and what is no secret any more', async () => {
      const id = await configured()
      const revise = async (changes: object) => {
        const { token } = world.publisher
        const body = { properties: { ...properties, ...changes } }
        expect((await world.request('POST', `/applications/${id}/submit`, { token, body })).status).toBe(200)
        await world.review(id, 'approve')
        return (await asMerchant('GET', instance(id))).body
      }
      expect(await revise({ title: 'Another title' })).toMatchObject({ isConfigured: true, settings: masked })
      expect(await revise({ required: ['apiKey', 'size'] })).toMatchObject({ isConfigured: false })
      const open = { ...properties.properties, apiKey: { type: 'string' } }
      const shown = await revise({ properties: open, required: [] })
      expect(shown.settings).toEqual({ color: 'red', pin: masked.pin })
      expect(opened).toBe(0)
    })
  })

  describe('when the key is lost', () => {
    it('everything can still be shown, put back, disabled and uninstalled', async () => {
      const id = await configured()
      loseKey()
      expect((await asMerchant('GET', '/application-instances')).status).toBe(200)
      expect((await ownerList(id)).body[0].settings).toEqual(masked)
      const { body } = await asMerchant('GET', instance(id))
      expect((await asMerchant('PUT', instance(id), body)).status).toBe(200)
      expect((await asMerchant('POST', `${instance(id)}/disable`)).body.settings).toEqual(masked)
      expect((await asMerchant('POST', `${instance(id)}/enable`)).body.status).toBe('enabled')
      expect((await asMerchant('DELETE', instance(id))).status).toBe(204)
    })

    it('secrets that are entered anew work again', async () => {
      const id = await configured()
      loseKey()
      await expect(appRead(id)).rejects.toThrow(/key this host does not have/)
      const settings = { color: 'red', apiKey, pin: 1 }
      expect((await asMerchant('PUT', configuration(id), { settings })).status).toBe(200)
      expect((await appRead(id)).body.settings).toEqual(settings)
    })
  })
})
