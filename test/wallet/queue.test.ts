import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { callerAt, openDirectWallet, type DirectWallet, type Outcome } from './direct.ts'
import { openWorld, type World } from './world.ts'

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })
  afterAll(() => world?.close())

  /** A location with money where an application is installed; by default the world's. */
  async function openPlace(wallet: DirectWallet, amount: string, of = { appId: world.appId, meterId: world.fixed }) {
    const locationId = await world.location()
    await world.install(of.appId, locationId)
    await world.fund(locationId, amount)
    const caller = await callerAt(world, locationId)
    const body = (change: object = {}) => world.chargeBody({ ...of, locationId, ...change })
    const charge = (change: object = {}) => wallet.charge(caller, body(change))
    const batch = (count: number) =>
      wallet.batch(
        caller,
        Array.from({ length: count }, () => body()),
      )
    const booked = async () =>
      Number((await world.db('stoa_charges').where({ location_id: locationId }).count({ count: '*' }))[0]!.count)
    return { locationId, charge, batch, booked }
  }

  async function openWallet(options: Parameters<typeof openDirectWallet>[1]) {
    const wallet = await openDirectWallet(world, options)
    onTestFinished(wallet.close)
    return wallet
  }

  async function open(options: Parameters<typeof openDirectWallet>[1], amount: string) {
    const wallet = await openWallet(options)
    return { wallet, ...(await openPlace(wallet, amount)) }
  }

  async function anotherApplication() {
    const appId = await world.application()
    return { appId, meterId: await world.meter(appId, { name: 'Pages', unit: 'page', priceType: 'fixed', price: 0.5 }) }
  }

  it('answers 503 with Retry-After to what finds the queue full, and does nothing of it', async () => {
    const { charge, booked } = await open({ queueLimit: 9, batchSize: 2 }, '100')
    const outcomes = await Promise.all(Array.from({ length: 40 }, () => charge()))
    expect(outcomes.map(({ status }) => status)).toEqual([...Array(5).fill(201), ...Array(35).fill(503)])
    expect(outcomes[39]!.error).toMatchObject({ code: 'unavailable', retryAfter: 1 })
    expect(await booked()).toBe(5)
    expect((await charge()).status).toBe(201)
  })

  it('never lets one application have more waiting than there is room left, so that others find some', async () => {
    const wallet = await openWallet({ queueLimit: 12, batchSize: 4 })
    const [first, second, third] = [
      await openPlace(wallet, '100'),
      await openPlace(wallet, '100', await anotherApplication()),
      await openPlace(wallet, '100', await anotherApplication()),
    ]
    const statuses = async (outcomes: Promise<Outcome>[]) => (await Promise.all(outcomes)).map(({ status }) => status)
    const many = (charge: () => Promise<Outcome>) => Array.from({ length: 30 }, () => charge())
    // All in one turn: nothing is answered in between.
    const [ofFirst, ofSecond, ofThird] = [many(first.charge), many(second.charge), many(third.charge)]
    expect(await statuses(ofFirst)).toEqual([...Array(6).fill(201), ...Array(24).fill(503)])
    expect(await statuses(ofSecond)).toEqual([...Array(3).fill(201), ...Array(27).fill(503)])
    expect(await statuses(ofThird)).toEqual([...Array(2).fill(201), ...Array(28).fill(503)])
    expect([await first.booked(), await second.booked(), await third.booked()]).toEqual([6, 3, 2])
    expect((await ofFirst[29])!.error).toMatchObject({
      code: 'unavailable',
      retryAfter: 1,
      message: expect.stringContaining('charges of this application'),
    })
    // What was answered waits no more.
    expect(await statuses(many(first.charge))).toEqual([...Array(6).fill(201), ...Array(24).fill(503)])
    expect(await world.checkLedger()).toEqual([])
  })

  it('counts the charges of a batch one by one for that, and does nothing of a batch that goes beyond it', async () => {
    const wallet = await openWallet({ queueLimit: 12 })
    const [first, second] = [await openPlace(wallet, '100'), await openPlace(wallet, '100', await anotherApplication())]
    const outcomes = [first.batch(4), first.batch(4), first.batch(2), second.batch(6), second.batch(1), second.charge()]
    expect((await Promise.all(outcomes)).map(({ code, status }) => code ?? status)).toEqual([
      200,
      200,
      'unavailable',
      'unavailable',
      200,
      201,
    ])
    expect([await first.booked(), await second.booked()]).toEqual([8, 2])
    expect(await world.checkLedger()).toEqual([])
  })

  it('decides in the order of arrival, each charge on what those before it left', async () => {
    const { charge } = await open({}, '2')
    const outcomes = await Promise.all([
      charge({ units: 2, eventId: 'a' }),
      charge({ units: 3, eventId: 'b' }),
      charge({ units: 2, eventId: 'a' }),
      charge({ units: 1, eventId: 'a' }),
      charge({ units: 2, eventId: 'c' }),
      charge({ units: 1, eventId: 'd' }),
      charge({ units: 3, eventId: 'b' }),
    ])
    expect(outcomes.map(({ status, code }) => code ?? status)).toEqual([
      201,
      'insufficient_funds',
      200,
      'event_id_reused',
      201,
      'insufficient_funds',
      'insufficient_funds',
    ])
    expect(outcomes[2]!.body).toEqual(outcomes[0]!.body)
    expect(await world.checkLedger()).toEqual([])
  })

  it('does not fail the others of a batch when the database refuses one of them', async () => {
    const { charge, booked } = await open({}, '100')
    // No request gets this far: the schema wants a description, and the column does too.
    const outcomes = await Promise.all([charge(), charge({ description: undefined }), charge(), charge()])
    expect(outcomes.map(({ status }) => status)).toEqual([201, 500, 201, 201])
    expect(await booked()).toBe(3)
    expect(await world.checkLedger()).toEqual([])
  })

  it('is drained when also those are answered that were tried again, and counts them as waiting until then', async () => {
    const { wallet, charge, booked } = await open({ queueLimit: 7 }, '100')
    const first = [charge(), charge({ description: undefined }), charge(), charge()]
    let answered = false
    for (const each of first) void each.then(() => (answered = true))
    // Somebody who keeps asking, also between the batch and what comes after it.
    const intruders = []
    for (; !answered; await new Promise((resolve) => setImmediate(resolve))) intruders.push(charge())
    expect(new Set((await Promise.all(intruders)).map(({ status }) => status))).toEqual(new Set([503]))
    await wallet.drain()
    expect(await booked()).toBe(3)

    const again = [charge(), charge({ description: undefined }), charge()]
    await wallet.drain()
    expect(await booked()).toBe(5)
    expect((await Promise.all(again)).map(({ status }) => status)).toEqual([201, 500, 201])
  })

  it('answers everything before it is drained', async () => {
    const { wallet, charge, booked } = await open({ batchSize: 3 }, '100')
    const charges = Array.from({ length: 20 }, () => charge())
    await wallet.drain()
    expect(await booked()).toBe(20)
    await Promise.all(charges)
    await wallet.drain()
  })
})
