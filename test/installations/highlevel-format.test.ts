import { beforeAll, expect, it } from 'vitest'
import { inTransaction } from '../../core/src/database/index.ts'
import { publish } from '../../core/src/events/index.ts'
import { versionIdOf } from '../../core/src/kernel/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type World } from './world.ts'

// What an endpoint of HighLevel's format is told of an installation's life. Time moves between steps, as it does outside.
eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })

  async function open(options: { acknowledges?: boolean; location?: boolean } = {}) {
    const id = await world.application({ acknowledges: options.acknowledges ?? false })
    const body = { url: 'https://app.example/hook', events: ['*'], applicationId: id, format: 'highlevel' }
    const endpoint = await world.request('POST', '/developers/webhooks/endpoints', {
      token: world.publisher.token,
      body,
    })
    const merchant = await world.tenant('Mo & Söhne')
    const locationId = options.location ? await world.location(merchant.organizationId) : null
    const place = locationId === null ? '' : `/organizations/${merchant.organizationId}/locations/${locationId}`
    const act = async (method: string, path = '') => {
      world.advance(60)
      const answer = await world.request(method, `${place}/application-instances/${id}${path}`, {
        token: merchant.token,
      })
      expect(answer.status).toBeLessThan(300)
      return answer.body as { status: string }
    }
    /** What was told, the oldest first, as the publisher sees it. */
    const told = async () => {
      const at = `/developers/webhooks/endpoints/${endpoint.body.id}/events`
      const { body: items } = await world.request('GET', at, { token: world.publisher.token })
      return (items as { payload: Record<string, unknown> }[]).map(({ payload }) => payload).reverse()
    }
    const types = async () => (await told()).map(({ type }) => type)
    return { id, merchant, locationId, act, told, types }
  }

  it('tells an installation on an organization as the company’s', async () => {
    const { id, merchant, act, told } = await open()
    await act('PUT')
    await act('DELETE')
    const [installed, removed] = await told()
    const uuid = expect.stringMatching(/^[0-9a-f-]{36}$/) as string
    expect(installed).toEqual({
      type: 'INSTALL',
      appId: id,
      versionId: expect.stringMatching(new RegExp(`^${id}\\.\\d+$`)) as string,
      installType: 'Company',
      companyId: merchant.organizationId,
      userId: merchant.userId,
      trial: {},
      companyName: 'Mo & Söhne',
      isWhitelabelCompany: false,
      webhookId: uuid,
    })
    expect(removed).toEqual({ type: 'UNINSTALL', appId: id, companyId: merchant.organizationId, webhookId: uuid })
    expect(removed!.webhookId).not.toBe(installed!.webhookId)
  })

  it('tells an installation on a location with both ids', async () => {
    const { id, merchant, locationId, act, told } = await open({ location: true })
    await act('PUT')
    await act('DELETE')
    const both = { appId: id, companyId: merchant.organizationId, locationId }
    expect(await told()).toMatchObject([
      { type: 'INSTALL', installType: 'Location', ...both },
      { type: 'UNINSTALL', ...both },
    ])
  })

  it('tells nothing of switching off and on again', async () => {
    const { act, types } = await open()
    await act('PUT')
    await act('POST', '/disable')
    await act('POST', '/enable')
    await act('PUT')
    expect(await types()).toEqual(['INSTALL'])
    await act('DELETE')
    await act('PUT')
    expect(await types()).toEqual(['INSTALL', 'UNINSTALL', 'INSTALL'])
  })

  it('is switched off at once where only HighLevel’s format listens, since nobody is told', async () => {
    const { act } = await open()
    await act('PUT')
    await act('POST', '/disable')
    expect((await act('GET')).status).toBe('disabled')
  })

  it('tells of an uninstallation of what was off already', async () => {
    const { act, types } = await open()
    await act('PUT')
    await act('POST', '/disable')
    await act('DELETE')
    expect(await types()).toEqual(['INSTALL', 'UNINSTALL'])
  })

  it('tells what waits for an acknowledgement, be it only switched on again', async () => {
    const { id, act, types } = await open({ acknowledges: true })
    expect((await act('PUT')).status).toBe('enabling')
    await world.delivered((await world.events(id)).at(-1)!)
    expect((await act('GET')).status).toBe('enabled')
    await act('POST', '/disable')
    await act('POST', '/enable')
    expect((await act('GET')).status).toBe('enabling')
    expect(await types()).toEqual(['INSTALL', 'INSTALL'])
  })

  it('tells of another version by the ids of both', async () => {
    const { id, merchant, act, told } = await open()
    await act('PUT')
    const tenant = { organizationId: merchant.organizationId, locationId: null, environment: 'production' } as const
    const data = { applicationId: id, installationId: 'ins_1', ...tenant, version: 8, previousVersion: 7, pending: [] }
    await inTransaction(world.db, (trx) =>
      publish(world.ctx, trx, {
        type: 'installation.updated',
        publisherId: world.publisher.organizationId,
        applicationId: id,
        ...tenant,
        payload: {
          type: 'installation.updated',
          timestamp: '2026-03-01T12:00:00.000Z',
          data: { ...data, permissions: [] },
        },
      }),
    )
    expect((await told())[1]).toMatchObject({
      type: 'UPDATE',
      versionId: versionIdOf(id, 8),
      previousVersionId: versionIdOf(id, 7),
      installType: 'Company',
      companyName: 'Mo & Söhne',
    })
  })
})
