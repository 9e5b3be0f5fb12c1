import { beforeAll, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type World } from './world.ts'

eachDatabase((database) => {
  let world: World
  const ids: Record<string, string> = {}
  beforeAll(async () => {
    world = await openWorld(database)
    ids['alpha'] = await world.application('available', { name: 'Alpha Ärger', authorName: 'Ann', acknowledges: true })
    ids['beta'] = await world.application('available', { name: 'beta', tagline: '50% off_now', authorName: 'ÉLAN' })
    ids['gamma'] = await world.application('available', {
      name: 'Gamma',
      description: 'Better than beta',
      authorName: 'Ann',
    })
    ids['pending'] = await world.application('pending-approval', { name: 'Pending' })
    ids['disabled'] = await world.application('disabled', { name: 'Switched off' })
    ids['rejected'] = await world.application('rejected', { name: 'Rejected' })
    ids['draft'] = await world.application('draft')
  })
  const browse = async (query: string, person = world.merchant) =>
    world.call('GET', `/applications?${query}`, person.token)
  const names = async (query: string, person = world.merchant): Promise<string[]> => {
    const { status, body } = await browse(query, person)
    expect(status, JSON.stringify(body)).toBe(200)
    return body.map((each: { id: string }) => Object.keys(ids).find((name) => ids[name] === each.id))
  }

  describe('GetApplicationCollection', () => {
    it('shows everybody what is available, as a bare array with the headers of its pages', async () => {
      const { headers, body } = await browse('')
      expect(body).toHaveLength(3)
      expect(body[0]).toMatchObject({
        name: 'Alpha Ärger',
        status: 'available',
        permissions: ['GetCustomer', 'invoices:index'],
      })
      expect(headers.get('pagination-total')).toBe('3')
      expect(headers.get('pagination-limit')).toBe('100')
      expect(headers.get('pagination-offset')).toBe('0')
    })

    it('shows a publisher its own in any state, and nobody else', async () => {
      expect(await names('', world.publisher)).toEqual([
        'alpha',
        'beta',
        'gamma',
        'pending',
        'disabled',
        'rejected',
        'draft',
      ])
      expect(await names('', world.rival)).toEqual(['alpha', 'beta', 'gamma'])
    })

    it('shows operators what waits for review', async () => {
      expect(await names('filter=status:pending-approval', world.operator)).toEqual(['pending'])
      expect(await names('filter=status:pending-approval', world.merchant)).toEqual([])
    })

    it('pages, and is empty at its end', async () => {
      expect(await names('limit=1&offset=1')).toEqual(['beta'])
      expect(await names('limit=1&offset=3')).toEqual([])
      const { headers, body } = await browse('limit=0')
      expect(body).toEqual([])
      expect(headers.get('pagination-limit')).toBe('1')
      expect((await browse('limit=1001')).status).toBe(400)
      expect((await browse('offset=-1')).status).toBe(400)
    })

    it.each([
      ['filter=name:BETA', ['beta']],
      ['filter=name:alpha%20%C3%84RGER', ['alpha']],
      ['filter=name:bet', []],
      ['filter=authorName:%C3%A9lan', ['beta']],
      ['filter=authorName:ann;acknowledges:true', ['alpha']],
      ['filter=authorName:ann%3Backnowledges:FALSE', ['gamma']],
      ['filter=name:beta,gamma', ['beta', 'gamma']],
      ['filter=name:!beta,!gamma', ['alpha']],
      ['filter=status:Available', ['alpha', 'beta', 'gamma']],
      ['filter=createdTime:2000-01-01..2999-12-31', ['alpha', 'beta', 'gamma']],
      ['filter=createdTime:..2000-01-01', []],
      ['filter=createdTime:2020-01-01T00:00:00+02:00..', ['alpha', 'beta', 'gamma']],
      ['filter=', ['alpha', 'beta', 'gamma']],
      ['q=BETA', ['beta', 'gamma']],
      ['q=%C3%A4rger', ['alpha']],
      ['q=50%25+off_n', ['beta']],
      ['q=%25', ['beta']],
      ['q=than+better', ['gamma']],
      ['sort=-name', ['gamma', 'beta', 'alpha']],
      ['sort=authorName,-name', ['gamma', 'alpha', 'beta']],
      ['sort=-createdTime', ['gamma', 'beta', 'alpha']],
      ['sort=', ['alpha', 'beta', 'gamma']],
    ])('finds by %s', async (query, found) => {
      expect(await names(query)).toEqual(found)
    })

    it('finds one application by its own time, and by its id', async () => {
      const { body } = await browse(`filter=id:${ids['beta']}`)
      expect(body).toHaveLength(1)
      expect(await names(`filter=createdTime:${body[0].createdTime};id:${ids['beta']}`)).toEqual(['beta'])
      expect(await names(`filter=id:!${ids['beta']}`)).toEqual(['alpha', 'gamma'])
    })

    it.each([
      ['filter=colour:red', 'filter.colour'],
      ['filter=status:gone', 'filter.status'],
      ['filter=acknowledges:1', 'filter.acknowledges'],
      ['filter=createdTime:today', 'filter.createdTime'],
      ['filter=properties.color:red', 'filter.properties.color'],
      ['filter=publisherId:x', 'filter.publisherId'],
      ['filter=revisionSubmittedTime:2000-01-01..', 'filter.revisionSubmittedTime'],
      ['filter=name:a%01b', 'filter'],
      ['q=a%01b', 'q'],
      ['sort=colour', 'sort.colour'],
      ['fields=colour', 'fields.colour'],
      ['expand=owner', 'expand.owner'],
      ['limit=many', 'limit'],
    ])('refuses %s with 400 naming the field', async (query, field) => {
      const { status, body } = await browse(query)
      expect(status).toBe(400)
      expect(body).toMatchObject({ code: 'invalid_request', invalidFields: [{ field }] })
    })

    it('returns the members that were asked for, and always the id', async () => {
      const { body } = await browse('fields=name,status&limit=1')
      expect(body).toEqual([{ id: ids['alpha'], name: 'Alpha Ärger', status: 'available' }])
    })

    it('embeds the caller’s instance when asked', async () => {
      const { status } = await world.call('PUT', `/application-instances/${ids['beta']}`, world.merchant.token, {})
      expect(status).toBe(201)
      const { body } = await browse('expand=applicationInstance&fields=name')
      expect(body.map((each: { _embedded: object }) => Object.keys(each._embedded))).toEqual([
        [],
        ['applicationInstance'],
        [],
      ])
      expect((await browse('fields=name')).body[1]).not.toHaveProperty('_embedded')
      expect((await browse('expand=applicationInstance', world.rival)).body[1]._embedded).toEqual({})
    })

    it('needs a credential', async () => {
      expect((await world.call('GET', '/applications')).status).toBe(401)
      expect((await world.call('GET', '/applications', 'stoa_ak_wrong')).status).toBe(401)
    })
  })

  describe('GetApplication', () => {
    const get = (id: string, person = world.merchant, query = '') =>
      world.call('GET', `/applications/${id}${query}`, person.token)

    it('shows an available application to everybody', async () => {
      expect((await get(ids['alpha']!)).body).toMatchObject({ id: ids['alpha'], name: 'Alpha Ärger' })
    })

    it.each(['pending', 'disabled', 'rejected', 'draft'])(
      'shows a %s one to its publisher and to operators',
      async (name) => {
        const id = ids[name]!
        expect((await get(id, world.publisher)).status).toBe(200)
        expect((await get(id, world.operator)).status).toBe(200)
        const [theirs, none] = [await get(id, world.rival), await get(id.replace(/.{4}$/, '0000'), world.rival)]
        expect(theirs.status).toBe(404)
        expect({ ...theirs.body, traceId: '', instance: '' }).toEqual({ ...none.body, traceId: '', instance: '' })
      },
    )

    it('shows a disabled one to those who have it installed', async () => {
      const id = await world.application('available')
      await world.call('PUT', `/application-instances/${id}`, world.merchant.token, {})
      await world.call('POST', `/applications/${id}/disable`, world.operator.token, { reason: 'Broken' })
      expect((await get(id)).body).toMatchObject({ status: 'disabled', statusReason: 'Broken' })
      expect((await get(id, world.rival)).status).toBe(404)
    })

    it('embeds the caller’s instance when asked, and refuses to expand anything else', async () => {
      const { body } = await get(ids['beta']!, world.merchant, '?expand=applicationInstance')
      expect(body._embedded.applicationInstance).toHaveProperty('status')
      expect((await get(ids['beta']!, world.merchant, '?expand=owner')).status).toBe(400)
    })

    it.each(['app_unknown', 'a%20b', 'x'.repeat(51), '%00', '..%2f..'])('answers 404 to the id %s', async (id) => {
      expect((await get(id)).status).toBe(404)
    })
  })
})
