import fc from 'fast-check'
import type { Knex } from 'knex'
import { beforeAll, describe, expect, it } from 'vitest'
import { createCatalogue } from '../../core/src/access/index.ts'
import { releaseVersion, type ApplicationsContext } from '../../core/src/applications/index.ts'
import type { Caller } from '../../core/src/http/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { VersionModel, type Action } from './version-model.ts'
import { openWorld, published, type Answer, type World } from './world.ts'

type Wire = Record<string, unknown>

const permissions = fc.constantFrom('GetCustomer', 'GetPlan', 'GetInvoice')
const mode = fc.constantFrom('automatic', 'manual')
const nth = fc.nat(6)
const anyAction = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('draft', 'submitDirectly'), permissions, mode }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('edit'), nth, permissions }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('submit', 'release', 'yank'), nth }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('delete'), nth }) },
  { weight: 4, arbitrary: fc.constantFrom('approve', 'approve', 'reject', 'toggle').map((each) => ({ do: each })) },
) as fc.Arbitrary<Action>

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })
  const at = (id: string) => `/developers/applications/${id}`
  const call = (method: string, path: string, body?: object, person = world.publisher) =>
    world.call(method, path, person.token, body)
  const draft = (id: string, body: object) => call('POST', `${at(id)}/versions`, body)
  const version = (id: string, number: number) => call('GET', `${at(id)}/versions/${number}`)
  const versions = async (id: string) => (await call('GET', `${at(id)}/versions`)).body as Wire[]
  const step = (id: string, number: number, verb: string, body?: object) =>
    call('POST', `${at(id)}/versions/${number}/${verb}`, body)
  const submitDirectly = (id: string, body: object) => call('POST', `/applications/${id}/submit`, body)
  const review = (id: string, verb: 'approve' | 'reject' | 'disable' | 'enable') =>
    call('POST', `/applications/${id}/${verb}`, { reason: 'Because.' }, world.operator)
  const get = async (id: string, person = world.publisher) =>
    (await call('GET', `/applications/${id}`, undefined, person)).body as Wire
  const history = async (id: string) => (await call('GET', `/applications/${id}/history?limit=1000`)).body as Wire[]
  const impact = async (id: string, number: number) =>
    (await call('GET', `${at(id)}/releases/${number}/impact`)).body as Wire
  const ok = (...answers: Answer[]) => {
    for (const { status, body } of answers) if (status >= 300) throw new Error(JSON.stringify(body))
  }
  /** Submits and approves a version, which is released unless `release` says manual. Answers its number. */
  const approved = async (id: string, body: object) => {
    ok(await submitDirectly(id, body))
    const { version: number } = (await get(id))['revision'] as { version: number }
    ok(await review(id, 'approve'))
    return number
  }

  describe('the first version', () => {
    it('is what was submitted, and is released with the approval', async () => {
      const id = await world.application('draft')
      const { name: _name, ...listing } = world.listing({ installsOn: 'location' })
      ok(await call('PATCH', `/applications/${id}`, listing))
      expect(await versions(id)).toEqual([])
      ok(await submitDirectly(id, { notes: ' Hello ' }), await review(id, 'reject'))
      ok(await submitDirectly(id, { permissions: ['GetPlan'] }), await review(id, 'approve'))

      const [second, first] = await versions(id)
      expect(first).toMatchObject({
        version: 1,
        status: 'rejected',
        reason: 'Because.',
        notes: 'Hello',
        inForce: false,
        permissions: listing.permissions,
        releasedTime: null,
      })
      expect(second).toMatchObject({
        version: 2,
        status: 'released',
        reason: null,
        inForce: true,
        permissions: ['GetPlan'],
        installsOn: 'location',
        prices: [],
        changes: {},
      })
      expect((await call('GET', at(id))).body.version).toBe(2)
      expect((await published(world.db, id)).slice(-2)).toMatchObject([
        { type: 'application.approved', data: { status: 'available', version: 2, ofRevision: false } },
        {
          type: 'application.released',
          data: { version: 2, previousVersion: null, addedPermissions: ['plans:show'], removedPermissions: [] },
        },
      ])
    })

    it('cannot wait for its author, and has no drafts beside it', async () => {
      const id = await world.application('draft')
      expect((await draft(id, {})).body).toMatchObject({ code: 'wrong_state', state: 'draft' })
      ok(await call('PATCH', `/applications/${id}`, { ...world.listing(), name: undefined }))
      expect((await submitDirectly(id, { release: 'manual' })).body.invalidFields[0].field).toBe('release')
      const waiting = await world.application('pending-approval')
      expect((await draft(waiting, {})).body).toMatchObject({ code: 'wrong_state', state: 'pending-approval' })
    })
  })

  describe('a draft', () => {
    it('is what is in force with what was sent, changes, and goes', async () => {
      const id = await world.application('available', { redirectUris: ['https://app.example/1'] })
      const made = await draft(id, { permissions: ['GetPlan'], notes: 'More', release: 'manual' })
      expect(made.status).toBe(201)
      const base = `http://stoa.test/organizations/${world.publisher.organizationId}`
      expect(made.headers.get('location')).toBe(`${base}${at(id)}/versions/2`)
      expect(made.body).toMatchObject({
        version: 2,
        status: 'draft',
        inForce: false,
        changes: { permissions: ['GetPlan'] },
        permissions: ['GetPlan'],
        redirectUris: ['https://app.example/1'],
        prices: null,
        release: 'manual',
        notes: 'More',
        createdBy: world.publisher.userId,
        submittedTime: null,
      })
      expect((await version(id, 2)).body).toEqual(made.body)
      const changed = await call('PATCH', `${at(id)}/versions/2`, {
        optionalPermissions: ['GetInvoice'],
        redirectUri: 'https://app.example/2',
        notes: null,
      })
      expect(changed.body).toEqual({
        ...made.body,
        optionalPermissions: ['GetInvoice'],
        redirectUris: ['https://app.example/2'],
        notes: null,
        changes: {
          permissions: ['GetPlan'],
          optionalPermissions: ['GetInvoice'],
          redirectUris: ['https://app.example/2'],
        },
      })
      expect((await get(id))['permissions']).toEqual(world.listing().permissions)
      expect((await call('DELETE', `${at(id)}/versions/2`)).status).toBe(204)
      expect((await version(id, 2)).status).toBe(404)
    })

    it('is refused for the same reasons as an application, and as a whole', async () => {
      const id = await world.application('available', { clientType: 'native', redirectUris: ['com.example:/cb'] })
      const { body: before } = await draft(id, {})
      for (const [body, field] of [
        [{ permissions: ['GetMoon'] }, 'permissions.0'],
        [{ optionalPermissions: ['GetCustomer'] }, 'optionalPermissions.0'],
        [{ properties: { $async: true } }, 'properties.$async'],
        [{ clientType: 'public' }, 'redirectUris.0'],
        [{ requiresPkce: false }, 'requiresPkce'],
        [{ notes: '' }, 'notes'],
        [{ notes: '   ' }, 'notes'],
        [{ notes: 'x'.repeat(2001) }, 'notes'],
        [{ notes: 'a\u0000' }, 'notes'],
        [{ release: 'later' }, 'release'],
        [{ tagline: 'x' }, 'tagline'],
        [{ status: 'released' }, 'status'],
      ] as const) {
        const answer = await call('PATCH', `${at(id)}/versions/2`, body)
        expect([answer.status, answer.body.invalidFields[0].field]).toEqual([422, field])
      }
      expect((await version(id, 2)).body).toEqual(before)
      expect((await draft(id, { permissions: [] })).body).toMatchObject({ code: 'wrong_state', version: 2 })
    })

    it('is made once when it is made several times at once', async () => {
      const id = await world.application('available')
      const answers = await Promise.all(Array.from({ length: 5 }, () => draft(id, { permissions: ['GetPlan'] })))
      expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([201, 409, 409, 409, 409])
    })

    it('is checked once more when it is submitted, and not submitted when it changes nothing', async () => {
      const id = await world.application('available')
      await draft(id, {})
      expect((await step(id, 2, 'submit')).body).toMatchObject({ code: 'wrong_state' })
      await world
        .db('stoa_versions')
        .where({ application_id: id, number: 2 })
        .update({ content: JSON.stringify({ ...(await version(id, 1)).body, permissions: ['withdrawn:show'] }) })
      expect((await step(id, 2, 'submit')).body.code).toBe('unknown_permission')
    })
  })

  describe('a submitted version', () => {
    it('is shown to publisher and reviewers as the difference to what is in force', async () => {
      const id = await world.application('available')
      ok(await draft(id, { permissions: ['GetPlan'], release: 'manual', notes: 'Plans' }), await step(id, 2, 'submit'))
      const { body: shown } = await version(id, 2)
      const revision = {
        version: 2,
        changes: { permissions: ['GetPlan'] },
        submittedTime: shown.submittedTime,
        release: 'manual',
        notes: 'Plans',
      }
      expect((await get(id))['revision']).toEqual(revision)
      expect((await get(id, world.operator))['revision']).toEqual(revision)
      expect(await get(id, world.merchant)).not.toHaveProperty('revision')
      expect(shown.submittedTime).toBe((await get(id))['updatedTime'])
    })

    it('is immutable, in every state that follows', async () => {
      const id = await world.application('available')
      const refused = async () => {
        for (const answer of [
          await call('PATCH', `${at(id)}/versions/2`, { permissions: ['GetInvoice'] }),
          await call('DELETE', `${at(id)}/versions/2`),
          await step(id, 2, 'submit'),
        ])
          expect(answer.body).toMatchObject({ code: 'wrong_state', version: 2 })
        expect((await version(id, 2)).body.permissions).toEqual(['GetPlan'])
      }
      ok(await draft(id, { permissions: ['GetPlan'], release: 'manual' }), await step(id, 2, 'submit'))
      await refused()
      ok(await review(id, 'approve'))
      await refused()
      ok(await step(id, 2, 'release'))
      await refused()
      ok(await step(id, 2, 'yank', { reason: 'Broken' }))
      await refused()
    })

    it('is released by its author when they want that', async () => {
      const id = await world.application('available')
      const number = await approved(id, { permissions: ['GetPlan'], release: 'manual' })
      expect(await get(id)).toMatchObject({ permissions: world.listing().permissions })
      expect(await get(id)).not.toHaveProperty('revision')
      expect((await submitDirectly(id, { permissions: [] })).body.message).toContain('waits for its release')
      const { status, body } = await step(id, number, 'release')
      expect([status, body.status, body.inForce]).toEqual([200, 'released', true])
      expect(await get(id)).toMatchObject({ permissions: ['GetPlan'] })
      expect((await published(world.db, id)).at(-1)).toEqual({
        type: 'application.released',
        timestamp: expect.any(String),
        data: {
          applicationId: id,
          version: 2,
          previousVersion: 1,
          addedPermissions: ['plans:show'],
          removedPermissions: ['customers:show', 'invoices:index'],
        },
      })
    })

    it('keeps the prices of its submission', async () => {
      const id = await world.application('available')
      const meter = { name: 'Mails', unit: 'mail', priceType: 'fixed', price: '0.5' }
      const { id: meterId } = (await call('POST', `${at(id)}/meters`, meter)).body
      await approved(id, { permissions: ['GetPlan'] })
      ok(await call('PATCH', `${at(id)}/meters/${meterId}`, { price: '0.75' }))
      expect((await version(id, 2)).body.prices).toEqual([
        {
          meterId,
          name: 'Mails',
          unit: 'mail',
          priceType: 'fixed',
          currency: expect.any(String),
          text: expect.stringMatching(/^0\.5 [A-Z]{3} per mail$/),
          pricePerUnit: '0.5',
          minPricePerUnit: null,
          maxPricePerUnit: null,
          rateBps: null,
          package: null,
          tiers: null,
          freeUnits: '0',
          dailyLimit: null,
          cycleLimit: null,
        },
      ])
    })

    it('that makes the client public ends its secrets when it is released, and not before', async () => {
      const id = await world.application('available')
      ok(await call('POST', `${at(id)}/rotate-secret`))
      const secrets = async () => (await call('GET', `${at(id)}/secrets`)).body
      const number = await approved(id, { clientType: 'public', release: 'manual' })
      expect(await secrets()).toHaveLength(1)
      ok(await step(id, number, 'release'))
      expect(await secrets()).toEqual([])
      expect((await published(world.db, id)).map(({ type }) => type).slice(-2)).toEqual([
        'application.secret-ended',
        'application.released',
      ])
    })
  })

  describe('yanking', () => {
    it('brings the newest other released version into force', async () => {
      const id = await world.application('available')
      const before = await get(id)
      await approved(id, { permissions: ['GetPlan'] })
      await approved(id, { permissions: ['GetInvoice'] })
      ok(await step(id, 2, 'yank', { reason: 'Not that one' }))
      expect((await get(id))['permissions']).toEqual(['GetInvoice'])
      const { body } = await step(id, 3, 'yank', { reason: ' Broken ' })
      expect(body).toMatchObject({ status: 'yanked', reason: 'Broken', inForce: false, changes: {} })
      expect((await get(id))['permissions']).toEqual(before['permissions'])
      expect((await versions(id)).map((each) => [each['version'], each['status'], each['inForce']])).toEqual([
        [3, 'yanked', false],
        [2, 'yanked', false],
        [1, 'released', true],
      ])
      expect((await history(id))[0]).toMatchObject({ action: 'yanked', version: 3, reason: 'Broken' })
      expect((await published(world.db, id)).slice(-2)).toMatchObject([
        { data: { version: 2, versionInForce: 3, addedPermissions: [], removedPermissions: [] } },
        {
          type: 'application.yanked',
          data: {
            version: 3,
            versionInForce: 1,
            reason: 'Broken',
            addedPermissions: ['customers:show', 'invoices:index'],
            removedPermissions: ['invoices:show'],
          },
        },
      ])
    })

    it('makes room for the next when an approved one is not wanted any more', async () => {
      const id = await world.application('available')
      ok(
        await world.call('POST', `/applications/${id}/submit`, world.publisher.token, {
          permissions: ['GetPlan'],
          release: 'manual',
        }),
      )
      ok(await world.call('POST', `/applications/${id}/approve`, world.operator.token, {}))
      const next = () =>
        world.call('POST', `/applications/${id}/submit`, world.publisher.token, { permissions: ['GetOrder'] })
      expect((await next()).body.code).toBe('wrong_state')
      expect((await step(id, 2, 'yank', { reason: 'Changed my mind' })).body).toMatchObject({ status: 'yanked' })
      expect((await step(id, 2, 'release')).body.code).toBe('wrong_state')
      expect((await next()).status).toBe(200)
    })

    it('is refused for the only released one, and without a reason', async () => {
      const id = await world.application('available')
      const before = [await get(id), await versions(id), await history(id)]
      expect((await step(id, 1, 'yank', { reason: 'x' })).body).toMatchObject({ code: 'wrong_state', version: 1 })
      for (const body of [{}, { reason: '' }, { reason: ' ' }, { reason: 'x'.repeat(2001) }])
        expect((await step(id, 1, 'yank', body)).status).toBe(422)
      expect([await get(id), await versions(id), await history(id)]).toEqual(before)
    })
  })

  describe('several at once', () => {
    it('approve a version once', async () => {
      for (let round = 0; round < 5; round++) {
        const id = await world.application('available')
        await submitDirectly(id, { permissions: ['GetPlan'] })
        const answers = await Promise.all(Array.from({ length: 4 }, () => review(id, 'approve')))
        expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409, 409, 409])
        expect((await history(id)).filter((each) => each['version'] === 2)).toHaveLength(3)
      }
    })

    it('submit one version', async () => {
      for (let round = 0; round < 5; round++) {
        const id = await world.application('available')
        await draft(id, { permissions: ['GetPlan'] })
        const answers = await Promise.all([
          step(id, 2, 'submit'),
          submitDirectly(id, { permissions: ['GetInvoice'] }),
          step(id, 2, 'submit'),
          submitDirectly(id, { permissions: ['GetInvoice'] }),
        ])
        expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409, 409, 409])
        expect((await versions(id)).filter((each) => each['status'] === 'submitted')).toHaveLength(1)
      }
    })

    it('release one version while another is yanked', async () => {
      for (let round = 0; round < 5; round++) {
        const id = await world.application('available')
        await approved(id, { permissions: ['GetPlan'] })
        await approved(id, { permissions: ['GetInvoice'], release: 'manual' })
        const answers = await Promise.all([step(id, 2, 'yank', { reason: 'x' }), step(id, 3, 'release')])
        expect(answers.map(({ status }) => status)).toEqual([200, 200])
        expect((await get(id))['permissions']).toEqual(['GetInvoice'])
        expect((await versions(id)).map((each) => [each['status'], each['inForce']])).toEqual([
          ['released', true],
          ['yanked', false],
          ['released', false],
        ])
      }
    })

    it('yank every released version but one', async () => {
      for (let round = 0; round < 5; round++) {
        const id = await world.application('available')
        await approved(id, { permissions: ['GetPlan'] })
        const answers = await Promise.all([1, 2, 1, 2].map((number) => step(id, number, 'yank', { reason: 'x' })))
        expect(answers.filter(({ status }) => status === 200)).toHaveLength(1)
        const left = (await versions(id)).filter((each) => each['status'] === 'released')
        expect(left.map((each) => each['inForce'])).toEqual([true])
      }
    })
  })

  describe('the impact of a release', () => {
    it('tells what would change, and for how many', async () => {
      const id = await world.application('available', {
        permissions: ['GetCustomer', 'invoices:index'],
        redirectUris: ['https://app.example/1', 'https://app.example/2'],
      })
      const meter = { name: 'Mails', unit: 'mail', priceType: 'fixed', price: '0.5' }
      const { id: meterId } = (await call('POST', `${at(id)}/meters`, meter)).body
      ok(await call('PUT', `/application-instances/${id}`, {}, world.merchant))
      ok(await call('PUT', `/application-instances/${id}`, {}, world.rival))
      // One that was given less than the others.
      await world
        .db('stoa_installations')
        .where({ application_id: id, organization_id: world.rival.organizationId })
        .update({ grant: '["customers:show"]' })

      ok(
        await draft(id, {
          permissions: ['GetCustomer', 'invoices:index', 'PostPayout'],
          optionalPermissions: ['GetPlan'],
          redirectUris: ['https://app.example/2', 'https://app.example/3'],
          properties: { type: 'object' },
        }),
      )
      expect(await impact(id, 2)).toEqual({
        version: 2,
        currentVersion: 1,
        addedPermissions: [{ name: 'payouts:store', sentence: 'pay money out', risk: 'high' }],
        removedPermissions: [],
        addedOptionalPermissions: [{ name: 'plans:show', sentence: 'read single plans', risk: 'low' }],
        settingsChanged: true,
        redirectUrisRemoved: ['https://app.example/1'],
        pricesChanged: [
          { meterId, name: 'Mails', from: null, to: expect.objectContaining({ pricePerUnit: '0.5', unit: 'mail' }) },
        ],
        installations: { total: 2, needApproval: 2, rollOutByThemselves: 0 },
      })

      const less = {
        permissions: ['invoices:index'],
        optionalPermissions: ['GetPlan', 'GetCustomer'],
        properties: null,
      }
      ok(await call('PATCH', `${at(id)}/versions/2`, less))
      expect(await impact(id, 2)).toMatchObject({
        addedPermissions: [],
        removedPermissions: [{ name: 'customers:show' }],
        // What was required before is nothing new when it is optional.
        addedOptionalPermissions: [{ name: 'plans:show' }],
        settingsChanged: false,
        installations: { total: 2, needApproval: 1, rollOutByThemselves: 1 },
      })
      expect(await impact(id, 1)).toMatchObject({ installations: { total: 2, needApproval: 1 } })

      ok(await step(id, 2, 'submit'), await review(id, 'approve'))
      expect(await impact(id, 2)).toMatchObject({ currentVersion: 2, removedPermissions: [], pricesChanged: [] })
      ok(await call('PATCH', `${at(id)}/meters/${meterId}`, { price: '0.75', name: 'Letters' }))
      expect((await impact(id, 2))['pricesChanged']).toMatchObject([
        { meterId, name: 'Letters', from: { pricePerUnit: '0.5' }, to: { pricePerUnit: '0.75' } },
      ])
    })

    it('counts everything as new before the first release', async () => {
      const id = await world.application('pending-approval')
      expect(await impact(id, 1)).toMatchObject({
        currentVersion: null,
        addedPermissions: [{ name: 'customers:show' }, { name: 'invoices:index' }],
        installations: { total: 0, needApproval: 0, rollOutByThemselves: 0 },
      })
      expect((await call('GET', `${at(id)}/releases/2/impact`)).status).toBe(404)
    })
  })

  it.each(['0', '-1', '1.5', 'x', '1e3', '99999999999999999999', '%00'])(
    'a version called %s does not exist',
    async (number) => {
      const id = await world.application('available')
      expect((await call('GET', `${at(id)}/versions/${number}`)).status).toBe(404)
    },
  )

  it('pages the versions, newest first', async () => {
    const id = await world.application('available')
    await approved(id, { permissions: ['GetPlan'] })
    await approved(id, { permissions: ['GetInvoice'] })
    const { headers, body } = await call('GET', `${at(id)}/versions?limit=1&offset=1`)
    expect(body.map((each: Wire) => each['version'])).toEqual([2])
    expect(headers.get('pagination-total')).toBe('3')
  })

  it('tells the installations of a release in the transaction that makes it so', async () => {
    const id = await world.application('available')
    const number = await approved(id, { permissions: ['GetPlan'], release: 'manual' })
    const catalogue = createCatalogue()
    catalogue.addOperations(world.host.operations)
    const caller = {
      kind: 'api-key',
      credentialId: 'key_test',
      userId: null,
      organizationId: world.publisher.organizationId,
      onlyApplicationId: null,
    } as Caller
    const told: unknown[] = []
    const ctx = {
      catalogue,
      clock: { now: () => new Date() },
      dialect: { rowLocks: false },
      onReleased: async (trx: Knex, applicationId: string) => {
        const [row] = await trx('stoa_applications').where({ id: applicationId }).select('version')
        told.push([applicationId, Number(row.version)])
        throw new Error('nobody can be told')
      },
    } as unknown as ApplicationsContext
    const released = world.db.transaction((trx) => releaseVersion(ctx, trx, caller, id, number))
    await expect(released).rejects.toThrow('nobody can be told')
    expect(told).toEqual([[id, number]])
    expect((await version(id, number)).body).toMatchObject({ status: 'approved', inForce: false })
  })

  it(
    'move as the model of the state machine does, whatever happens in whatever order',
    { timeout: 240_000 },
    async () => {
      const perform = async (id: string, model: VersionModel, action: Action): Promise<Answer> => {
        const number = 'nth' in action ? model.numberOf(action.nth) : 0
        switch (action.do) {
          case 'draft':
            return draft(id, { permissions: [action.permissions], release: action.mode })
          case 'submitDirectly':
            return submitDirectly(id, { permissions: [action.permissions], release: action.mode })
          case 'edit':
            return call('PATCH', `${at(id)}/versions/${number}`, { permissions: [action.permissions] })
          case 'delete':
            return call('DELETE', `${at(id)}/versions/${number}`)
          case 'submit':
          case 'release':
            return step(id, number, action.do)
          case 'yank':
            return step(id, number, 'yank', { reason: 'x' })
          case 'approve':
          case 'reject':
            return review(id, action.do)
          case 'toggle':
            return review(id, model.isAvailable ? 'disable' : 'enable')
        }
      }
      const property = fc.asyncProperty(fc.array(anyAction, { minLength: 3, maxLength: 20 }), async (actions) => {
        const id = await world.application('available', { permissions: ['GetCustomer'] })
        const model = new VersionModel()
        for (const action of actions) {
          const answer = await perform(id, model, action)
          expect([action, answer.status]).toEqual([action, model.take(action)])
        }
        const shown = (await versions(id)).map((each) => [
          each['version'],
          each['status'],
          each['release'],
          each['permissions'],
          each['inForce'],
        ])
        expect(shown.toReversed()).toEqual(
          model.versions
            .toSorted((a, b) => a.version - b.version)
            .map((each) => [
              each.version,
              each.status,
              each.release,
              [each.permissions],
              each.version === model.inForce,
            ]),
        )
        const application = await get(id)
        expect(application['status']).toBe(model.isAvailable ? 'available' : 'disabled')
        expect(application['permissions']).toEqual([model.permissions])
        expect((application['revision'] as Wire | undefined)?.['version']).toBe(model.submitted?.version)
        const steps = (await history(id)).filter((each) => each['version'] !== null).toReversed()
        expect(steps.map((each) => [each['action'], each['version']])).toEqual(model.steps)
        const told = (await published(world.db, id)).filter(({ data }) => (data as Wire)['version'] !== null)
        expect(told.map(({ type }) => type)).toEqual(model.steps.map(([action]) => `application.${action}`))
      })
      await fc.assert(property, { numRuns: 25 })
    },
  )
})
