import { beforeAll, describe, expect, it } from 'vitest'
import { findApplication } from '../../core/src/applications/index.ts'
import type { Caller } from '../../core/src/http/index.ts'
import { inTransaction } from '../../core/src/database/index.ts'
import {
  accessRequestOf,
  findInstallation,
  installWithConsent,
  type FanOut,
} from '../../core/src/installations/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type Asks, type World } from './world.ts'

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })

  const asking = (asks: Asks) => world.asking(asks)
  const consent = (
    applicationId: string,
    {
      version = 1,
      optional = [],
      fanOut = null,
      ...caller
    }: { version?: number; optional?: string[]; fanOut?: FanOut | null } & Partial<Caller> = {},
  ) =>
    inTransaction(world.db, (trx) =>
      installWithConsent(
        world.ctx,
        trx,
        world.callerOf(world.merchant, caller),
        { applicationId, version, optional },
        fanOut,
      ),
    )
  const path = (id: string) => `/application-instances/${id}`
  const get = async (id: string) => (await world.request('GET', path(id), { token: world.merchant.token })).body
  const requestOf = async (id: string) => {
    const { organizationId } = world.merchant
    const at = { applicationId: id, organizationId, locationId: null, environment: 'production' as const }
    return accessRequestOf(world.ctx, (await findApplication(world.db, id))!, await findInstallation(world.db, at))
  }

  describe('the access request', () => {
    it('of what is not installed misses all that is required', async () => {
      const id = await asking({ permissions: ['GetOrder', 'GetCustomer'], optionalPermissions: ['GetInvoice'] })
      const required = ['customers:show', 'orders:show']
      const nothing = { version: 1, required, optional: ['invoices:show'], granted: [], missing: required }
      expect(await requestOf(id)).toEqual(nothing)
      await consent(id)
      expect(await requestOf(id)).toEqual({ ...nothing, granted: required, missing: [] })
      await world.request('DELETE', path(id), { token: world.merchant.token })
      expect(await requestOf(id)).toEqual(nothing)
    })

    it('of a later version names what is granted and still asked for, and what is missing', async () => {
      const id = await asking({ permissions: ['GetOrder', 'GetCustomer'], optionalPermissions: ['GetInvoice'] })
      await consent(id, { optional: ['invoices:show'] })
      await world.release(id, { permissions: ['GetInvoice', 'PutCoupon'], optionalPermissions: ['GetOrder'] })
      expect(await requestOf(id)).toEqual({
        version: 2,
        required: ['coupons:update', 'invoices:show'],
        optional: ['orders:show'],
        granted: ['invoices:show', 'orders:show'],
        missing: ['coupons:update'],
      })
    })
  })

  describe('consent', () => {
    it('installs with what is required and chosen', async () => {
      const id = await asking({ permissions: ['GetCustomer'], optionalPermissions: ['GetOrder', 'GetInvoice'] })
      const { installation, isNew } = await consent(id, { optional: ['orders:show'] })
      expect(isNew).toBe(true)
      expect(installation).toMatchObject({
        status: 'enabled',
        version: 1,
        grant: ['customers:show', 'orders:show'],
        installedBy: world.merchant.userId,
        fanOut: null,
      })
      expect((await world.events(id)).map(({ type }) => type)).toEqual(['application-instance-enabled'])
    })

    it('keeps what was chosen before, adds what is chosen now, and is over with what was pending', async () => {
      const id = await asking({ permissions: ['GetCustomer'], optionalPermissions: ['GetOrder', 'GetInvoice'] })
      await consent(id, { optional: ['orders:show'] })
      await world.release(id, { permissions: ['PutCoupon'] })
      await world.work()
      const { installation, isNew } = await consent(id, { version: 2, optional: ['invoices:show'] })
      expect(isNew).toBe(false)
      // customers:show is no longer asked for.
      expect(installation).toMatchObject({ version: 2, grant: ['coupons:update', 'invoices:show', 'orders:show'] })
      expect(await get(id)).not.toHaveProperty('pendingAccess')
      expect((await world.told(id)).map(({ type }) => type)).toEqual([
        'installation.access-pending',
        'installation.access-approved',
        'installation.updated',
      ])
    })

    it('takes a refusal back', async () => {
      const id = await asking({ permissions: ['GetCustomer'] })
      await consent(id)
      await world.release(id, { permissions: ['GetCustomer', 'PutCoupon'] })
      const body = { version: 2 }
      await world.request('POST', `${path(id)}/access/refuse`, { token: world.merchant.token, body })
      const { installation } = await consent(id, { version: 2 })
      expect(installation).toMatchObject({
        version: 2,
        refusedVersion: null,
        grant: ['coupons:update', 'customers:show'],
      })
    })

    it('writes nothing when everything is granted already', async () => {
      const id = await asking({ permissions: ['GetCustomer'] })
      await consent(id)
      const { installation } = await consent(id)
      expect(installation.revision).toBe(2)
      expect(await world.told(id)).toEqual([])
      expect(await world.events(id)).toHaveLength(1)
    })

    it('to another version than the one in force is refused, with the one in force', async () => {
      const id = await asking({ permissions: ['GetCustomer'] })
      await world.release(id, { permissions: ['GetCustomer', 'PutCoupon'] })
      await expect(consent(id, { version: 1 })).rejects.toMatchObject({ code: 'wrong_state', details: { version: 2 } })
      expect((await get(id)).code).toBe('not_found')
    })

    it('enables what was disabled, and says so to the application', async () => {
      const id = await asking({ permissions: ['GetCustomer'] })
      await consent(id)
      await world.request('POST', `${path(id)}/disable`, { token: world.merchant.token })
      expect((await consent(id)).installation.status).toBe('enabled')
      const types = (await world.events(id)).map(({ type }) => type.split('-').at(-1))
      expect(types).toEqual(['enabled', 'disabled', 'enabled'])
    })

    it('needs the permission to install, and every right that is granted', async () => {
      const id = await asking({ permissions: ['GetCustomer'], optionalPermissions: ['PutCoupon'] })
      const member = new Set(world.ctx.catalogue.ofRole('member'))
      await expect(consent(id, { permissions: member })).rejects.toMatchObject({ code: 'missing_permission' })
      const installer = new Set([...member, 'instances:install'])
      await expect(consent(id, { permissions: installer, optional: ['coupons:update'] })).rejects.toMatchObject({
        code: 'rights_exceeded',
      })
      expect((await consent(id, { permissions: installer })).isNew).toBe(true)
      await expect(consent(id, { permissions: installer, optional: ['coupons:update'] })).rejects.toMatchObject({
        code: 'rights_exceeded',
      })
    })

    it('to what is not asked for, unknown, or not in the store is refused', async () => {
      const id = await asking({ permissions: ['GetCustomer'] })
      await expect(consent(id, { optional: ['orders:show'] })).rejects.toMatchObject({ code: 'validation_failed' })
      await expect(consent(id, { optional: ['nonsense'] })).rejects.toMatchObject({ code: 'unknown_permission' })
      await expect(consent('app_unknown')).rejects.toMatchObject({ code: 'not_found' })
      const draft = await world.application({ state: 'draft' })
      await expect(consent(draft, { version: 0 })).rejects.toMatchObject({ code: 'not_found' })
    })

    it('goes where the application is installed on', async () => {
      const id = await asking({ installsOn: 'location' })
      await expect(consent(id)).rejects.toMatchObject({ code: 'application_unavailable' })
      const locationId = await world.location(world.merchant.organizationId)
      expect((await consent(id, { locationId })).installation.locationId).toBe(locationId)
      await expect(consent(id, { locationId, fanOut: { locations: 'all', future: true } })).rejects.toMatchObject({
        code: 'invalid_request',
      })
      const whole = await asking({ installsOn: 'organization' })
      await expect(consent(whole, { fanOut: { locations: 'all', future: true } })).rejects.toMatchObject({
        code: 'application_unavailable',
      })
    })

    it('of two people at once is one installation', async () => {
      const id = await asking({ permissions: ['GetCustomer'], optionalPermissions: ['GetOrder', 'GetInvoice'] })
      const both = await Promise.all([
        consent(id, { optional: ['orders:show'] }),
        consent(id, { optional: ['invoices:show'] }),
      ])
      expect(both.filter(({ isNew }) => isNew)).toHaveLength(1)
      expect((await get(id)).permissions).toEqual(['customers:show', 'invoices:show', 'orders:show'])
    })
  })
})
