import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { callerAt, openDirectWallet } from './direct.ts'
import { openWorld, type World } from './world.ts'

eachDatabase((database) => {
  let world: World
  beforeAll(async () => {
    world = await openWorld(database)
  })
  afterAll(() => world?.close())

  async function open(options: Parameters<typeof openDirectWallet>[1], amount: string) {
    const locationId = await world.location()
    await world.install(world.appId, locationId)
    await world.fund(locationId, amount)
    const wallet = await openDirectWallet(world, options)
    onTestFinished(wallet.close)
    const caller = await callerAt(world, locationId)
    const charge = (change: object = {}) => wallet.charge(caller, world.chargeBody({ locationId, ...change }))
    const booked = async () =>
      Number((await world.db('stoa_charges').where({ location_id: locationId }).count({ count: '*' }))[0]!.count)
    return { wallet, locationId, charge, booked }
  }

  it('answers 503 with Retry-After to what finds the queue full, and does nothing of it', async () => {
    const { charge, booked } = await open({ queueLimit: 5, batchSize: 2 }, '100')
    const outcomes = await Promise.all(Array.from({ length: 40 }, () => charge()))
    expect(outcomes.map(({ status }) => status)).toEqual([...Array(5).fill(201), ...Array(35).fill(503)])
    expect(outcomes[39]!.error).toMatchObject({ code: 'unavailable', retryAfter: 1 })
    expect(await booked()).toBe(5)
    expect((await charge()).status).toBe(201)
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
    const { wallet, charge, booked } = await open({ queueLimit: 4 }, '100')
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
