import { afterAll, beforeAll, expect, it } from 'vitest'
import { insertRows } from '../../core/src/database/index.ts'
import { newId } from '../../core/src/kernel/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { openHostWithDatabase, seedDelivery, type HostWithDatabase, type Seed } from './support.ts'

const path = '/developers/webhooks'

eachDatabase((kind) => {
  let opened: HostWithDatabase
  let token: string
  let one: string
  let two: string

  beforeAll(async () => {
    opened = await openHostWithDatabase(kind)
    token = opened.host.world.publisher.apiKey
    one = await endpoint()
    two = await endpoint()
  })
  afterAll(() => opened.host.stop())

  async function endpoint(body: object = {}, as = token): Promise<string> {
    const answer = await opened.host.call('POST', `${path}/endpoints`, {
      token: as,
      body: { url: 'http://127.0.0.1:9/', events: ['*'], status: 'DISABLED', ...body },
    })
    expect(answer.status).toBe(201)
    return answer.body.id as string
  }
  const seed = (given: Seed) =>
    seedDelivery(opened.database.knex, { organizationId: opened.host.world.publisher.organizationId, ...given })
  const search = (query: string, as = token) => opened.host.call('GET', `${path}/deliveries?${query}`, { token: as })
  const idsOf = async (query: string, as = token): Promise<string[]> => {
    const { status, body } = await search(query, as)
    expect(status).toBe(200)
    return (body as { id: string }[]).map(({ id }) => id)
  }

  it('finds by endpoint, event, type, state, answer, error, application and time, in any combination', async () => {
    const first = await seed({ endpointId: one, type: 'charge.created', applicationId: 'app_x' })
    const failed = { state: 'failed', lastError: 'status' } as const
    const second = await seed({ ...failed, endpointId: two, eventId: first.eventId, lastStatus: 404 })
    await new Promise((resolve) => setTimeout(resolve, 5))
    const third = await seed({ ...failed, endpointId: one, type: 'charge.refunded', lastStatus: 410 })
    const fourth = await seed({
      endpointId: two,
      state: 'failed',
      lastError: 'timeout',
      type: 'application-instance-enabled',
    })
    const fifth = await seed({ endpointId: two, state: 'cancelled', type: 'charge.refunded' })
    const sixth = await seed({ endpointId: two, state: 'pending' })
    const [a, b, c, d, e, f] = [first, second, third, fourth, fifth, sixth].map(({ id }) => id)
    const [between] = [new Date(parseInt(c!.slice(4, 16), 16)).toISOString()]

    for (const [query, expected] of [
      ['', [f, e, d, c, b, a]],
      [`endpointId=${one}`, [c, a]],
      [`eventId=${first.eventId}`, [b, a]],
      [`eventId=${first.eventId}&endpointId=${two}`, [b]],
      ['type=charge.refunded', [e, c]],
      ['type=charge.*', [f, e, c, b, a]],
      ['type=*-enabled', [d]],
      ['status=failed', [d, c, b]],
      [`status=failed&endpointId=${one}`, [c]],
      ['status=delivered', [a]],
      ['status=cancelled', [e]],
      ['status=held', [f]],
      ['status=pending', []],
      ['responseStatus=404', [b]],
      ['responseStatus=4xx', [c, b]],
      ['responseStatus=2xx', [a]],
      ['responseStatus=none', [d]],
      ['errorCode=timeout', [d]],
      ['errorCode=status&type=charge.refunded', [c]],
      [`since=${between}`, [f, e, d, c]],
      [`until=${between}`, [b, a]],
      ['applicationId=app_x', [b, a]],
      [`endpointId=whe_${'0'.repeat(32)}`, []],
    ] as const) {
      expect([query, await idsOf(query)]).toEqual([query, expected])
    }
    const events = await opened.host.call(
      'GET',
      `${path}/endpoints/${two}/events?responseStatus=4xx&since=${'2020-01-01T00:00:00Z'}`,
      { token },
    )
    expect(events.body.map(({ deliveryId }: { deliveryId: string }) => deliveryId)).toEqual([b])
    expect(events.headers.get('pagination-total')).toBe('1')
  })

  it('refuses what no delivery can have, and names the parameter', async () => {
    for (const query of [
      'responseStatus=6xx',
      'status=lost',
      'type=CHARGE',
      'since=yesterday',
      'limit=1001',
      'errorCode=%25',
    ]) {
      const { status, body } = await search(query)
      expect([query, status, body.invalidFields[0].field]).toEqual([query, expect.any(Number), query.split('=')[0]])
      expect(status).toBeGreaterThanOrEqual(400)
    }
  })

  it('pages by what was last seen, undisturbed by what comes in meanwhile', async () => {
    const endpointId = await endpoint()
    const made: string[] = []
    for (let n = 0; n < 7; n++) made.push((await seed({ endpointId })).id)
    const seen: string[] = []
    let before: string | null = null
    do {
      const answer = await search(`endpointId=${endpointId}&limit=3${before ? `&before=${before}` : ''}`)
      seen.push(...(answer.body as { id: string }[]).map(({ id }) => id))
      before = answer.headers.get('pagination-next')
      await seed({ endpointId })
    } while (before)
    expect(seen).toEqual(made.reverse())
  })

  it('looks further than one window for what is rare, and says where it stopped', async () => {
    const endpointId = await endpoint()
    const rare = await seed({ endpointId, type: 'charge.refunded' })
    for (let n = 0; n < 250; n++) await seed({ endpointId })
    // The first window of a page of one has 200.
    expect(await idsOf(`endpointId=${endpointId}&type=charge.refunded&limit=1`)).toEqual([rare.id])
  }, 30_000)

  it('shows nobody more than their organization’s, environment’s, application’s and installation’s', async () => {
    const { world, call } = opened.host
    const made = await call('POST', `/developers/applications/${world.application.id}/api-keys`, {
      token,
      body: { name: 'own', permissions: ['webhooks:*'] },
    })
    const own = made.body.secretKey as string
    const narrow = await endpoint({}, own)
    const mine = await seed({ endpointId: narrow })
    const wide = await seed({ endpointId: one })
    const sandbox = await endpoint({}, world.sandbox.publisher.apiKey)
    const tried = await seed({ endpointId: sandbox, environment: 'sandbox' })

    expect(await idsOf('', own)).toEqual([mine.id])
    expect(await idsOf(`endpointId=${one}`, own)).toEqual([])
    expect(await idsOf('', world.organization.apiKey)).toEqual([])
    expect(await idsOf('', world.sandbox.publisher.apiKey)).toEqual([tried.id])
    expect(await idsOf('limit=2')).toEqual([wide.id, mine.id])
    const see = (id: string, as: string) => call('GET', `${path}/deliveries/${id}`, { token: as })
    expect((await see(mine.id, own)).status).toBe(200)
    for (const [id, as] of [
      [wide.id, own],
      [wide.id, world.organization.apiKey],
      [wide.id, world.sandbox.publisher.apiKey],
      [tried.id, token],
      [`dlv_${'0'.repeat(32)}`, token],
    ] as const) {
      expect([(await see(id, as)).status, (await see(id, as)).body.code]).toEqual([404, 'not_found'])
    }
  })

  it('finds of a stranger’s endpoint what it finds of none, however much there is, and says nothing of where it stopped', async () => {
    const { world, call } = opened.host
    const endpointId = await endpoint()
    const { id: first } = await seed({ endpointId })
    const row = (await opened.database.knex('stoa_deliveries').where({ id: first }).first()) as object
    const event = (await opened.database.knex('stoa_events').first()) as object
    // More than a request looks through.
    const many = Array.from({ length: 51_000 }, () => newId('evt'))
    for (let start = 0; start < many.length; start += 1000) {
      const ids = many.slice(start, start + 1000)
      const { dialect, knex } = opened.database
      await knex.transaction(async (trx) => {
        const events = ids.map((id) => ({ ...event, id }))
        await insertRows(trx, dialect, 'stoa_events', events)
        const deliveries = ids.map((id) => ({ ...row, id: newId('dlv'), event_id: id }))
        await insertRows(trx, dialect, 'stoa_deliveries', deliveries)
      })
    }
    const made = await call('POST', `/developers/applications/${world.application.id}/api-keys`, {
      token,
      body: { name: 'own', permissions: ['webhooks:*'] },
    })
    const strangers = [made.body.secretKey as string, world.organization.apiKey, world.sandbox.publisher.apiKey]
    for (const as of strangers) {
      for (const query of ['', '&status=delivered', '&type=charge.refunded']) {
        const { status, body, headers } = await search(`endpointId=${endpointId}${query}`, as)
        expect([status, body, headers.get('pagination-next')]).toEqual([200, [], null])
      }
    }
    const owner = await search(`endpointId=${endpointId}&type=charge.refunded`)
    expect(owner.headers.get('pagination-next')).toMatch(/^dlv_/)
  }, 120_000)

  it('shows what was sent to an endpoint that is deleted', async () => {
    const endpointId = await endpoint()
    const { id } = await seed({ endpointId })
    await opened.host.call('DELETE', `${path}/endpoints/${endpointId}`, { token })
    expect(await idsOf(`endpointId=${endpointId}`)).toEqual([id])
  })
})
