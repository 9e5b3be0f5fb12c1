import { demoLogo } from '@stoa/core/testing'
import * as rebilly from 'rebilly-js-sdk'
import { Webhook as StandardWebhook } from 'standardwebhooks'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openHost, type OpenedHost } from '../support/host.ts'
import { openReceiver, until, type Receiver } from './support.ts'

// Its type declarations name a default export that the module does not have.
// oxlint-disable-next-line typescript/no-explicit-any -- the tests read members that its types leave out
const { RebillyAPI } = rebilly as unknown as { RebillyAPI: (options: object) => any }

eachDatabase((database) => {
  let host: OpenedHost
  let receiver: Receiver
  let author: ReturnType<typeof RebillyAPI>

  const sdk = (apiKey: string | null, organizationId?: string) =>
    RebillyAPI({
      ...(apiKey && { apiKey }),
      ...(organizationId && { organizationId }),
      sandbox: true,
      urls: { live: host.url, sandbox: host.url },
    })

  beforeAll(async () => {
    host = await openHost(database, { rateLimit: { requests: 100_000 } })
    const { publisher } = host.world
    author = sdk(publisher.apiKey, publisher.organizationId)
  }, 120_000)
  beforeEach(async () => {
    receiver = await openReceiver()
    for (const { fields } of (await author.webhooks.getAll()).items) await author.webhooks.delete({ id: fields.id })
  })

  const hostOf = (url: string) => new URL(url).host
  const data = (more: object = {}) => ({
    eventsFilter: ['application.disabled', 'application.enabled'],
    status: 'active',
    method: 'POST',
    url: receiver.url,
    headers: [{ name: 'x-own', value: 'mine', status: 'active' }],
    ...more,
  })
  const basic = (more: object = {}) => ({
    host: hostOf(receiver.url),
    auth: { type: 'basic', username: 'ann', password: 'pass word', ...more },
  })
  async function makeEvents() {
    for (const verb of ['disable', 'enable']) {
      await host.call('POST', `/applications/${host.world.application.id}/${verb}`, {
        token: host.world.operator.apiKey,
        ...(verb === 'disable' && { body: { reason: 'a test' } }),
      })
    }
  }
  const failure = (promise: Promise<unknown>) =>
    promise.then(
      () => ({ name: 'none', status: 0, invalidFields: [] as { field: string }[] }),
      (error: { name: string; status: number; invalidFields: { field: string }[] }) => error,
    )

  describe('Rebilly’s SDK', () => {
    it('creates, reads, lists, changes and deletes webhooks', async () => {
      const created = await author.webhooks.create({ data: data() })
      expect(created.response.status).toBe(201)
      const { secret, ...fields } = created.fields
      expect(fields).toMatchObject({
        eventsFilter: ['application.disabled', 'application.enabled'],
        status: 'active',
        method: 'POST',
        url: receiver.url,
        headers: [{ name: 'x-own', value: '********', status: 'active' }],
        credentialHash: null,
        body: null,
        filter: null,
      })
      const { id } = fields
      expect((await author.webhooks.get({ id })).fields).toEqual(fields)
      const all = await author.webhooks.getAll({ limit: 10 })
      expect(all.items.map((each: { fields: object }) => each.fields)).toEqual([fields])
      expect(all.total).toBe(1)

      await makeEvents()
      await until(() => receiver.received.length === 2)
      const [{ headers, body }] = receiver.received as unknown as [{ headers: Record<string, string>; body: string }]
      expect(headers['x-own']).toBe('mine')
      expect(new StandardWebhook(secret).verify(body, headers)).toBeTruthy()

      const changed = await author.webhooks.update({ id, data: { ...fields, status: 'inactive', eventsFilter: [] } })
      expect(changed.response.status).toBe(200)
      expect(changed.fields).toMatchObject({ id, status: 'inactive', eventsFilter: [], headers: fields.headers })
      // One and the same endpoint behind both doors.
      const { body: endpoint } = await host.call('GET', `/developers/webhooks/endpoints/${id}`, {
        token: host.world.publisher.apiKey,
      })
      expect(endpoint).toMatchObject({ events: ['*'], status: 'DISABLED', format: 'rebilly', url: receiver.url })
      await author.webhooks.delete({ id })
      expect((await failure(author.webhooks.get({ id }))).name).toBe('RebillyNotFoundError')
    })

    it('creates a webhook with an id of its own, once, and finds it by that', async () => {
      const created = await author.webhooks.create({ id: 'my-hook', data: data() })
      expect([created.response.status, created.fields.id]).toEqual([201, 'my-hook'])
      expect((await author.webhooks.get({ id: 'my-hook' })).fields.url).toBe(receiver.url)
      expect((await failure(author.webhooks.create({ id: 'my-hook', data: data() }))).name).toBe('RebillyConflictError')
      const changed = await author.webhooks.update({ id: 'my-hook', data: data({ method: 'PUT', headers: [] }) })
      expect([changed.response.status, changed.fields.method, changed.fields.headers]).toEqual([200, 'PUT', []])
      // Another organization has its own of that name, and neither sees the other's.
      const { organization } = host.world
      const merchant = sdk(organization.apiKey, organization.id)
      expect((await failure(merchant.webhooks.get({ id: 'my-hook' }))).name).toBe('RebillyNotFoundError')
      const theirs = await merchant.webhooks.create({ id: 'my-hook', data: data({ eventsFilter: [] }) })
      expect([theirs.response.status, theirs.fields.method]).toEqual([201, 'POST'])
      await merchant.webhooks.delete({ id: 'my-hook' })
      expect((await author.webhooks.get({ id: 'my-hook' })).fields.method).toBe('PUT')
      // The name is free again once it is deleted, and one that the host makes is nobody's to give.
      await author.webhooks.delete({ id: 'my-hook' })
      expect((await author.webhooks.create({ id: 'my-hook', data: data() })).response.status).toBe(201)
      const made = `whe_${'0'.repeat(32)}`
      expect((await failure(author.webhooks.update({ id: made, data: data() }))).name).toBe('RebillyNotFoundError')
    })

    it('stores credentials, is led to the one there is, and never sees a password', async () => {
      const created = await author.serviceCredentials.create({ type: 'webhook', data: basic() })
      expect(created.response.status).toBe(201)
      expect(created.fields).toMatchObject({
        type: 'webhook',
        host: hostOf(receiver.url),
        auth: { type: 'basic', username: 'ann' },
        status: 'active',
      })
      const { id } = created.fields
      const again = await author.serviceCredentials.create({ type: 'webhook', data: basic() })
      expect([again.response.status, again.fields]).toEqual([200, created.fields])
      for (const more of [{ password: 'other' }, { username: 'bob' }, { type: 'digest' }]) {
        const other = await author.serviceCredentials.create({ type: 'webhook', data: basic(more) })
        expect([other.response.status, other.fields.id === id]).toEqual([201, false])
      }
      const list = await author.serviceCredentials.getAll({ type: 'webhook', filter: 'status:active' })
      expect(list.total).toBe(4)
      expect((await author.serviceCredentials.get({ type: 'webhook', id })).fields).toEqual(created.fields)
      expect(JSON.stringify([created.fields, list.items])).not.toMatch(/pass word|other/)

      const webhook = await author.webhooks.create({ data: data({ credentialHash: id }) })
      expect(webhook.fields.credentialHash).toBe(id)
      const changed = await author.serviceCredentials.update({
        type: 'webhook',
        id,
        data: { ...created.fields, auth: { type: 'basic', username: 'eve', password: 'third' } },
      })
      expect(changed.fields.auth).toEqual({ type: 'basic', username: 'eve' })
      for (const body of [{ status: 'inactive' }, { host: 'other.example' }]) {
        const refused = await failure(author.serviceCredentials.update({ type: 'webhook', id, data: body }))
        expect(refused.name).toBe('RebillyConflictError')
      }
      await author.webhooks.delete({ id: webhook.fields.id })
      const { publisher } = host.world
      const off = await host.call('POST', `/service-credentials/webhook/${id}/deactivation`, {
        token: publisher.apiKey,
      })
      expect([off.status, off.body.status]).toEqual([200, 'inactive'])
      expect(
        (await failure(author.webhooks.create({ data: data({ credentialHash: id }) }))).invalidFields,
      ).toMatchObject([{ field: 'credentialHash' }])
    })
  })

  it('makes one credential of many that are the same and come at once, and answers the others with 303', async () => {
    const token = host.world.publisher.apiKey
    const body = basic({ password: 'at once' })
    const answers = await Promise.all(
      Array.from({ length: 6 }, () => host.call('POST', '/service-credentials/webhook', { token, body })),
    )
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
    expect(answers.filter(({ status }) => status === 303)).toHaveLength(5)
    const places = new Set(answers.map(({ headers }) => headers.get('location')))
    expect(places.size).toBe(1)
    const [place] = places
    expect((await fetch(place!, { headers: { 'REB-APIKEY': token } })).status).toBe(200)
  })

  it('refuses what does not fit, in Rebilly’s words', async () => {
    const refused = async (more: object) => {
      const answer = await failure(author.webhooks.create({ data: data(more) }))
      return [answer.name, answer.invalidFields[0]?.field]
    }
    const invalid = (field: string) => ['RebillyValidationError', field]
    const { id: credentialHash } = (
      await author.serviceCredentials.create({ type: 'webhook', data: { ...basic(), host: 'elsewhere.example' } })
    ).fields
    expect(await refused({ eventsFilter: ['nothing.of-the-kind'] })).toEqual(invalid('eventsFilter.0'))
    expect(await refused({ filter: 'a:b' })).toEqual(invalid('filter'))
    expect(await refused({ url: 'http://169.254.169.254/' })).toEqual(invalid('url'))
    expect(await refused({ method: 'TRACE' })).toEqual(invalid('method'))
    expect(await refused({ body: 'a={{b}}' })).toEqual(invalid('body'))
    expect(await refused({ credentialHash: 'cred_unknown' })).toEqual(invalid('credentialHash'))
    expect(await refused({ credentialHash })).toEqual(invalid('credentialHash'))
    expect(await refused({ headers: [{ name: 'host', value: 'x' }] })).toEqual(invalid('headers.0.name'))
    const credential = async (body: object) =>
      (await failure(author.serviceCredentials.create({ type: 'webhook', data: body }))).invalidFields[0]?.field
    expect(await credential({ host: 'a b', auth: { type: 'none' } })).toBe('host')
    expect(await credential({ host: 'a.example', auth: { type: 'basic', username: 'a' } })).toBe('auth.password')
    expect(await credential({ host: 'a.example', auth: { type: 'basic', password: 'a' } })).toBe('auth.username')
    expect(await credential({ host: 'a.example', auth: { type: 'basic', username: 'a:b', password: 'a' } })).toBe(
      'auth.username',
    )
    expect(await credential({ host: 'a.example', auth: { type: 'basic', username: 'a', password: 'a\nb' } })).toBe(
      'auth.password',
    )
  })

  it('keeps the credential’s host when the url is changed behind the other door', async () => {
    const { fields } = await author.serviceCredentials.create({ type: 'webhook', data: basic({ password: 'kept' }) })
    const webhook = await author.webhooks.create({ data: data({ credentialHash: fields.id }) })
    const other = await openReceiver()
    const answer = await host.call('PATCH', `/developers/webhooks/endpoints/${webhook.fields.id}`, {
      token: host.world.publisher.apiKey,
      body: { url: other.url },
    })
    expect([answer.status, answer.body.code]).toEqual([422, 'validation_failed'])
  })

  it('takes 25 active webhooks and no more, also of those that come at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 27 }, () =>
        failure(author.webhooks.create({ data: data({ eventsFilter: ['charge.refunded'] }) })),
      ),
    )
    expect(answers.filter(({ name }) => name === 'none')).toHaveLength(25)
    expect(answers.filter(({ name }) => name === 'RebillyConflictError')).toHaveLength(2)
  })

  describe('an installed application', () => {
    let applicationId: string
    let merchantKey: string

    beforeAll(async () => {
      const { world } = host
      merchantKey = world.organization.apiKey
      const logo = await author.files.upload({ fileObject: demoLogo() })
      const application = await author.applications.create({
        data: {
          name: 'Hello World',
          logoId: logo.fields.id,
          authorName: 'A',
          tagline: 't',
          description: 'd',
          permissions: [
            'PostServiceCredential',
            'PostWebhook',
            'GetWebhook',
            'PutWebhook',
            'GetApplicationInstanceConfiguration',
          ],
        },
      })
      applicationId = application.fields.id
      await host.operator.approveApplication({ params: { id: applicationId } })
      await sdk(merchantKey, world.organization.id).applicationInstances.upsert({ applicationId })
    })

    const tokenOf = async () => {
      const { organization } = host.world
      const answer = await host.call('GET', `/applications/${applicationId}/instances/${organization.id}`, {
        token: host.world.publisher.apiKey,
        headers: { 'Content-Type': 'application/json' },
      })
      return answer.body.token as string
    }

    it('follows Rebilly’s hello-world: its token, bare paths, Content-Type without a body, a misspelt Accept', async () => {
      const token = await tokenOf()
      const headers = { 'Content-Type': 'application/json', Accepts: 'application/json' }
      const credential = await host.call('POST', '/service-credentials/webhook', {
        token,
        headers,
        body: { host: hostOf(receiver.url), auth: { type: 'none' } },
      })
      expect([credential.status, credential.body.auth]).toEqual([201, { type: 'none' }])
      const again = await host.call('POST', '/service-credentials/webhook', {
        token,
        headers,
        body: { host: hostOf(receiver.url), auth: { type: 'none' } },
      })
      expect(again.status).toBe(303)
      const led = await fetch(again.headers.get('location')!, {
        headers: { ...headers, Authorization: `Bearer ${token}` },
      })
      expect([led.status, ((await led.json()) as { id: string }).id]).toEqual([200, credential.body.id])

      const webhook = await host.call('POST', '/webhooks', {
        token,
        headers,
        body: {
          eventsFilter: ['charge.created'],
          method: 'POST',
          status: 'active',
          url: receiver.url,
          credentialHash: credential.body.id,
        },
      })
      expect(webhook.status).toBe(201)
      const configuration = await host.call('GET', `/application-instances/${applicationId}/configuration`, {
        token,
        headers,
      })
      expect(configuration.status).toBe(200)
      const own = sdk(null)
      own.setSessionToken(token)
      expect((await own.webhooks.getAll()).items).toHaveLength(1)
      expect((await own.webhooks.get({ id: webhook.body.id })).fields.credentialHash).toBe(credential.body.id)
      const changed = await own.webhooks.update({ id: webhook.body.id, data: { ...webhook.body, status: 'inactive' } })
      expect(changed.fields.status).toBe('inactive')
    })

    it('sees its own alone; the organization sees both, and can turn its off but not point it elsewhere', async () => {
      const token = await tokenOf()
      const { organization } = host.world
      const merchant = sdk(merchantKey, organization.id)
      const theirs = (await merchant.webhooks.create({ data: data({ eventsFilter: [] }) })).fields
      const secretOfTheirs = (await merchant.serviceCredentials.create({ type: 'webhook', data: basic() })).fields
      const own = (await host.call('POST', '/webhooks', { token, body: data({ eventsFilter: [] }) })).body
      for (const [method, path] of [
        ['GET', `/webhooks/${theirs.id}`],
        ['GET', `/service-credentials/webhook/${secretOfTheirs.id}`],
      ] as const) {
        expect((await host.call(method, path, { token })).status).toBe(404)
      }
      expect((await host.call('PUT', `/webhooks/${theirs.id}`, { token, body: data() })).status).toBe(404)
      const used = await host.call('POST', '/webhooks', { token, body: data({ credentialHash: secretOfTheirs.id }) })
      expect([used.status, used.body.invalidFields[0].field]).toEqual([422, 'credentialHash'])

      const place = `/developers/webhooks/endpoints/${own.id}`
      const seen = await host.call('GET', place, { token: merchantKey })
      expect(seen.body).toMatchObject({ applicationId, organizationId: organization.id, format: 'rebilly' })
      expect(seen.body.installationId).toBeTruthy()
      const moved = await host.call('PATCH', place, { token: merchantKey, body: { url: 'https://example.com/' } })
      expect([moved.status, moved.body.code]).toEqual([403, 'caller_not_allowed'])
      const rotated = await host.call('POST', `${place}/secret`, { token: merchantKey, body: {} })
      expect(rotated.status).toBe(403)
      const off = await host.call('PATCH', place, { token: merchantKey, body: { status: 'DISABLED' } })
      expect([off.status, off.body.status]).toEqual([200, 'DISABLED'])
      expect((await host.call('DELETE', place, { token: merchantKey })).status).toBe(204)
      // The author’s own doors are for people and keys.
      expect((await host.call('GET', '/developers/webhooks/endpoints', { token })).body.code).toBe('caller_not_allowed')
      await merchant.webhooks.delete({ id: theirs.id })
    })

    it('leaves nothing behind that is sent when it is uninstalled, and begins anew when it is installed again', async () => {
      const { organization } = host.world
      const merchant = sdk(merchantKey, organization.id)
      const made = await host.call('POST', '/webhooks', { token: await tokenOf(), body: data({ eventsFilter: [] }) })
      const credential = await host.call('POST', '/service-credentials/webhook', {
        token: await tokenOf(),
        body: basic({ username: 'bob' }),
      })
      await merchant.applicationInstances.delete({ applicationId })
      const place = `/developers/webhooks/endpoints/${made.body.id}`
      expect((await host.call('GET', place, { token: merchantKey })).status).toBe(404)
      const left = await host.call('GET', `/service-credentials/webhook/${credential.body.id}`, { token: merchantKey })
      expect(left.body.status).toBe('inactive')

      await merchant.applicationInstances.upsert({ applicationId })
      const again = await host.call('POST', '/webhooks', { token: await tokenOf(), body: data({ eventsFilter: [] }) })
      expect(again.status).toBe(201)
    })

    it('needs the permission that it was granted', async () => {
      const answer = await host.call('DELETE', '/webhooks/whe_1', { token: await tokenOf() })
      expect([answer.status, answer.body.code]).toEqual([403, 'missing_permission'])
    })
  })
})
