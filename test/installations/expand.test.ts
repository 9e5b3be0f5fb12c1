import { beforeAll, describe, expect, it } from 'vitest'
import type { Caller } from '../../core/src/http/index.ts'
import { instancesOf } from '../../core/src/installations/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type World } from './world.ts'

eachDatabase((database) => {
  let world: World
  let id: string
  let other: string
  beforeAll(async () => {
    world = await openWorld(database)
    id = await world.application()
    other = await world.application()
    for (const each of [id, other]) {
      await world.request('PUT', `/application-instances/${each}`, { token: world.merchant.token })
    }
  })

  const expand = async (token: string) => {
    const one = await world.request('GET', `/applications/${id}?expand=applicationInstance`, { token })
    const all = await world.request('GET', '/applications?expand=applicationInstance', { token })
    type Item = { id: string; _embedded: object }
    const found = (all.body as Item[]).filter(({ _embedded }) => 'applicationInstance' in _embedded)
    return { one: one.body._embedded, all: found.map((item) => item.id) }
  }

  describe('expand=applicationInstance', () => {
    it('shows what is installed to those who may see that', async () => {
      const token = await world.key(world.merchant, { permissions: ['applications:*', 'instances:show'] })
      const shown = await expand(token)
      expect(shown.one.applicationInstance).toMatchObject({ applicationId: id, status: 'enabled' })
      expect(shown.all).toEqual([id, other])
    })

    it('shows nothing to a credential that may only read the store', async () => {
      const token = await world.key(world.merchant, { permissions: ['applications:index', 'applications:show'] })
      expect(await expand(token)).toEqual({ one: {}, all: [] })
    })

    it('shows an application’s own API key its own application alone', async () => {
      for (const each of [id, other]) {
        await world.request('PUT', `/application-instances/${each}`, { token: world.publisher.token })
      }
      const permissions = ['applications:index', 'applications:show', 'instances:show']
      const token = await world.key(world.publisher, { permissions, applicationId: id })
      const shown = await expand(token)
      expect(shown.one.applicationInstance).toMatchObject({ applicationId: id })
      expect(shown.all).toEqual([id])
    })

    // No operation that expands takes an application's token today; the port must be right when one does.
    it('shows an application its own installation alone', async () => {
      const caller: Caller = {
        kind: 'application',
        credentialId: 'ins_1',
        userId: null,
        organizationId: world.merchant.organizationId,
        locationId: null,
        environment: 'production',
        permissions: new Set(),
        onlyApplicationId: null,
        application: { applicationId: id, installationId: 'ins_1', rateLimit: null },
      }
      expect([...(await instancesOf(world.ctx, world.db, caller, [id, other])).keys()]).toEqual([id])
    })
  })
})
