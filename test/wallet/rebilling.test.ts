import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type World } from './world.ts'

eachDatabase((database) => {
  let world: World
  let locationId: string
  let token: string
  let appId: string
  let fixed: string
  beforeAll(async () => {
    world = await openWorld(database)
  })
  afterAll(() => world?.close())
  beforeEach(async () => {
    appId = await world.application()
    fixed = await world.meter(appId, { name: 'Messages', unit: 'message', priceType: 'fixed', price: '0.5' })
    locationId = await world.location()
    token = await world.install(appId, locationId)
    await world.fund(locationId, 100)
  })

  const at = (location = 'all', application = appId, item = 'all') => `/rebilling/${location}/${application}/${item}`
  const put = (path: string, body: object, by = world.merchant.token) => world.request('PUT', path, { token: by, body })
  const charge = (change: object = {}) =>
    world.request('POST', world.chargesPath, {
      token,
      body: world.chargeBody({ appId, meterId: fixed, locationId, ...change }),
    })
  const fundOrganization = (amount: number) =>
    world.request('POST', '/platform/top-ups', {
      token: world.operator.token,
      body: { organizationId: world.merchant.organizationId, amount, reference: `org-${Math.random()}` },
    })
  const organizationBalance = async (): Promise<bigint> =>
    micros((await world.request('GET', '/wallet', { token: world.merchant.token })).body.exact.balance)
  const locationBalance = async () => micros(await world.balance(locationId))
  const earned = async (kind: string, ownerId: string): Promise<bigint> => {
    const rows = await world
      .db('stoa_ledger_entries as e')
      .join('stoa_ledger_accounts as a', 'a.id', 'e.account_id')
      .where({ 'a.kind': kind, 'a.owner_id': ownerId, 'a.environment': 'production' })
      .select('e.amount')
    return rows.reduce((sum: bigint, row: { amount: string }) => sum + BigInt(row.amount), 0n)
  }
  const books = async () => ({
    location: await locationBalance(),
    organization: await organizationBalance(),
    author: await earned('app_payable', appId),
    fee: await earned('platform_fee', 'platform'),
    margin: await earned('margin', world.merchant.organizationId),
  })
  type Books = Awaited<ReturnType<typeof books>>
  const change = (before: Books, after: Books) =>
    Object.fromEntries(Object.entries(after).map(([name, value]) => [name, value - before[name as keyof Books]]))

  describe('who pays', () => {
    it('is the location at the application’s price without a rule', async () => {
      const before = await books()
      expect((await charge()).status).toBe(201)
      expect(change(before, await books())).toEqual({
        location: -500_000n,
        organization: 0n,
        author: 500_000n,
        fee: 0n,
        margin: 0n,
      })
    })

    it('is the organization at the application’s price while the rule is off', async () => {
      await fundOrganization(10)
      expect((await put(at(), { enabled: false })).status).toBe(200)
      const before = await books()
      const made = await charge({ units: 3 })
      expect(made.status).toBe(201)
      const after = { location: 0n, organization: -1_500_000n, author: 1_500_000n, fee: 0n, margin: 0n }
      expect(change(before, await books())).toEqual(after)
      expect((await world.void(made.body.chargeId, token)).status).toBe(200)
      expect(await books()).toEqual(before)
      expect(await world.checkLedger()).toEqual([])
    })

    it('is the location at the markup while it is on, and the organization gets the difference', async () => {
      const fee = { token: world.operator.token, body: { feeBps: 2000 } }
      await world.request('PUT', `/platform/applications/${appId}/fee`, fee)
      expect((await put(at(), { enabled: true, markupBps: 2500 })).status).toBe(200)
      const before = await books()
      const made = await charge({ units: 2 })
      expect(made.body).toMatchObject({ amountCharged: 1.25 })
      const after = { location: -1_250_000n, organization: 0n, author: 800_000n, fee: 200_000n, margin: 250_000n }
      expect(change(before, await books())).toEqual(after)
      expect(await world.checkLedger()).toEqual([])
    })

    it('has no say in what is given back: every leg comes back as it was booked', async () => {
      await put(at(), { enabled: true, markupBps: 3333 })
      await world.request('PUT', `/platform/applications/${appId}/fee`, {
        token: world.operator.token,
        body: { feeBps: 777 },
      })
      const before = await books()
      const made = await charge({ units: 1.234567 })
      await put(at(), { enabled: false })
      await world.request('PUT', `/platform/applications/${appId}/fee`, {
        token: world.operator.token,
        body: { feeBps: 0 },
      })
      expect((await world.void(made.body.chargeId, token)).status).toBe(200)
      expect(await books()).toEqual(before)
      expect(await world.checkLedger()).toEqual([])
    })
  })

  describe('an own price', () => {
    it('is what the location pays for a unit', async () => {
      expect((await put(at('all', appId, fixed), { enabled: true, ownPrice: '0.75' })).status).toBe(200)
      const before = await books()
      await charge({ units: 2 })
      expect(change(before, await books())).toMatchObject({
        location: -1_500_000n,
        author: 1_000_000n,
        margin: 500_000n,
      })
    })

    it('is the application’s once that has risen above it', async () => {
      await put(at('all', appId, fixed), { enabled: true, ownPrice: '0.75' })
      const meter = `/developers/applications/${appId}/meters/${fixed}`
      await world.request('PATCH', meter, { token: world.publisher.token, body: { price: 2 } })
      const before = await books()
      await charge()
      expect(change(before, await books())).toMatchObject({ location: -2_000_000n, author: 2_000_000n, margin: 0n })
    })

    it('is refused below what the application asks, with what it asks', async () => {
      const answer = await put(at('all', appId, fixed), { enabled: true, ownPrice: '0.499999' })
      expect(answer).toMatchObject({
        status: 422,
        body: { code: 'validation_failed', asks: '0.5', currency: 'USD', invalidFields: [{ field: 'ownPrice' }] },
      })
    })

    it.each([
      ['an allowance', { priceType: 'fixed', price: '0.5', freeUnits: 3 }],
      [
        'a tier that costs nothing',
        {
          priceType: 'graduated',
          tiers: [
            { upTo: 3, price: 0 },
            { upTo: null, price: '0.5' },
          ],
        },
      ],
      ['an allowance before packages', { priceType: 'package', price: '0.5', packageSize: 2, freeUnits: 3 }],
    ])('leaves %s free, also in what a hold reserves, and the books agree', async (_, price) => {
      const meterId = await world.meter(appId, { name: 'Pages', unit: 'page', ...price })
      expect((await put(at('all', appId, meterId), { enabled: true, ownPrice: 2 })).status).toBe(200)
      const before = await books()
      expect((await charge({ meterId, units: 2 })).status).toBe(201)
      expect(change(before, await books())).toMatchObject({ location: 0n, author: 0n, margin: 0n })
      const held = await world.hold({ appId, meterId, locationId, units: 3 }, token)
      expect(held.body).toMatchObject({ amount: 4 })
      expect((await charge({ meterId, units: 3 })).status).toBe(201)
      expect(change(before, await books()).location).toBe(-4_000_000n)
      expect(await world.checkLedger()).toEqual([])
    })

    it('belongs to one item', async () => {
      const answer = await put(at(), { enabled: true, ownPrice: 1 })
      expect(answer).toMatchObject({ status: 422, body: { invalidFields: [{ field: 'ownPrice' }] } })
    })
  })

  it('the rule for the location beats the one for the application, and ending it brings that back', async () => {
    await put(at(), { enabled: true, markupBps: 1000 })
    await put(at(locationId, 'all'), { enabled: true, markupBps: 10_000 })
    const amount = async () => (await charge()).body.amountCharged as number
    expect(await amount()).toBe(1)
    const ended = await world.request('DELETE', at(locationId, 'all'), { token: world.merchant.token })
    expect(ended.status).toBe(204)
    expect(await amount()).toBe(0.55)
    expect((await world.request('GET', at(locationId, 'all'), { token: world.merchant.token })).status).toBe(404)
    expect((await world.request('DELETE', at(locationId, 'all'), { token: world.merchant.token })).status).toBe(404)
  })

  it('keeps every version with who made it, and adds none when nothing changes', async () => {
    const first = await put(at(), { enabled: true, markupBps: 100 })
    expect(first.body).toMatchObject({
      version: 1,
      locationId: null,
      applicationId: appId,
      itemId: null,
      environment: 'production',
      enabled: true,
      markupBps: 100,
      ownPrice: null,
      endedTime: null,
    })
    expect((await put(at(), { enabled: true, markupBps: 100 })).body).toEqual(first.body)
    world.advance(10)
    const second = await put(at(), { enabled: false })
    const { body } = await world.request('GET', `${at()}/versions`, { token: world.merchant.token })
    expect(body).toEqual([second.body, { ...first.body, endedTime: world.now() }])
    expect(body[0].actor).toMatch(/^user:usr_/)
    const listed = await world.request('GET', `/rebilling?applicationId=${appId}`, { token: world.merchant.token })
    expect(listed.body).toEqual([second.body])
  })

  it('makes versions that follow each other when many change one at once', async () => {
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, index) => put(at(), { enabled: true, markupBps: index })),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array(12).fill(200))
    const { body } = await world.request('GET', `${at()}/versions`, { token: world.merchant.token })
    const versions = (body as { version: number; endedTime: string | null }[]).map(({ version }) => version)
    expect(versions).toEqual(Array.from({ length: 12 }, (_, index) => 12 - index))
    expect((body as { endedTime: string | null }[]).filter(({ endedTime }) => endedTime === null)).toHaveLength(1)
  })

  it.each([
    ['a percentage', { enabled: true, markup: 5 }],
    ['a factor', { enabled: true, multiplier: 1.5 }],
    ['a markup that is no whole number', { enabled: true, markupBps: 1.5 }],
    ['a markup as text', { enabled: true, markupBps: '500' }],
    ['a negative markup', { enabled: true, markupBps: -1 }],
    ['a markup above the bound', { enabled: true, markupBps: 1_000_001 }],
    ['neither markup nor price', { enabled: true }],
    ['both', { enabled: true, markupBps: 1, ownPrice: 1 }],
    ['too many decimals', { enabled: true, ownPrice: '0.1234567' }],
    ['no word whether it is on', { markupBps: 1 }],
  ])('refuses %s', async (_, body) => {
    expect((await put(at('all', appId, fixed), body)).status).toBe(422)
  })

  it.each([
    ['markupBps', { markupBps: 500 }],
    ['markupBps', { markupBps: 0 }],
    ['ownPrice', { ownPrice: 1 }],
  ])('refuses %s of a rule that is off, which would mean nothing', async (field, terms) => {
    const answer = await put(at('all', appId, fixed), { enabled: false, ...terms })
    expect(answer).toMatchObject({ status: 422, body: { code: 'validation_failed', invalidFields: [{ field }] } })
    expect((await world.request('GET', at('all', appId, fixed), { token: world.merchant.token })).status).toBe(404)
    const none = { enabled: false, markupBps: null, ownPrice: null }
    expect(await put(at('all', appId, fixed), none)).toMatchObject({ status: 200, body: none })
  })

  it('answers what belongs to somebody else like what does not exist', async () => {
    const other = await world.tenant('Other')
    const foreign = await world.location(other)
    const elsewhere = await world.application()
    const meter = await world.meter(elsewhere, { name: 'M', unit: 'u', priceType: 'fixed', price: 1 })
    const rule = { enabled: false }
    for (const path of [
      at(foreign),
      at('loc_none'),
      at('all', 'app_none'),
      at('all', appId, meter),
      at('all', appId, 'x'),
    ]) {
      expect([path, (await put(path, rule)).status]).toEqual([path, 404])
    }
    await put(at(), rule)
    expect((await world.request('GET', at(), { token: other.token })).status).toBe(404)
    expect((await put(at('all', 'all', fixed), rule)).status).toBe(422)
  })

  it('keeps the sandbox apart', async () => {
    await put(at(), { enabled: true, markupBps: 10_000 }, world.merchant.sandbox)
    expect((await charge()).body.amountCharged).toBe(0.5)
  })

  it('an organization has at most 20,000 rules in force; those there are can be changed and ended', async () => {
    const rule = {
      organization_id: world.merchant.organizationId,
      environment: 'production',
      location_key: '',
      item_key: '',
      version: 1,
      enabled: false,
      markup_bps: null,
      own_price: null,
      currency: null,
      actor: 'test',
      created_time: world.now(),
      ended_time: null,
    }
    await put(at(), { enabled: true, markupBps: 100 })
    const there = await world.count('stoa_rebillings')
    const rows = Array.from({ length: 20_000 }, (_, n) => ({
      ...rule,
      id: `reb_many${n}`,
      application_key: `app_${n}`,
    }))
    await world.db.batchInsert('stoa_rebillings', rows, 500)
    expect(there).toBeGreaterThan(0)
    const full = await put(at(locationId), { enabled: true, markupBps: 100 })
    expect(full).toMatchObject({ status: 409, body: { code: 'limit_reached', limit: 20_000 } })
    expect((await put(at(), { enabled: true, markupBps: 200 })).status).toBe(200)
    // What holds elsewhere is not even read.
    expect((await charge()).status).toBe(201)
    await world
      .db('stoa_rebillings')
      .where('id', 'like', 'reb_many%')
      .whereNull('ended_time')
      .update({ ended_time: world.now() })
    expect((await put(at(locationId), { enabled: true, markupBps: 100 })).status).toBe(200)
  })

  describe('GET /marketplace/app/{appId}/prices', () => {
    const prices = () => world.request('GET', `/marketplace/app/${appId}/prices`, { token })

    it('tells the application what it asks and what its customer pays', async () => {
      await world.meter(appId, { name: 'Minutes', unit: 'minute', priceType: 'dynamic', minPrice: 0.01, maxPrice: 5 })
      await put(at(), { enabled: true, markupBps: 1000 })
      const { status, body } = await prices()
      expect(status).toBe(200)
      expect(body.prices).toMatchObject([
        {
          meterId: fixed,
          meterName: 'Messages',
          usageUnit: 'message',
          priceType: 'fixed',
          currency: 'USD',
          payer: 'location',
          base: { pricePerUnit: 0.5 },
          retail: { pricePerUnit: 0.55, exact: { pricePerUnit: '0.55' } },
        },
        {
          base: { minPricePerUnit: 0.01, maxPricePerUnit: 5 },
          retail: { minPricePerUnit: 0.011, maxPricePerUnit: 5.5 },
        },
      ])
    })

    it('tells the merchant what the location pays or would pay, and not what the application asks', async () => {
      const share = { name: 'Sales', unit: 'sale', priceType: 'percentage', rateBps: 250, freeUnits: 3 }
      await world.meter(appId, share)
      await world.meter(appId, { name: 'Pages', unit: 'page', priceType: 'package', price: 5, packageSize: 1000 })
      await put(at(), { enabled: true, markupBps: 2000 })
      const list = async (place: string | null, by = world.merchant.token) =>
        world.request('GET', `${world.place(place)}/application-instances/${appId}/prices`, { token: by })
      const { status, body } = await list(locationId)
      expect(status).toBe(200)
      expect(body).toMatchObject([
        { meterId: fixed, payer: 'location', pricePerUnit: 0.6, freeUnits: '0', packageSize: null, rateBps: null },
        { meterName: 'Sales', priceType: 'percentage', rateBps: 300, freeUnits: '3', pricePerUnit: null },
        { meterName: 'Pages', packageSize: '1000', exact: { pricePerUnit: '0.006' } },
      ])
      expect(body[0]).not.toHaveProperty('base')
      expect((await list(null)).body).toMatchObject([{ pricePerUnit: 0.6 }, {}, {}])
      expect((await list(locationId, (await world.tenant('Stranger')).token)).status).toBe(404)
    })

    it('says that the organization pays when the rule is off', async () => {
      await put(at(), { enabled: false })
      expect((await prices()).body.prices).toMatchObject([{ payer: 'organization', retail: { pricePerUnit: 0.5 } }])
    })

    it('is for the application of the token alone', async () => {
      const other = await world.request('GET', `/marketplace/app/${world.appId}/prices`, { token })
      expect(other.status).toBe(404)
      expect(
        (await world.request('GET', `/marketplace/app/${appId}/prices`, { token: world.merchant.token })).status,
      ).toBe(403)
    })
  })
})

function micros(text: string): bigint {
  const [whole = '0', fraction = ''] = text.split('.')
  return BigInt(whole + fraction.padEnd(6, '0'))
}
