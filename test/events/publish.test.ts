import { expect, it } from 'vitest'
import { hasSubscribers, publishMany } from '../../core/src/events/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { application, chargeEvent, openEvents, openReceiver, publisher, until } from './support.ts'

const anywhere = 'http://127.0.0.1:9/hook'

eachDatabase((database) => {
  it('gives an event to every endpoint of the publisher that wants its type, and to no other', async () => {
    const { ctx, addEndpoint, publish, deliveries } = await openEvents(database)
    const all = await addEndpoint({ url: anywhere })
    const charges = await addEndpoint({ url: anywhere, events: ['charge.refunded', 'charge.created'] })
    await addEndpoint({ url: anywhere, events: ['charge.refunded'] })
    const one = await addEndpoint({ url: anywhere, applicationId: application })
    await addEndpoint({ url: anywhere, applicationId: 'app_two' })
    await addEndpoint({ url: anywhere, caller: { environment: 'sandbox' } })
    await addEndpoint({ url: anywhere, caller: { organizationId: 'org_other' } })

    const id = await publish()

    const made = await deliveries()
    expect(made.map((each) => each.endpoint_id).sort()).toEqual([all.id, charges.id, one.id].sort())
    expect(new Set(made.map((each) => each.event_id))).toEqual(new Set([id]))
    expect(await ctx.db('stoa_events')).toMatchObject([{ id, payload: JSON.stringify(chargeEvent().payload) }])
  })

  it('never gives an event of one environment to an endpoint of the other', async () => {
    const { addEndpoint, publish, deliveries } = await openEvents(database)
    const sandbox = await addEndpoint({ url: anywhere, caller: { environment: 'sandbox' } })
    await addEndpoint({ url: anywhere })

    await publish({ environment: 'sandbox' })

    expect((await deliveries()).map((each) => each.endpoint_id)).toEqual([sandbox.id])
  })

  it('says whether publishing would make a delivery', async () => {
    const { ctx, addEndpoint } = await openEvents(database)
    await addEndpoint({ url: anywhere, events: ['charge.created'], applicationId: application })
    const audience = {
      type: 'charge.created',
      publisherId: publisher,
      applicationId: application,
      organizationId: 'org_merchant',
      locationId: null,
      environment: 'production',
    } as const

    expect(await hasSubscribers(ctx, ctx.db, audience)).toBe(true)
    expect(await hasSubscribers(ctx, ctx.db, { ...audience, type: 'charge.refunded' })).toBe(false)
    expect(await hasSubscribers(ctx, ctx.db, { ...audience, environment: 'sandbox' })).toBe(false)
    expect(await hasSubscribers(ctx, ctx.db, { ...audience, applicationId: 'app_two' })).toBe(false)
    expect(await hasSubscribers(ctx, ctx.db, { ...audience, publisherId: 'org_other' })).toBe(false)
  })

  it('publishes a batch of many publishers in a few statements', async () => {
    const { ctx, addEndpoint, deliveries } = await openEvents(database)
    await addEndpoint({ url: anywhere })
    await addEndpoint({ url: anywhere, caller: { organizationId: 'org_other' } })
    const events = Array.from({ length: 256 }, (_, index) =>
      chargeEvent({ publisherId: index % 2 ? publisher : 'org_other' }),
    )
    const statements: string[] = []
    ctx.db.on('query', ({ sql }: { sql: string }) => statements.push(sql))

    const ids = await ctx.db.transaction((trx) => publishMany(ctx, trx, events))

    // On SQLite two of the three are prepared statements, of which knex does not tell.
    expect(statements.filter((sql) => /stoa_/.test(sql)).length).toBe(database.kind === 'sqlite' ? 1 : 3)
    const stored = (await ctx.db('stoa_events').orderBy('id')) as { id: string; publisher_id: string }[]
    expect(stored.map(({ id }) => id)).toEqual(ids)
    expect(stored.map((each) => each.publisher_id)).toEqual(events.map(({ publisherId }) => publisherId))
    expect(await deliveries()).toHaveLength(256)
  })

  it('sends nothing when the transaction rolls back', async () => {
    const { ctx, addEndpoint, dispatch, publish } = await openEvents(database)
    const receiver = await openReceiver()
    await addEndpoint({ url: receiver.url })
    dispatch()
    const rolledBack = ctx.db.transaction(async (trx) => {
      await publishMany(ctx, trx, [chargeEvent(), chargeEvent()])
      throw new Error('changed my mind')
    })
    await expect(rolledBack).rejects.toThrow('changed my mind')

    const id = await publish()
    await until(() => receiver.received.length > 0)

    expect(receiver.received.map(({ headers }) => headers['webhook-id'])).toEqual([id])
    expect(await ctx.db('stoa_events')).toHaveLength(1)
  })

  it('refuses a payload that is not what the catalogue says, outside production', async () => {
    const { publish } = await openEvents(database)
    await expect(publish({ payload: { type: 'charge.created' } })).rejects.toThrow(
      /charge.created.*timestamp is required/,
    )
  })
})
