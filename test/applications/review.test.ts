import { beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { listen, openWorld, published, type World } from './world.ts'

type Entry = { action: string; from: string | null; to: string; reason: string | null }

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })
  const states = ['draft', 'pending-approval', 'available', 'rejected', 'disabled'] as const
  const patch = (id: string, body: object, person = world.publisher) =>
    world.call('PATCH', `/applications/${id}`, person.token, body)
  const submit = (id: string, body?: object, person = world.publisher) =>
    world.call('POST', `/applications/${id}/submit`, person.token, body)
  const review = (id: string, verb: string, body: object | null = { reason: 'Because.' }, person = world.operator) =>
    world.call('POST', `/applications/${id}/${verb}`, person.token, body ?? undefined)
  const get = async (id: string, person = world.publisher) =>
    (await world.call('GET', `/applications/${id}`, person.token)).body
  const history = async (id: string, person = world.publisher, query = '') =>
    world.call('GET', `/applications/${id}/history${query}`, person.token)
  const complete = () => {
    const { name: _name, ...rest } = world.listing()
    return rest
  }

  describe('the listing', () => {
    it('goes from draft to pending-approval to available to disabled and back, and remembers who and why', async () => {
      const changed = listen(world.host, 'application.status-changed')
      const id = await world.application('draft')
      expect((await patch(id, complete())).status).toBe(200)
      expect((await submit(id)).body.status).toBe('pending-approval')
      expect((await review(id, 'reject', { reason: 'No logo' })).body).toMatchObject({
        status: 'rejected',
        statusReason: 'No logo',
      })
      expect((await submit(id)).body).not.toHaveProperty('statusReason')
      expect((await review(id, 'approve', null)).body.status).toBe('available')
      expect((await review(id, 'disable', { reason: 'Spam' })).body).toMatchObject({
        status: 'disabled',
        statusReason: 'Spam',
      })
      expect((await review(id, 'enable', {})).body.status).toBe('available')

      const steps = [
        ['created', null, 'draft', null],
        ['submitted', 'draft', 'pending-approval', null],
        ['rejected', 'pending-approval', 'rejected', 'No logo'],
        ['submitted', 'rejected', 'pending-approval', null],
        ['approved', 'pending-approval', 'available', null],
        ['released', 'available', 'available', null],
        ['disabled', 'available', 'disabled', 'Spam'],
        ['enabled', 'disabled', 'available', null],
      ] as const
      const { body } = await history(id)
      const entries = body.toReversed()
      expect(entries.map((each: Entry) => [each.action, each.from, each.to, each.reason])).toEqual(steps)
      const { publisher, operator } = world
      expect(entries[0].actor).toEqual({
        kind: 'api-key',
        id: publisher.userId,
        organizationId: publisher.organizationId,
      })
      expect(entries[2].actor).toEqual({ kind: 'operator', id: null, organizationId: null })
      expect(JSON.stringify(entries)).not.toContain(operator.userId)
      expect((await history(id, operator)).body.toReversed()[2].actor).toEqual({
        kind: 'api-key',
        id: operator.userId,
        organizationId: operator.organizationId,
      })
      expect(entries[0].time).toMatch(/^\d{4}-.*Z$/)

      const events = await published(world.db, id)
      expect(events.map(({ type }) => type)).toEqual(steps.slice(1).map(([action]) => `application.${action}`))
      expect(events[1]!.data).toMatchObject({ applicationId: id, status: 'rejected', reason: 'No logo' })
      expect(
        changed.filter((each) => each.applicationId === id).map(({ from, to, reason }) => [from, to, reason]),
      ).toEqual(steps.flatMap(([, from, to, reason]) => (from === null || from === to ? [] : [[from, to, reason]])))
    })

    it('tells every endpoint of the publisher once, in its own environment', async () => {
      const id = await world.application('pending-approval')
      const rows = await world.db('stoa_events').where({ application_id: id }).select('environment', 'publisher_id')
      expect(rows).toHaveLength(2)
      expect(new Set(rows.map((row) => row.environment))).toEqual(new Set(['production', 'sandbox']))
      expect(new Set(rows.map((row) => row.publisher_id))).toEqual(new Set([world.publisher.organizationId]))
    })

    const legal: Record<string, (typeof states)[number][]> = {
      submit: ['draft', 'rejected'],
      approve: ['pending-approval'],
      reject: ['pending-approval'],
      disable: ['available'],
      enable: ['disabled'],
    }
    const illegal = Object.entries(legal).flatMap(([verb, from]) =>
      states.filter((state) => !from.includes(state)).map((state) => [verb, state] as const),
    )
    it.each(illegal)('refuses to %s one that is %s, says so, and changes nothing', async (verb, state) => {
      const id = await world.application(state)
      const before = [await get(id), (await history(id)).body, await published(world.db, id)]
      const { status, body } = verb === 'submit' ? await submit(id) : await review(id, verb)
      expect(status).toBe(409)
      expect(body).toMatchObject({ code: 'wrong_state', state, message: expect.stringContaining(`is ${state}`) })
      expect([await get(id), (await history(id)).body, await published(world.db, id)]).toEqual(before)
    })

    it('is decided once when several reviewers decide at once', async () => {
      // Several rounds: in the first the pool is still opening connections, one after the other.
      for (let round = 0; round < 5; round++) {
        const id = await world.application('pending-approval')
        const verbs = ['approve', 'reject', 'approve', 'reject', 'approve', 'reject']
        const answers = await Promise.all(verbs.map((verb) => review(id, verb)))
        expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([200, 409, 409, 409, 409, 409])
        const decisions = (await history(id)).body.filter((each: Entry) => /approved|rejected/.test(each.action))
        expect(decisions).toHaveLength(1)
      }
    })

    it('is decided as it was when the reviewer looked', async () => {
      for (const verb of ['approve', 'reject']) {
        const id = await world.application('pending-approval')
        const { updatedTime } = await get(id, world.operator)
        await patch(id, { tagline: 'Something else altogether' })
        const stale = await review(id, verb, { reason: 'x', updatedTime })
        expect(stale.status).toBe(409)
        expect(stale.body).toMatchObject({ code: 'wrong_state', message: expect.stringMatching(/changed since you/) })
        const present = await get(id, world.operator)
        expect(present.status).toBe('pending-approval')
        expect(stale.body.updatedTime).toBe(present.updatedTime)
        expect((await review(id, verb, { reason: 'x', updatedTime: present.updatedTime })).status).toBe(200)
      }
    })

    it.each(['yesterday', 5, null])('is not decided as it was at %s', async (updatedTime) => {
      const id = await world.application('pending-approval')
      const { status, body } = await review(id, 'approve', { updatedTime })
      expect([status, body.invalidFields[0].field]).toEqual([422, 'updatedTime'])
    })

    it('is not submitted incomplete', async () => {
      const id = await world.application('draft')
      await patch(id, { tagline: 'Something' })
      const { status, body } = await submit(id)
      expect(status).toBe(422)
      expect(body.invalidFields.map((each: { field: string }) => each.field)).toEqual([
        'logoId',
        'authorName',
        'description',
      ])
      expect((await get(id)).status).toBe('draft')
    })

    it.each(['reject', 'disable'])('wants a reason to %s it', async (verb) => {
      const id = await world.application(verb === 'reject' ? 'pending-approval' : 'available')
      for (const body of [{}, { reason: '' }, { reason: '  ' }, { reason: 5 }, { reason: 'a\u0000' }]) {
        const answer = await review(id, verb, body)
        expect(answer.status).toBe(422)
        expect(answer.body.invalidFields[0].field).toBe('reason')
      }
    })

    it.each(['approve', 'reject', 'disable', 'enable'])('lets operators alone %s it', async (verb) => {
      const id = await world.application('pending-approval')
      for (const person of [world.publisher, world.rival, await world.colleague(world.operator, 'owner')]) {
        expect((await review(id, verb, { reason: 'x' }, person)).body.code).toBe('missing_permission')
      }
      expect((await review('app_unknown', verb)).status).toBe(404)
      expect((await world.call('POST', `/applications/${id}/${verb}`)).status).toBe(401)
    })
  })

  describe('an edit', () => {
    const core = {
      permissions: ['GetPlan'],
      properties: { type: 'object', properties: { size: { type: 'integer' } } },
      configurationUrl: 'https://app.example/settings',
    }
    it.each(['draft', 'rejected'] as const)('changes anything of a %s application', async (state) => {
      const id = await world.application(state)
      const { status, body } = await patch(id, { ...core, tagline: 'New', acknowledges: true })
      expect(status).toBe(200)
      expect(body).toMatchObject({
        ...core,
        tagline: 'New',
        acknowledges: true,
        status: state,
        configuredBy: 'application',
      })
      expect(await get(id)).toEqual(body)
    })

    it.each(['pending-approval', 'available', 'disabled'] as const)(
      'changes what is cosmetic of one that is %s, and refuses what was reviewed',
      async (state) => {
        const id = await world.application(state)
        expect((await patch(id, { name: `Renamed ${state}`, tagline: 'New' })).body).toMatchObject({
          tagline: 'New',
          status: state,
        })
        const before = await get(id)
        for (const [member, value] of Object.entries(core)) {
          const { status, body } = await patch(id, { [member]: value, tagline: 'Lost?' })
          expect(status).toBe(409)
          expect(body).toMatchObject({ code: 'wrong_state', state, frozen: [member] })
        }
        const uri = await world.call('PATCH', `/developers/applications/${id}`, world.publisher.token, {
          redirectUri: 'https://app.example/cb',
        })
        expect(uri.body).toMatchObject({ code: 'wrong_state', frozen: ['redirectUris'] })
        expect(await get(id)).toEqual(before)
      },
    )

    it('takes the whole object back when nothing of it was changed', async () => {
      const id = await world.application('available', { properties: { type: 'object', title: 'T' } })
      const before = await get(id)
      const { status, body } = await patch(id, { ...before, properties: { title: 'T', type: 'object' } })
      expect(status).toBe(200)
      expect(body).toEqual(before)
    })

    it('is refused for the same reasons as a registration', async () => {
      const id = await world.application('draft')
      const { body: other } = await world.call('POST', '/applications', world.publisher.token, world.listing())
      expect((await patch(id, { name: other.name.toUpperCase() })).body.code).toBe('name_taken')
      expect((await patch(id, { permissions: ['GetMoon'] })).body.code).toBe('unknown_permission')
      expect((await patch(id, { properties: { $async: true } })).body.code).toBe('invalid_settings_schema')
      expect((await patch(id, { logoId: await world.upload(world.rival) })).body.invalidFields[0].field).toBe('logoId')
      expect((await patch(id, { name: null })).status).toBe(422)
      expect((await patch(id, { nmae: 'x' })).status).toBe(422)
    })

    it('may change the case of its own name', async () => {
      const id = await world.application('available', { name: 'lower' })
      expect((await patch(id, { name: 'LOWER' })).body.name).toBe('LOWER')
    })

    it('is found by its new words', async () => {
      const id = await world.application('available')
      await patch(id, { description: 'Zyzzyva wrangling' })
      const { body } = await world.call('GET', '/applications?q=zyzzyva', world.merchant.token)
      expect(body.map((each: { id: string }) => each.id)).toEqual([id])
    })
  })

  describe('a revision', () => {
    const revised = { permissions: ['GetPlan'], redirectUris: ['https://app.example/cb'] }

    it.each(['available', 'disabled'] as const)(
      'waits while the %s application stays as it is, and then takes effect',
      async (state) => {
        const id = await world.application(state)
        const before = await get(id)
        const { status, body } = await submit(id, revised)
        expect(status).toBe(200)
        expect(body).toMatchObject({ status: state, permissions: before.permissions, revision: { changes: revised } })
        expect((await get(id, world.operator)).revision.changes).toEqual(revised)
        if (state === 'available') expect(await get(id, world.merchant)).not.toHaveProperty('revision')
        const waiting = await world.call(
          'GET',
          '/applications?filter=revisionSubmittedTime:2000-01-01..',
          world.operator.token,
        )
        expect(waiting.body.map((each: { id: string }) => each.id)).toEqual([id])

        const approved = await review(id, 'approve', null)
        expect(approved.body).toMatchObject({ status: state, permissions: ['GetPlan'] })
        expect(approved.body).not.toHaveProperty('revision')
        const { body: client } = await world.call('GET', `/developers/applications/${id}`, world.publisher.token)
        expect(client.redirectUri).toBe(revised.redirectUris[0])
        const { body: entries } = await history(id)
        expect(entries.slice(0, 3).map((each: Entry) => [each.action, each.from, each.to])).toEqual([
          ['released', state, state],
          ['approved', state, state],
          ['submitted', state, state],
        ])
      },
    )

    it('is dropped when it is rejected, with the reason in the history', async () => {
      const id = await world.application('available')
      const before = await get(id)
      await submit(id, revised)
      const { body } = await review(id, 'reject', { reason: 'Too much' })
      expect({ ...body, updatedTime: '' }).toEqual({ ...before, updatedTime: '' })
      expect((await history(id)).body[0]).toMatchObject({
        action: 'rejected',
        from: 'available',
        to: 'available',
        reason: 'Too much',
      })
      expect((await published(world.db, id)).at(-1)).toMatchObject({
        type: 'application.rejected',
        data: { ofRevision: true },
      })
      expect((await submit(id, revised)).status).toBe(200)
    })

    it('is decided about as it was when the reviewer looked', async () => {
      for (const verb of ['approve', 'reject']) {
        const id = await world.application('available')
        const unrevised = await get(id, world.operator)
        await submit(id, revised)
        const first = await get(id, world.operator)
        expect(first.updatedTime > unrevised.updatedTime).toBe(true)
        await review(id, 'reject')
        await submit(id, { permissions: ['GetInvoice'] })
        for (const updatedTime of [unrevised.updatedTime, first.updatedTime, first.revision.submittedTime]) {
          const stale = await review(id, verb, { reason: 'x', updatedTime })
          expect(stale.body).toMatchObject({ code: 'wrong_state', message: expect.stringMatching(/changed since you/) })
        }
        await patch(id, { tagline: 'Its words may change meanwhile' })
        const { revision } = await get(id, world.operator)
        expect((await review(id, verb, { reason: 'x', updatedTime: revision.submittedTime })).status).toBe(200)
      }
    })

    it('is one at a time', async () => {
      const id = await world.application('available')
      await submit(id, revised)
      expect((await submit(id, { permissions: [] })).body).toMatchObject({ code: 'wrong_state', state: 'available' })
      expect((await get(id)).revision.changes).toEqual(revised)
    })

    it('outlives a cosmetic edit and being disabled', async () => {
      const id = await world.application('available')
      await submit(id, revised)
      await patch(id, { tagline: 'Newer' })
      await review(id, 'disable')
      expect((await review(id, 'approve')).body).toMatchObject({
        status: 'disabled',
        tagline: 'Newer',
        permissions: ['GetPlan'],
      })
    })

    it('is checked when it is submitted', async () => {
      const id = await world.application('available')
      expect((await submit(id, { permissions: ['GetMoon'] })).body.code).toBe('unknown_permission')
      expect((await submit(id, { redirectUri: 'http://app.example/cb' })).body.code).toBe('invalid_url')
      expect((await submit(id, { properties: { $async: true } })).body.code).toBe('invalid_settings_schema')
      expect((await submit(id, { tagline: 'x' })).status).toBe(422)
      const unchanged = await submit(id, { permissions: (await get(id)).permissions })
      expect(unchanged.body.code).toBe('wrong_state')
    })

    it('can be the last edit of a draft', async () => {
      const id = await world.application('draft')
      await patch(id, complete())
      expect((await submit(id, revised)).body).toMatchObject({ status: 'pending-approval', permissions: ['GetPlan'] })
    })
  })

  describe('another tenant', () => {
    it.each([
      ['PATCH', '', { tagline: 'x' }],
      ['POST', '/submit', undefined],
      ['GET', '/history', undefined],
    ])('gets from %s %s what an unknown id gets', async (method, path, body) => {
      const available = await world.application('available')
      const answers = []
      for (const id of [available, await world.application('draft'), 'app_unknown']) {
        const answer = await world.call(method, `/applications/${id}${path}`, world.rival.token, body)
        answers.push({ ...answer.body, traceId: '', instance: '' })
      }
      expect(answers[0]).toMatchObject({ status: 404, code: 'not_found' })
      expect(answers[0]).toEqual(answers[2])
      expect(answers[1]).toEqual(answers[2])
    })
  })

  describe('the history', () => {
    it('is paged, newest first, for publisher and operators', async () => {
      const id = await world.application('disabled')
      const { headers, body } = await history(id, world.operator, '?limit=1&offset=1')
      expect(body.map((each: { action: string }) => each.action)).toEqual(['released'])
      expect(headers.get('pagination-total')).toBe('4')
      const member = await world.colleague(world.publisher, 'member')
      expect((await history(id, member)).status).toBe(403)
    })
  })
})
