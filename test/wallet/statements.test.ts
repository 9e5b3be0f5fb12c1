import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { openWorld, type World } from './world.ts'

// Each test has a month of its own, so that they share a host and not their bookings.
eachDatabase((database) => {
  let world: World
  let locationId: string
  let token: string
  let appId: string
  let meterId: string
  beforeAll(async () => {
    world = await openWorld(database)
  })
  afterAll(() => world?.close())
  beforeEach(async () => {
    appId = await world.application()
    meterId = await world.meter(appId, { name: 'Messages', unit: 'message', priceType: 'fixed', price: '0.5' })
    locationId = await world.location()
    token = await world.install(appId, locationId)
    goTo(nextMonth())
  })

  const nextMonth = (after = world.now()) => {
    const [year, month] = after.split('-').map(Number)
    return new Date(Date.UTC(year!, month!, 1)).toISOString()
  }
  function goTo(time: string): void {
    world.advance((Date.parse(time) - Date.parse(world.now())) / 1000)
  }
  const charge = async (change: object = {}) => {
    const body = world.chargeBody({ appId, meterId, locationId, ...change })
    const answer = await world.request('POST', world.chargesPath, { token, body })
    if (answer.status !== 201) throw new Error(JSON.stringify(answer.body))
    return answer.body.chargeId as string
  }
  const get = (path: string, by: string, headers: Record<string, string> = {}) =>
    world.request('GET', path, { token: by, headers })
  const ofWallet = (query: string, headers = {}) =>
    get(`${world.place(locationId)}/wallet/statement?${query}`, world.merchant.token, headers)
  const ofApplication = (query: string) =>
    get(`/developers/applications/${appId}/statement?${query}`, world.publisher.token)
  const csvOf = async (path: string, by: string) =>
    (await fetch(world.url + path, { headers: { Authorization: `Bearer ${by}`, Accept: 'text/csv' } })).text()

  describe('of a wallet', () => {
    it('has the balance before and after, and what came in between', async () => {
      await world.fund(locationId, 10)
      await charge()
      const month = nextMonth().slice(0, 7)
      goTo(nextMonth())
      const first = world.now()
      await charge({ units: 2, description: 'Two' })
      world.advance(86_400)
      await world.fund(locationId, 5)
      const end = nextMonth()
      goTo(end)
      await charge()
      const { status, body } = await ofWallet(`month=${month}`)
      expect(status).toBe(200)
      expect(body).toMatchObject({
        organizationId: world.merchant.organizationId,
        locationId,
        environment: 'production',
        currency: 'USD',
        from: first,
        to: end,
        closed: false,
        openingBalance: '9.5',
        closingBalance: '13.5',
        lines: [
          { number: 3, kind: 'charge', applicationId: appId, description: 'Two', amount: '-1', balance: '8.5' },
          { number: 4, kind: 'top-up', amount: '5', balance: '13.5' },
        ],
        next: null,
      })
      const following = await ofWallet('')
      expect(following.body).toMatchObject({ openingBalance: '13.5', closingBalance: '13' })
    })

    it('never changes once it is closed', async () => {
      await world.fund(locationId, 10)
      await charge()
      const month = world.now().slice(0, 7)
      goTo(nextMonth())
      expect((await ofWallet(`month=${month}`)).body.closed).toBe(false)
      world.advance(60)
      const before = await ofWallet(`month=${month}`)
      const path = `${world.place(locationId)}/wallet/statement?month=${month}`
      const csvBefore = await csvOf(path, world.merchant.token)
      expect(before.body.closed).toBe(true)
      for (let index = 0; index < 5; index++) await charge()
      // Late, of the closed month: it is booked now, and so belongs to this one.
      await charge({ eventTime: new Date(Date.parse(world.now()) - 86_400_000).toISOString() })
      goTo(nextMonth())
      await charge()
      expect(JSON.stringify((await ofWallet(`month=${month}`)).body)).toBe(JSON.stringify(before.body))
      expect(await csvOf(path, world.merchant.token)).toBe(csvBefore)
    })

    it('is read page by page, each line once, however the pages are cut', async () => {
      await world.fund(locationId, 100)
      for (let index = 0; index < 10; index++) {
        await charge()
        world.advance(index % 3 === 0 ? 90 : 1)
      }
      const month = world.now().slice(0, 7)
      const numbers: number[] = []
      let next: number | null = 0
      while (next !== null) {
        const page = await ofWallet(`month=${month}&limit=4&after=${next}`)
        numbers.push(...page.body.lines.map(({ number }: { number: number }) => number))
        next = page.body.next
        const link = page.headers.get('link')
        if (next === null) expect(link).toBeNull()
        else expect(link).toMatch(new RegExp(`/wallet/statement\\?month=${month}&limit=4&after=${next}>; rel="next"$`))
      }
      expect(numbers).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
    })

    it('has every line in one of the ranges that follow each other', async () => {
      await world.fund(locationId, 100)
      const start = world.now()
      const cuts = [start]
      for (let index = 0; index < 30; index++) {
        await charge()
        world.advance([0, 0.001, 1, 59, 61, 600][index % 6]!)
        if (index % 4 === 0) cuts.push(world.now())
      }
      world.advance(1)
      cuts.push(world.now())
      const numbers: number[] = []
      let balance = '0'
      for (const [index, from] of cuts.slice(0, -1).entries()) {
        const to = cuts[index + 1]!
        if (to === from) continue
        const { body } = await ofWallet(`from=${from}&to=${to}`)
        expect(body.openingBalance).toBe(balance)
        balance = body.closingBalance
        for (const line of body.lines) {
          expect(line.bookedTime >= from && line.bookedTime < to).toBe(true)
          numbers.push(line.number)
        }
      }
      expect(numbers).toEqual(Array.from({ length: 31 }, (_, index) => index + 1))
      expect(balance).toBe(await world.balance(locationId))
    })

    it('is empty for one that nothing was ever booked on', async () => {
      const { body } = await ofWallet('month=2026-03')
      expect(body).toMatchObject({ openingBalance: '0', closingBalance: '0', lines: [], next: null, closed: true })
    })

    it('comes as CSV that a spreadsheet can open safely', async () => {
      await world.fund(locationId, 10)
      await charge({ description: '=HYPERLINK("http://evil.example","a, b")' })
      const path = `${world.place(locationId)}/wallet/statement`
      const answer = await fetch(`${world.url}${path}?format=csv`, {
        headers: { Authorization: `Bearer ${world.merchant.token}` },
      })
      expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8')
      expect(answer.headers.get('content-disposition')).toMatch(/^attachment; filename="statement-\d{4}-\d\d-01.csv"$/)
      const lines = (await answer.text()).split('\r\n')
      expect(lines[0]).toBe(
        'number,bookedTime,eventTime,kind,transactionId,referenceId,applicationId,description,amount,balance',
      )
      expect(lines[1]).toMatch(/^,[^,]+,,opening-balance,,,,,,0$/)
      expect(lines[3]).toMatch(/,charge,.*,"'=HYPERLINK\(""http:\/\/evil.example"",""a, b""\)",-0.5,9.5$/)
      expect(lines[4]).toMatch(/^,[^,]+,,closing-balance,,,,,,9.5$/)
      expect(await csvOf(path, world.merchant.token)).toBe(lines.join('\r\n'))
    })

    it.each([
      ['month=2026-13'],
      ['month=2026-3'],
      ['month=x'],
      ['from=2026-03-01'],
      ['to=2026-03-01'],
      ['from=2026-03-02&to=2026-03-01'],
      ['from=2026-03-01&to=2026-03-01'],
      ['from=2020-01-01&to=2026-03-01'],
      ['from=2026-02-30x&to=2026-03-01'],
      ['from=2026-03-01T00:00:00&to=2026-03-02'],
      ['month=2026-03&from=2026-03-01&to=2026-03-02'],
    ])('refuses %s', async (query) => {
      expect((await ofWallet(query)).status).toBe(422)
    })
  })

  describe('of an application', () => {
    it('says what was charged, kept by the platform, earned, given back and paid out', async () => {
      await world.request('PUT', `/platform/applications/${appId}/fee`, {
        token: world.operator.token,
        body: { feeBps: 1000 },
      })
      const resold = { token: world.merchant.token, body: { enabled: true, markupBps: 2000 } }
      await world.request('PUT', `/rebilling/all/${appId}/all`, resold)
      await world.fund(locationId, 100)
      await charge()
      const month = nextMonth().slice(0, 7)
      goTo(nextMonth())
      const given = await charge({ units: 2 })
      await charge({ units: 4 })
      await world.void(given, token)
      world.advance(120)
      await world.payOut()
      const { body } = await ofApplication(`month=${month}`)
      expect(body).toMatchObject({
        applicationId: appId,
        openingBalance: '0.45',
        closingBalance: '0',
        totals: [
          { kind: 'charge', count: 2, amount: '2.7' },
          { kind: 'payout', count: 1, amount: '-2.25' },
          { kind: 'refund', count: 1, amount: '-0.9' },
        ],
        meters: [
          { meterId, kind: 'charge', count: 2, units: '6', paid: '3.6', base: '3', fee: '0.3', earned: '2.7' },
          { meterId, kind: 'refund', count: 1, units: '-2', paid: '-1.2', base: '-1', fee: '-0.1', earned: '-0.9' },
        ],
      })
      const margin = await get(`/earnings/statement?month=${month}`, world.merchant.token)
      expect(margin.body.totals).toEqual(
        expect.arrayContaining([
          { kind: 'charge', applicationId: appId, count: 2, amount: '0.6' },
          { kind: 'refund', applicationId: appId, count: 1, amount: '-0.2' },
        ]),
      )
      const csv = await csvOf(`/developers/applications/${appId}/statement?month=${month}`, world.publisher.token)
      expect(csv.split('\r\n')).toEqual([
        'kind,meterId,count,units,paid,base,fee,amount,balance',
        'opening-balance,,,,,,,,0.45',
        'charge,,2,,,,,2.7,',
        'payout,,1,,,,,-2.25,',
        'refund,,1,,,,,-0.9,',
        `meter-charge,${meterId},2,6,3.6,3,0.3,2.7,`,
        `meter-refund,${meterId},1,-2,-1.2,-1,-0.1,-0.9,`,
        'closing-balance,,,,,,,,0',
        '',
      ])
      expect(await csvOf(`/earnings/statement?month=${month}`, world.merchant.token)).toMatch(
        /^kind,applicationId,count,amount,balance\r\nopening-balance,/,
      )

      // Closed, and then later bookings: nothing moves.
      goTo(nextMonth())
      world.advance(60)
      const closed = JSON.stringify((await ofApplication(`month=${month}`)).body)
      await charge()
      expect(JSON.stringify((await ofApplication(`month=${month}`)).body)).toBe(closed)
    })

    it('is its publisher’s alone', async () => {
      const path = `/developers/applications/${appId}/statement`
      expect((await get(path, world.merchant.token)).status).toBe(404)
    })
  })

  describe('the export of the ledger', () => {
    it('has every transaction once, with its entries, in pages', async () => {
      await world.fund(locationId, 10)
      for (let index = 0; index < 5; index++) await charge()
      world.advance(120)
      await charge()
      const seen: { id: string; entries: { amount: string }[] }[] = []
      let next: string | null = ''
      while (next !== null) {
        const page = await get(`/platform/ledger/export?limit=3${next && `&after=${next}`}`, world.operator.token)
        seen.push(...page.body.transactions)
        next = page.body.next
      }
      // The last one is too young.
      expect(seen).toHaveLength((await world.count('stoa_ledger_transactions')) - 1)
      expect(new Set(seen.map(({ id }) => id)).size).toBe(seen.length)
      expect(seen.at(-1)).toMatchObject({
        kind: 'charge',
        entries: [
          { seq: 0, amount: '-0.5', balanceAfter: '7.5', accountVersion: 6 },
          { seq: 1, amount: '0.5', hash: null },
        ],
      })
      world.advance(60)
      const rest = await get(`/platform/ledger/export?after=${seen.at(-1)!.id}`, world.operator.token)
      expect(rest.body).toMatchObject({ transactions: [{ entries: [{ amount: '-0.5' }, {}] }], next: null })
      expect((await get('/platform/ledger/export', world.publisher.token)).status).toBe(403)
    })
  })
})
