import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { createLocation } from '../../core/src/accounts/index.ts'
import { inTransaction } from '../../core/src/database/index.ts'
import {
  installWithConsent,
  listApprovedLocations,
  listInstalledLocations,
  type FanOut,
} from '../../core/src/installations/index.ts'
import { eachDatabase, onPostgres, type TestDatabase } from '../support/databases.ts'
import { workUntilKilled } from './kill.ts'
import { openWorld, type Asks, type World } from './world.ts'

vi.setConfig({ testTimeout: 120_000 })

interface Child {
  id: string
  location_id: string | null
  parent_id: string | null
  status: string
  status_reason: string | null
  grant: string
  version: unknown
  uninstalled_time: string | null
}

const everywhere: FanOut = { locations: 'all', future: true }
const leaseSeconds = 61

type Company = Awaited<ReturnType<typeof openCompany>>

/** An organization of its own with locations, and an application for locations. */
async function openCompany(world: World, count: number, asks: Asks = {}) {
  const owner = await world.tenant('Agency')
  const { organizationId, token } = owner
  const locations: string[] = []
  for (let n = 0; n < count; n++) locations.push(await world.location(organizationId))
  const id = await world.asking({ permissions: ['GetCustomer'], installsOn: 'location', ...asks })
  const under = (locationId: string, rest = '') =>
    `/organizations/${organizationId}/locations/${locationId}/application-instances/${id}${rest}`
  const own = (rest = '') => `/application-instances/${id}${rest}`
  const rows = async () =>
    (await world.db('stoa_installations').where({ application_id: id }).orderBy('location_key')) as Child[]
  return {
    id,
    organizationId,
    token,
    locations: locations.sort(),
    under,
    own,
    rows,
    consent: (fanOut: FanOut | null, { version = 1, optional = [] as string[] } = {}) =>
      inTransaction(world.db, (trx) =>
        installWithConsent(world.ctx, trx, world.callerOf(owner), { applicationId: id, version, optional }, fanOut),
      ),
    /** The locations that have it installed now. */
    installed: async () =>
      (await rows())
        .filter((row) => row.location_id !== null && row.uninstalled_time === null)
        .map((row) => row.location_id!),
    history: async (path: string) => (await world.request('GET', `${path}/history`, { token })).body,
    enabledEvents: async () =>
      (await world.events(id)).filter(({ type }) => type.endsWith('enabled')).map(({ locationId }) => locationId),
    request: (method: string, path: string, body?: object) => world.request(method, path, { token, body }),
    addLocation: () => world.location(organizationId),
  }
}

/** What must be true of a company installation once all is done, whatever happened meanwhile. */
async function expectEverywhereOnce(company: Company, locations: string[]) {
  const rows = await company.rows()
  const [parent, ...children] = rows
  expect(parent!.location_id).toBeNull()
  expect(children.map((row) => row.location_id)).toEqual([...locations].sort())
  for (const child of children) {
    expect(child).toMatchObject({ parent_id: parent!.id, status: 'enabled', grant: parent!.grant })
  }
  expect((await company.enabledEvents()).map(String).sort()).toEqual(['null', ...locations].sort())
}

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })

  describe('a company installation', () => {
    it('gives each chosen location an installation, a history and an event of its own', async () => {
      const company = await openCompany(world, 3)
      const chosen = company.locations.slice(0, 2)
      const { installation } = await company.consent({ locations: [...chosen, chosen[0]!], future: false })

      expect(installation).toMatchObject({ locationId: null, fanOut: { locations: chosen, future: false } })
      await expectEverywhereOnce(company, chosen)
      expect((await company.history(company.under(chosen[0]!))).at(-1)).toMatchObject({ from: null, to: 'enabling' })
      const child = await company.request('GET', company.under(chosen[0]!))
      expect(child.body).toMatchObject({ version: 1, permissions: ['customers:show'], locationId: chosen[0] })
      expect((await company.request('GET', company.under(company.locations[2]!))).status).toBe(404)
    })

    it('refuses another organization’s location like an unknown one, and then installs nothing', async () => {
      const company = await openCompany(world, 1)
      const foreign = await world.location(world.merchant.organizationId)
      for (const other of [foreign, 'loc_unknown']) {
        const locations = [company.locations[0]!, other]
        await expect(company.consent({ locations, future: false })).rejects.toMatchObject({ code: 'not_found' })
      }
      expect(await company.rows()).toEqual([])
    })

    it('adds locations at a second consent, and takes its last word for future ones', async () => {
      const company = await openCompany(world, 3, { optionalPermissions: ['GetOrder'] })
      const [first, second, third] = company.locations as [string, string, string]
      await company.consent({ locations: [first], future: true })
      const again = await company.consent({ locations: [second], future: false }, { optional: ['orders:show'] })
      expect(again.installation.fanOut).toEqual({ locations: [first, second].sort(), future: false })
      await expectEverywhereOnce(company, [first, second])
      expect((await company.rows()).map(({ grant }) => JSON.parse(grant) as string[])).toEqual(
        Array.from({ length: 3 }, () => ['customers:show', 'orders:show']),
      )
      expect((await company.consent({ locations: 'all', future: false })).installation.fanOut!.locations).toBe('all')
      expect(await company.installed()).toEqual([first, second, third])
      expect((await company.consent({ locations: [first], future: false })).installation.fanOut!.locations).toBe('all')
    })

    it('leaves a location its own installation', async () => {
      const company = await openCompany(world, 2, { optionalPermissions: ['GetOrder'] })
      const [own, other] = company.locations as [string, string]
      await company.request('PUT', company.under(own), {})
      await company.consent(everywhere, { optional: ['orders:show'] })
      const rows = await company.rows()
      expect(rows.find((row) => row.location_id === own)).toMatchObject({
        parent_id: null,
        grant: '["customers:show"]',
      })
      expect(rows.find((row) => row.location_id === other)).toMatchObject({
        parent_id: rows[0]!.id,
        grant: '["customers:show","orders:show"]',
      })
      await company.request('DELETE', company.own())
      expect(await company.installed()).toEqual([own])
    })

    it('is decided about at the organization alone', async () => {
      const company = await openCompany(world, 1, { optionalPermissions: ['GetOrder'] })
      await company.consent(everywhere)
      const under = company.under(company.locations[0]!, '/access')
      const refused = await company.request('PUT', `${under}/optional`, { optionalPermissions: ['GetOrder'] })
      expect(refused.body).toMatchObject({ code: 'wrong_state', organizationId: company.organizationId })
      const chosen = await company.request('PUT', company.own('/access/optional'), {
        optionalPermissions: ['GetOrder'],
      })
      expect(chosen.status).toBe(200)
      expect((await company.request('GET', under)).body.optional).toMatchObject([{ granted: true }])
    })
  })

  describe('its locations, when there are many', () => {
    it('are served by the consent as far as a hundred, and by the worker from there', async () => {
      const company = await openCompany(world, 130)
      await company.consent({ locations: 'all', future: false })
      expect(await company.installed()).toEqual(company.locations.slice(0, 100))
      const late = await company.addLocation()
      await world.work()
      await expectEverywhereOnce(company, company.locations)
      expect((await company.request('GET', company.under(late))).status).toBe(404)
      expect(await world.db('stoa_installation_jobs')).toEqual([])
    })

    it('are, when all are meant, those there were, whatever the ids of later ones, and nothing lists them', async () => {
      const company = await openCompany(world, 130)
      await company.consent({ locations: 'all', future: false })
      const jobs = world.db('stoa_installation_jobs').where({ application_id: company.id, kind: 'fan-out' })
      const [job] = (await jobs) as { detail: string; cursor: string }[]
      expect(job!.cursor).toBe(company.locations[99])
      for (const id of company.locations.slice(0, -1)) expect(job!.detail).not.toContain(id)
      world.advance(1)
      const id = `${company.locations[115]!}x`
      await inTransaction(world.db, (trx) =>
        createLocation(world.ctx, trx, company.organizationId, { id, name: 'Later' }),
      )
      await world.work()
      await expectEverywhereOnce(company, company.locations)
    })

    it('get it once each, wherever the worker’s process is killed', async () => {
      const company = await openCompany(world, 165)
      await company.consent({ locations: 'all', future: false })
      let kills = 0
      for (let looks = 1; ; looks += 97) {
        if (await workUntilKilled(world, looks)) kills++
        world.advance(leaseSeconds)
        if ((await world.db('stoa_installation_jobs')).length === 0) break
      }
      expect(kills).toBeGreaterThan(3)
      await expectEverywhereOnce(company, company.locations)
    })

    it('follow what is approved, and lose what is withdrawn at once', async () => {
      const company = await openCompany(world, 120, { optionalPermissions: ['GetOrder'] })
      await company.consent({ locations: 'all', future: false })
      await world.work()
      await world.release(company.id, { permissions: ['GetCustomer', 'PutCoupon'] })
      await world.work()
      expect(await world.told(company.id, 'installation.access-pending')).toHaveLength(121)

      const grants = async () => {
        const counts = new Map<string, number>()
        for (const { grant, version } of await company.rows()) {
          const key = `${Number(version)} ${grant}`
          counts.set(key, (counts.get(key) ?? 0) + 1)
        }
        return Object.fromEntries(counts)
      }
      const approval = { version: 2, optionalPermissions: ['GetOrder'] }
      expect((await company.request('POST', company.own('/access/approve'), approval)).status).toBe(200)
      const wide = '2 ["coupons:update","customers:show","orders:show"]'
      expect(await grants()).toEqual({ [wide]: 101, '1 ["customers:show"]': 20 })
      await world.work()
      expect(await grants()).toEqual({ [wide]: 121 })
      expect(await world.told(company.id, 'installation.access-approved')).toHaveLength(121)

      await company.request('PUT', company.own('/access/optional'), { optionalPermissions: [] })
      expect(await grants()).toEqual({ '2 ["coupons:update","customers:show"]': 121 })
    })

    it.each(['an approval', 'another consent'])('lose at once what %s leaves out', async (way) => {
      const company = await openCompany(world, 120)
      await company.consent({ locations: 'all', future: false })
      await world.work()
      const last = company.locations.at(-1)!
      const instance = `/applications/${company.id}/instances/${last}`
      const { token } = (await world.request('GET', instance, { token: world.publisher.token })).body
      const scopes = async () =>
        ((await world.db('stoa_application_tokens').where({ application_id: company.id })) as { permissions: string }[])
          .map(({ permissions }) => permissions)
          .join()
      expect(token).toBeTruthy()
      expect(await scopes()).toContain('customers:show')

      // The version asks for something else instead: an answer to it gives one thing and takes another.
      await world.release(company.id, { permissions: ['PutCoupon'] })
      if (way === 'an approval') await company.request('POST', company.own('/access/approve'), { version: 2 })
      else await company.consent({ locations: [], future: false }, { version: 2 })
      expect(new Set((await company.rows()).map(({ grant }) => grant))).toEqual(new Set(['["coupons:update"]']))
      expect(await scopes()).not.toContain('customers:show')
    })
  })

  describe('a location that is added later', () => {
    it('gets it in the transaction that adds it, when future ones were chosen', async () => {
      const company = await openCompany(world, 1)
      await company.consent({ locations: [], future: true })
      expect(await company.installed()).toEqual([])
      const late = await company.addLocation()
      await expectEverywhereOnce(company, [late])
      expect((await company.history(company.under(late))).at(-1).actor).toEqual({ type: 'host', id: null })
    })

    it('does not get what is not for future ones, or was uninstalled', async () => {
      const company = await openCompany(world, 1)
      await company.consent({ locations: 'all', future: false })
      await company.addLocation()
      await company.consent(everywhere)
      await company.request('DELETE', company.own())
      await company.addLocation()
      expect(await company.installed()).toEqual([])
    })

    it('gets it once the company’s installation is enabled again', async () => {
      const company = await openCompany(world, 0)
      await company.consent(everywhere)
      await company.request('POST', company.own('/disable'))
      const late = await company.addLocation()
      await world.work()
      expect(await company.installed()).toEqual([])
      await company.request('POST', company.own('/enable'))
      await world.work()
      expect(await company.installed()).toEqual([late])
    })

    it('gets it once the application is in the store again', async () => {
      const company = await openCompany(world, 0)
      await company.consent(everywhere)
      await world.review(company.id, 'disable')
      const late = await company.addLocation()
      await world.work()
      expect(await company.installed()).toEqual([])
      await world.review(company.id, 'enable')
      world.advance(901)
      await world.work()
      expect(await company.installed()).toEqual([late])
    })

    it('is added also when passing on fails, which the worker makes good', async () => {
      const company = await openCompany(world, 0)
      await company.consent(everywhere)
      let looks = 0
      // The database itself refuses the row: of PostgreSQL that would end the transaction, but for a savepoint.
      const broken = { toISOString: () => null } as unknown as Date
      const ctx = { ...world.ctx }
      Object.assign(ctx, { clock: { now: () => (++looks === 2 ? broken : world.ctx.clock.now()) } })
      ctx.onLocationCreated = async (trx, location) => {
        const { passOnToLocation } = await import('../../core/src/installations/index.ts')
        await passOnToLocation(ctx, trx, location)
      }
      const location = await inTransaction(world.db, (trx) =>
        createLocation(ctx, trx, company.organizationId, { name: 'Late' }),
      )
      expect(await company.installed()).toEqual([])
      expect(world.logs.length).toBeGreaterThan(0)
      await world.work()
      await expectEverywhereOnce(company, [location.id])
    })

    it('is overlooked by nobody when it is added while somebody consents', async () => {
      for (let n = 0; n < 5; n++) {
        const company = await openCompany(world, 2)
        const [, ...added] = await Promise.all([
          company.consent(everywhere),
          company.addLocation(),
          company.addLocation(),
        ])
        await world.work()
        await expectEverywhereOnce(company, [...company.locations, ...added])
      }
    })
  })

  describe('what ends', () => {
    it('with the company’s installation: all locations’, each with its line, event and token', async () => {
      const company = await openCompany(world, 60)
      await company.consent({ locations: 'all', future: true })
      const location = company.locations[7]!
      const path = `/applications/${company.id}/instances/${location}`
      const { token } = (await world.request('GET', path, { token: world.publisher.token })).body
      expect((await world.request('DELETE', company.own(), { token: company.token })).status).toBe(204)

      expect(await company.installed()).toEqual([])
      expect((await world.request('GET', company.own('/configuration'), { token })).status).toBe(401)
      const disabled = (await world.events(company.id)).filter(({ type }) => type.endsWith('disabled'))
      expect(disabled.map(({ locationId }) => String(locationId)).sort()).toEqual([...company.locations, 'null'].sort())
      const [last] = (await company.history(company.under(location))).slice(-1)
      expect(last.reason).toBe('installed')
      const reasons = (await company.history(company.under(location))).map((step: { reason: string }) => step.reason)
      expect(reasons).toContain('uninstalled with the organization’s installation')
    })

    it.each(['merchant', 'developer', 'application'] as const)(
      'also when the %s uninstalls through HighLevel’s operation, with nothing left to pass on',
      async (who) => {
        const company = await openCompany(world, 110, { permissions: ['oauth.write'] })
        await company.consent({ locations: 'all', future: true })
        const owned = `/applications/${company.id}/instances/${company.organizationId}`
        const { token: application } = (await world.request('GET', owned, { token: world.publisher.token })).body
        const tokens = { merchant: company.token, developer: world.publisher.token, application }
        const body = who === 'application' ? {} : { companyId: company.organizationId, reason: 'over' }
        const path = `/marketplace/app/${company.id}/installations`
        const answer = await world.request('DELETE', path, { token: tokens[who], body })
        expect(answer.body).toEqual({ success: true })
        await world.work()
        expect(await company.installed()).toEqual([])
        await company.addLocation()
        expect(await company.installed()).toEqual([])
        expect((await world.events(company.id)).filter(({ type }) => type.endsWith('disabled'))).toHaveLength(101)
      },
    )

    it('at one location alone stays so, unless it is chosen again', async () => {
      const company = await openCompany(world, 2)
      const [first, second] = company.locations as [string, string]
      await company.consent(everywhere)
      await company.request('DELETE', company.under(first))
      expect(await company.installed()).toEqual([second])
      await company.consent({ locations: [second], future: true })
      await company.request('POST', company.own('/disable'))
      await company.request('POST', company.own('/enable'))
      await world.work()
      expect(await company.installed()).toEqual([second])
      await company.consent({ locations: [first], future: true })
      expect(await company.installed()).toEqual([first, second])
    })

    it('at one location and is installed there again is that location’s own', async () => {
      const company = await openCompany(world, 1)
      const [location] = company.locations as [string]
      await company.consent(everywhere)
      await company.request('DELETE', company.under(location))
      expect((await company.request('PUT', company.under(location), {})).status).toBe(201)
      expect((await company.rows())[1]!.parent_id).toBeNull()
      await company.request('DELETE', company.own())
      expect(await company.installed()).toEqual([location])
    })
  })

  describe('switched off', () => {
    it('with the company’s installation is switched on with it again, what was off by itself is not', async () => {
      const company = await openCompany(world, 110)
      const [first, second] = company.locations as [string, string]
      await company.consent({ locations: 'all', future: true })
      await world.work()
      await company.request('POST', company.under(first, '/disable'), { reason: 'by itself' })
      await company.request('POST', company.own('/disable'))
      const statuses = async () => (await company.rows()).map(({ status }) => status)
      expect(new Set(await statuses())).toEqual(new Set(['disabled']))
      expect((await company.rows())[2]).toMatchObject({
        status_reason: 'disabled with the organization’s installation',
      })
      for (const [method, rest] of [
        ['POST', '/enable'],
        ['PUT', ''],
      ] as const) {
        const refused = await company.request(method, company.under(second, rest), {})
        expect([refused.status, refused.body.code]).toEqual([409, 'wrong_state'])
      }

      await company.request('PUT', company.own(), {})
      expect((await statuses()).filter((status) => status === 'enabled')).toHaveLength(100)
      await world.work()
      const off = (await company.rows()).filter(({ status }) => status !== 'enabled')
      expect(off).toMatchObject([{ location_id: first, status_reason: 'by itself' }])
    })
  })

  describe('the approved locations', () => {
    it('are, of chosen ones, those that have it or will, and not those it was uninstalled from', async () => {
      const company = await openCompany(world, 130)
      const chosen = company.locations.slice(0, 120)
      const { installation } = await company.consent({ locations: chosen, future: true })
      const approved = (limit = 1000) => listApprovedLocations(world.db, installation, limit)
      expect(await approved()).toEqual(chosen)
      expect(await approved(7)).toEqual(chosen.slice(0, 7))

      await company.request('DELETE', company.under(chosen[0]!))
      await company.request('POST', company.under(chosen[1]!, '/disable'))
      expect(await approved()).toEqual(chosen.slice(2))
      await world.work()
      expect(await approved()).toEqual(chosen.slice(2))
      await company.request('DELETE', company.under(chosen.at(-1)!))
      expect(await approved()).toEqual(chosen.slice(2, -1))
      await company.consent({ locations: [chosen[0]!], future: true })
      expect(await approved()).toEqual([chosen[0], ...chosen.slice(2, -1)])
    })

    it('are, of all, those that have it', async () => {
      const company = await openCompany(world, 3)
      const { installation } = await company.consent(everywhere)
      await company.request('DELETE', company.under(company.locations[0]!))
      expect(await listApprovedLocations(world.db, installation, 1000)).toEqual(company.locations.slice(1))
      expect(await listApprovedLocations(world.db, installation, 1)).toEqual(company.locations.slice(1, 2))
    })
  })

  describe('the list of installed locations', () => {
    it('has all of them, by id, in pages, with what is installed there', async () => {
      const company = await openCompany(world, 5)
      const { organizationId, id: applicationId, locations } = company
      await company.consent({ locations: locations.slice(0, 2), future: false })
      await company.request('PUT', company.under(locations[3]!), {})
      await company.request('POST', company.under(locations[1]!, '/disable'), {})
      const list = (more: object = {}) =>
        listInstalledLocations(world.db, {
          applicationId,
          organizationId,
          environment: 'production',
          limit: 50,
          offset: 0,
          ...more,
        })
      const all = await list()
      expect(all.total).toBe(5)
      expect(all.items.map(({ id }) => id)).toEqual(locations)
      expect(all.items.map(({ isInstalled }) => isInstalled)).toEqual([true, false, false, true, false])
      expect(all.items[0]).toEqual({
        id: locations[0],
        name: 'A location',
        address: null,
        isInstalled: true,
        version: 1,
        installedTime: world.ctx.clock.now().toISOString(),
      })
      expect(all.items[1]).toMatchObject({ version: null, installedTime: null })

      const ids = async (more: object) => {
        const { items, total } = await list(more)
        return [items.map(({ id }) => id), total]
      }
      expect(await ids({ isInstalled: true })).toEqual([[locations[0], locations[3]], 2])
      expect(await ids({ isInstalled: false, limit: 1, offset: 1 })).toEqual([[locations[2]], 3])
      expect(await ids({ locationId: locations[3] })).toEqual([[locations[3]], 1])
      expect(await ids({ locationId: locations[1], isInstalled: true })).toEqual([[], 0])
      expect(await ids({ environment: 'sandbox', isInstalled: true })).toEqual([[], 0])
      expect(await ids({ organizationId: world.merchant.organizationId, locationId: locations[0] })).toEqual([[], 0])
    })

    it('is searched by a part of the name, in any case, with wildcards as they stand', async () => {
      const company = await openCompany(world, 0)
      const names = ['Main Street', 'Domain 100%', 'under_score', 'Café É', 'wow!']
      for (const name of names) {
        await inTransaction(world.db, (trx) => createLocation(world.ctx, trx, company.organizationId, { name }))
      }
      const search = async (query: string) => {
        const at = { applicationId: company.id, organizationId: company.organizationId, limit: 9, offset: 0 }
        const { items } = await listInstalledLocations(world.db, { ...at, environment: 'production', query })
        return items.map(({ name }) => name).sort()
      }
      expect(await search('MAIN')).toEqual(['Domain 100%', 'Main Street'])
      expect(await search('%')).toEqual(['Domain 100%'])
      expect(await search('_')).toEqual(['under_score'])
      expect(await search('!')).toEqual(['wow!'])
      expect(await search('É')).toEqual(['Café É'])
      expect(await search('nowhere')).toEqual([])
      expect(await search('')).toHaveLength(5)
    })
  })
})

onPostgres((database: TestDatabase) => {
  it('passes on to 250 locations by two workers, each once', async () => {
    const world = await openWorld(database)
    const company = await openCompany(world, 250)
    await company.consent({ locations: 'all', future: true })
    const [added] = await Promise.all([company.addLocation(), world.work(), world.work()])
    await world.work()
    await expectEverywhereOnce(company, [...company.locations, added])
  })

  it('is left alone by a worker whose lease a successor took over', async () => {
    const world = await openWorld(database)
    const company = await openCompany(world, 130)
    const { installation } = await company.consent({ locations: 'all', future: false })
    let late: Promise<void> | undefined
    await inTransaction(world.db, async (trx) => {
      await trx('stoa_installations').where({ id: installation.id }).forUpdate()
      late = world.work()
      const isClaimed = async () => (await world.db('stoa_installation_jobs').whereNotNull('lease_token')).length > 0
      while (!(await isClaimed())) await sleep(20)
      // The successor was done, and the locations it served were put out since.
      await trx('stoa_installation_jobs').update({ lease_token: 'another', due_time: null })
    })
    await late
    expect(await company.installed()).toHaveLength(100)
  })

  it('is uninstalled for good while workers still pass it on', async () => {
    const world = await openWorld(database)
    const company = await openCompany(world, 220)
    await company.consent({ locations: 'all', future: true })
    await Promise.all([world.work(), company.request('DELETE', company.own()), world.work()])
    await world.work()
    expect(await company.installed()).toEqual([])
    const events = await world.events(company.id)
    const count = (word: string) => events.filter(({ type }) => type.endsWith(word)).length
    expect(count('enabled')).toBe(count('disabled'))
  })
})
