import { expect, it } from 'vitest'
import { parseConfig } from '../../core/src/config.ts'
import { createReplayWorker } from '../../core/src/deliveries/index.ts'
import {
  createEventTypes,
  embedderTypes,
  ownEventTypes,
  publishMany,
  type InstalledPlace,
  type NewEvent,
} from '../../core/src/events/index.ts'
import type { Caller } from '../../core/src/http/index.ts'
import { orderTypes } from '../events/embedder.ts'
import { openEvents, publisher } from '../events/support.ts'
import { eachDatabase } from '../support/databases.ts'
import { performer } from './support.ts'

const since = () => new Date(Date.now() - 3600_000).toISOString()
const yesterday = () => new Date(Date.now() - 86_400_000).toISOString()

eachDatabase((database) => {
  async function open() {
    const opened = await openEvents(database)
    const { ctx } = opened
    const { eventTypes } = parseConfig({ secret: 's'.repeat(32), eventTypes: orderTypes })
    ctx.eventTypes = createEventTypes([...ownEventTypes, ...embedderTypes(eventTypes)])
    // What the events say is not the matter here.
    Object.assign(ctx, { config: { ...ctx.config, mode: 'production' } })
    const installed: InstalledPlace[] = []
    const asked: object[] = []
    ctx.installationsOf = (_db, of) => {
      asked.push(of)
      return Promise.resolve(
        installed.filter((at) =>
          'installationId' in of ? at.installationId === of.installationId : at.publisherId === of.publisherId,
        ),
      )
    }
    ctx.installationsAt = () => {
      throw new Error('asked for a place')
    }
    const install = (at: Partial<InstalledPlace> = {}) =>
      installed.push({
        installationId: `ins_${installed.length + 1}`,
        applicationId: 'app_one',
        publisherId: publisher,
        organizationId: 'org_merchant',
        locationId: null,
        permissions: new Set(['orders:index']),
        installedTime: yesterday(),
        ...at,
      })
    const happen = async (event: Partial<NewEvent<string>> = {}) => {
      const before = ctx.installationsAt
      ctx.installationsAt = () => Promise.resolve([])
      const [id] = await ctx.db.transaction((trx) =>
        publishMany(ctx, trx, [
          {
            type: 'order.created',
            publisherId: null,
            applicationId: null,
            organizationId: 'org_merchant',
            locationId: 'loc_1',
            environment: 'production',
            payload: {},
            ...event,
          },
        ]),
      )
      ctx.installationsAt = before
      return id!
    }
    const perform = performer(ctx)
    const worker = createReplayWorker(ctx)
    const { addEndpoint, clock } = opened
    const create = async (endpointId: string, caller: Partial<Caller> = {}, given: object = {}): Promise<string> => {
      const body = { kind: 'missing', since: since(), ...given }
      return (await perform('createWebhookReplay', { caller, params: { id: endpointId }, body })).id as string
    }
    const see = (id: string, caller: Partial<Caller> = {}) => perform('getWebhookReplay', { caller, params: { id } })
    const finish = async (id: string, caller: Partial<Caller> = {}) => {
      for (let page = 0; page < 50 && (await see(id, caller)).state === 'running'; page++) {
        await worker.runDue()
        clock.advance(1)
      }
      return see(id, caller)
    }
    const told = async (endpointId: string) => {
      const rows = await ctx.db('stoa_deliveries').where({ endpoint_id: endpointId }).orderBy('event_id')
      return (rows as { event_id: string }[]).map((row) => row.event_id)
    }
    /** The ids of the events that a new endpoint is told, and the replay at its end. */
    const replay = async (caller: Partial<Caller> = {}, body: object = {}, events = ['*']) => {
      const { id } = await addEndpoint({ url: 'http://127.0.0.1:9/', caller, events })
      return { replay: await finish(await create(id, caller, body), caller), told: await told(id) }
    }
    return { ...opened, worker, asked, install, happen, create, see, finish, told, replay }
  }

  it('tells a publisher what happened where its application is installed, and of others not even how much', async () => {
    const { install, happen, replay, asked } = await open()
    install()
    install({ organizationId: 'org_cafe', locationId: 'loc_9' })
    install({ organizationId: 'org_silent', permissions: new Set() })
    install({ organizationId: 'org_third', publisherId: 'org_other', applicationId: 'app_other' })
    const wanted = [await happen(), await happen({ organizationId: 'org_cafe', locationId: 'loc_9' })]
    await happen({ organizationId: 'org_cafe', locationId: 'loc_8' })
    await happen({ type: 'note.made' })
    for (const organizationId of ['org_silent', 'org_third', 'org_nobody']) await happen({ organizationId })
    await happen({ environment: 'sandbox' })

    const { told, replay: done } = await replay()

    expect(told).toEqual(wanted)
    expect(done).toMatchObject({ state: 'done', queued: 2, lookedAt: 2 })
    expect(done).not.toHaveProperty('cursor')
    expect(asked).toEqual([{ publisherId: publisher }])
  })

  it('does not fetch what happened before an application was installed', async () => {
    const { install, happen, replay } = await open()
    await happen()
    await new Promise((resolve) => setTimeout(resolve, 5))
    install({ installedTime: new Date().toISOString() })
    const after = await happen()
    expect((await replay()).told).toEqual([after])
  })

  it('tells an endpoint of an installation what happened there since, and of the organization nothing else', async () => {
    const { install, happen, replay } = await open()
    const organizationId = 'org_other'
    await happen({ organizationId })
    await new Promise((resolve) => setTimeout(resolve, 5))
    install({ organizationId, locationId: 'loc_1', installedTime: new Date().toISOString() })
    const wanted = await happen({ organizationId })
    await happen({ organizationId, locationId: 'loc_2' })
    await happen({ organizationId, type: 'note.made' })
    await happen({ organizationId: 'org_elsewhere', publisherId: organizationId })
    const application = { applicationId: 'app_one', installationId: 'ins_1', rateLimit: null }
    const { told, replay: done } = await replay({ organizationId, application })
    expect(told).toEqual([wanted])
    expect(done).toMatchObject({ queued: 1, lookedAt: 1 })
  })

  it('keeps the order over pages and more places than a statement takes', async () => {
    const { install, happen, replay } = await open()
    for (let n = 0; n < 230; n++) install({ organizationId: `org_${n}` })
    const wanted: string[] = []
    for (let n = 0; n < 240; n++) wanted.push(await happen({ organizationId: `org_${(n * 97) % 230}` }))
    const { told, replay: done } = await replay({}, { perSecond: 20 })
    expect(told).toEqual(wanted)
    expect(done).toMatchObject({ state: 'done', lookedAt: 240, queued: 240 })
  }, 60_000)

  it('does not tell an endpoint what became of itself, as publishing does not', async () => {
    const { addEndpoint, happen, create, finish, told } = await open()
    const { id: itself } = await addEndpoint({ url: 'http://127.0.0.1:9/', status: 'DISABLED' })
    const of = (type: string, endpointId: string, notTo?: string) =>
      happen({ type, organizationId: publisher, payload: { data: { endpointId } }, ...(notTo && { notTo }) })
    await of('endpoint.disabled', itself, itself)
    await of('delivery.exhausted', itself, itself)
    const other = await of('endpoint.disabled', 'whe_other', itself)
    await finish(await create(itself))
    expect(await told(itself)).toEqual([other])
  })

  it('tries a page that fails again, later each time, and gives up at the fifth', async () => {
    const { ctx, addEndpoint, happen, create, see, worker, clock, told } = await open()
    const { id: endpointId } = await addEndpoint({ url: 'http://127.0.0.1:9/', events: ['*'] })
    await happen({ organizationId: publisher })
    await ctx.db('stoa_deliveries').delete()
    const works = ctx.installationsOf
    ctx.installationsOf = () => Promise.reject(new Error('broken'))
    const id = await create(endpointId)
    const failures = async (...delays: number[]) => {
      await worker.runDue()
      for (const delay of delays) {
        clock.advance(delay - 1)
        expect(await worker.runDue()).toBe(0)
        clock.advance(1)
        expect(await worker.runDue()).toBe(1)
      }
    }
    await failures(30, 60, 120)
    expect(await see(id)).toMatchObject({ state: 'running', reason: null })
    await failures(240)
    expect(await see(id)).toMatchObject({ state: 'failed', reason: expect.stringContaining('5 times in a row') })
    clock.advance(3600)
    expect(await worker.runDue()).toBe(0)

    const again = await create(endpointId, {}, { since: since() })
    ctx.installationsOf = works
    await worker.runDue()
    expect(await see(again)).toMatchObject({ state: 'done', reason: null })
    expect(await told(endpointId)).toHaveLength(1)
  })

  it('counts only what fails in a row', async () => {
    const { ctx, addEndpoint, happen, create, see, worker, clock } = await open()
    const { id: endpointId } = await addEndpoint({ url: 'http://127.0.0.1:9/', events: ['*'] })
    for (let n = 0; n < 3; n++) await happen({ organizationId: publisher })
    await ctx.db('stoa_deliveries').delete()
    const works = ctx.installationsOf
    const id = await create(endpointId, {}, { perSecond: 1 })
    for (let page = 0; page < 2; page++) {
      ctx.installationsOf = () => Promise.reject(new Error('broken'))
      for (let n = 0; n < 4; n++) {
        await worker.runDue()
        clock.advance(300)
      }
      ctx.installationsOf = works
      await worker.runDue()
      clock.advance(300)
    }
    expect(await see(id)).toMatchObject({ state: 'running', queued: 2 })
  })

  it('asks for no installations where nothing that they are told of is wanted', async () => {
    const { install, happen, replay, asked } = await open()
    install()
    await happen()
    expect(await replay({}, {}, ['charge.*'])).toMatchObject({ told: [], replay: { lookedAt: 0 } })
    expect(asked).toEqual([])
  })
})
