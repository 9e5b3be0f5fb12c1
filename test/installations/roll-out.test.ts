import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import { inTransaction } from '../../core/src/database/index.ts'
import { createInstallationWorker, installWithConsent } from '../../core/src/installations/index.ts'
import { eachDatabase, onPostgres } from '../support/databases.ts'
import { workUntilKilled } from './kill.ts'
import { openWorld, type World } from './world.ts'

const leaseSeconds = 61

interface Kept {
  id: string
  organization_id: string
  environment: string
  version: unknown
  grant: string
}

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })

  const rows = async (applicationId: string): Promise<(Omit<Kept, 'version'> & { version: number })[]> => {
    const found = (await world
      .db('stoa_installations')
      .where({ application_id: applicationId })
      .orderBy('id')) as Kept[]
    return found.map((row) => ({ ...row, version: Number(row.version) }))
  }
  const path = (id: string) => `/application-instances/${id}`

  /** One application at version 1 on many locations, a third of them with a permission that others lack. */
  async function installedWidely(count: number) {
    const id = await world.asking({ permissions: ['GetCustomer'], optionalPermissions: ['GetOrder'] })
    const { organizationId, token } = world.merchant
    for (let n = 0; n < count; n++) {
      const location = await world.location(organizationId)
      const at = `/organizations/${organizationId}/locations/${location}${path(id)}`
      const body = { optionalPermissions: n % 3 === 0 ? ['GetOrder'] : [] }
      expect((await world.request('PUT', at, { token, body })).status).toBe(201)
    }
    await world.work()
    return id
  }

  describe('a roll-out', () => {
    it('brings those to the version that it asks for no more, in both environments, disabled ones too', async () => {
      const id = await world.asking({ permissions: ['GetCustomer', 'GetOrder'], optionalPermissions: ['GetInvoice'] })
      const body = { optionalPermissions: ['GetInvoice'] }
      await world.request('PUT', path(id), { token: world.merchant.token, body })
      await world.request('PUT', path(id), { token: world.merchant.sandbox, body })
      const off = await world.tenant('Off')
      await world.request('PUT', path(id), { token: off.token })
      await world.request('POST', `${path(id)}/disable`, { token: off.token })
      const gone = await world.tenant('Gone')
      await world.request('PUT', path(id), { token: gone.token })
      await world.request('DELETE', path(id), { token: gone.token })

      await world.release(id, { permissions: ['GetCustomer'], optionalPermissions: ['GetOrder'] })
      await world.work()

      const kept = await rows(id)
      const of = (organizationId: string) => kept.filter((row) => row.organization_id === organizationId)
      for (const row of [...of(world.merchant.organizationId), ...of(off.organizationId)]) {
        // What is optional now was required before, and stays; what is no longer asked for goes.
        expect([row.version, JSON.parse(row.grant)]).toEqual([2, ['customers:show', 'orders:show']])
      }
      expect(of(world.merchant.organizationId)).toHaveLength(2)
      expect(of(gone.organizationId)[0]!.version).toBe(1)
      const events = await world.told(id)
      expect(events.map(({ type }) => type)).toEqual(Array.from({ length: 3 }, () => 'installation.updated'))
      expect(events.map(({ data }) => String(data['environment'])).sort()).toEqual([
        'production',
        'production',
        'sandbox',
      ])
      const history = await world.request('GET', `${path(id)}/history`, { token: world.merchant.token })
      expect(history.body[0]).toMatchObject({ actor: { type: 'host', id: null }, reason: 'brought to version 2' })
      expect(await world.db('stoa_installation_jobs').where({ application_id: id })).toEqual([])
    })

    it('narrows the tokens that are in use with the grant', async () => {
      const id = await world.asking({ permissions: ['GetCustomer', 'GetApplicationInstanceConfiguration'] })
      await world.request('PUT', path(id), { token: world.merchant.token })
      const owned = `/applications/${id}/instances/${world.merchant.organizationId}`
      const { token } = (await world.request('GET', owned, { token: world.publisher.token })).body
      const read = async () => (await world.request('GET', `${path(id)}/configuration`, { token })).status
      expect(await read()).toBe(200)
      await world.release(id, { permissions: ['GetCustomer'] })
      await world.work()
      expect(await read()).toBe(403)
    })

    it('tells of pending access once for each version, however often it runs', async () => {
      const id = await world.asking({ permissions: ['GetCustomer'] })
      await world.request('PUT', path(id), { token: world.merchant.token })
      await world.release(id, { permissions: ['GetCustomer', 'GetOrder'] })
      await world.work()
      await world.ctx.onReleased(world.db, id)
      await world.work()
      expect((await world.told(id)).map(({ type }) => type)).toEqual(['installation.access-pending'])
    })

    it('begins again when another version comes while it is under way', async () => {
      const id = await installedWidely(60)
      await world.release(id, { permissions: ['GetCustomer'] })
      await createInstallationWorker(world.ctx).runDue()
      expect((await rows(id)).filter(({ version }) => version === 2)).toHaveLength(50)
      await world.release(id, { permissions: ['GetCustomer'] })
      await world.work()
      expect(new Set((await rows(id)).map(({ version }) => version))).toEqual(new Set([3]))
    })

    it('goes past an installation that cannot be brought forward, and logs it', async () => {
      const id = await installedWidely(3)
      const [, broken] = await rows(id)
      await world.db('stoa_installations').where({ id: broken!.id }).update({ grant: 'no JSON' })
      await world.release(id, { permissions: ['GetCustomer'] })
      await world.work()
      expect((await rows(id)).map(({ version }) => version)).toEqual([2, 1, 2])
      await world.db('stoa_installations').where({ id: broken!.id }).update({ grant: '["customers:show"]' })
    })

    it('loses none and does none twice, wherever its process is killed', { timeout: 120_000 }, async () => {
      const id = await installedWidely(60)
      await world.release(id, { permissions: ['GetCustomer', 'GetOrder'] })
      let kills = 0
      for (let looks = 1; ; looks += 7) {
        if (!(await workUntilKilled(world, looks))) {
          if ((await world.db('stoa_installation_jobs').where({ application_id: id })).length === 0) break
        } else kills++
        world.advance(leaseSeconds)
      }
      expect(kills).toBeGreaterThan(5)
      const kept = await rows(id)
      expect(kept.filter(({ version }) => version === 2)).toHaveLength(20)
      for (const { version, grant } of kept) expect(grant.includes('orders:show')).toBe(version === 2)
      const events = await world.told(id)
      const about = events.map(({ type, data }) => `${type} ${String(data['installationId'])}`)
      const expected = kept.map(
        (row) => `${row.version === 2 ? 'installation.updated' : 'installation.access-pending'} ${row.id}`,
      )
      expect(about.sort()).toEqual(expected.sort())
    })

    it('and a new installation at the same moment end at the same version', async () => {
      for (let n = 0; n < 8; n++) {
        const id = await world.asking({ permissions: ['GetCustomer'] })
        await Promise.all([
          world.request('PUT', path(id), { token: world.merchant.token }),
          world.release(id, { permissions: ['GetCustomer'] }),
          world.work(),
        ])
        await world.work()
        expect((await rows(id)).map(({ version }) => version)).toEqual([2])
      }
    })
  })
})

onPostgres((database) => {
  it('waits for an installation that has read the version before, and finds it', async () => {
    const world = await openWorld(database)
    const id = await world.asking({ permissions: ['GetCustomer'] })
    const consent = { applicationId: id, version: 1, optional: [] }
    let rollingOut: Promise<void> | undefined
    await inTransaction(world.db, async (trx) => {
      await installWithConsent(world.ctx, trx, world.callerOf(world.merchant), consent, null)
      // As much time as it would need to release, roll out and overlook what is not committed yet.
      rollingOut = world.release(id, { permissions: ['GetCustomer'] }).then(() => world.work())
      await sleep(700)
    })
    await rollingOut
    const { body } = await world.request('GET', path(id), { token: world.merchant.token })
    expect(body.version).toBe(2)
  })

  it('is shared by two workers without doing anything twice', { timeout: 120_000 }, async () => {
    const world = await openWorld(database)
    const id = await world.asking({ permissions: ['GetCustomer'] })
    for (let n = 0; n < 20; n++) {
      const { token } = await world.tenant(`Tenant ${n}`)
      await world.request('PUT', path(id), { token })
    }
    await world.release(id, { permissions: ['GetCustomer'] })
    await Promise.all([world.work(), world.work()])
    await world.work()
    expect(await world.told(id, 'installation.updated')).toHaveLength(20)
  })

  const path = (id: string) => `/application-instances/${id}`
})
