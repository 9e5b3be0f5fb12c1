import { describe, expect, it, onTestFinished } from 'vitest'
import { openDatabase } from '../../core/src/database/index.ts'
import { publishMany } from '../../core/src/events/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { arrivedIds, chargeEvent, createContext, openEvents, openReceiver, until } from './support.ts'

eachDatabase((database) => {
  it('keeps delivering to the others while some receivers hang', async () => {
    const { ctx, addEndpoint, dispatch, attempts } = await openEvents(database, { concurrency: 16, perEndpoint: 4 })
    const good = await openReceiver()
    const hanging = await Promise.all([openReceiver(), openReceiver(), openReceiver()])
    for (const receiver of hanging) {
      receiver.answer(() => undefined)
      await addEndpoint({ url: receiver.url })
    }
    await addEndpoint({ url: good.url })
    await ctx.db.transaction((trx) =>
      publishMany(
        ctx,
        trx,
        Array.from({ length: 100 }, () => chargeEvent()),
      ),
    )

    const dispatcher = dispatch()
    await until(() => good.received.length === 100)
    await until(async () => (await attempts()).length === 100)

    // Those that hang still do: the hundred were not waiting for their timeouts.
    expect(hanging.map(({ received }) => received.length)).toEqual([1, 1, 1])
    expect((await attempts()).every(({ outcome }) => outcome === 'success')).toBe(true)
    expect(good.mostOpen()).toBeLessThanOrEqual(4)
    await Promise.all(hanging.map((receiver) => receiver.close()))
    await dispatcher.stop()
  })

  it('sends the one event of one endpoint although another has thousands waiting', async () => {
    const { ctx, addEndpoint, dispatch } = await openEvents(database, { concurrency: 8, perEndpoint: 4 })
    const busy = await openReceiver()
    const quiet = await openReceiver()
    busy.answer((response) => setTimeout(() => response.writeHead(204).end(), 20))
    await addEndpoint({ url: busy.url, applicationId: 'app_one' })
    await addEndpoint({ url: quiet.url, applicationId: 'app_two' })
    await ctx.db.transaction(async (trx) => {
      await publishMany(
        ctx,
        trx,
        Array.from({ length: 3000 }, () => chargeEvent()),
      )
      await publishMany(ctx, trx, [chargeEvent({ applicationId: 'app_two' })])
    })

    const dispatcher = dispatch()
    await until(() => quiet.received.length === 1)

    expect(busy.received.length).toBeLessThan(100)
    expect(busy.mostOpen()).toBeLessThanOrEqual(4)
    await dispatcher.stop()
  })

  it('delivers each of hundreds once, to several endpoints', async () => {
    const { ctx, addEndpoint, dispatch, deliveries } = await openEvents(database)
    const receivers = await Promise.all(Array.from({ length: 5 }, () => openReceiver()))
    for (const { url } of receivers) await addEndpoint({ url })
    const ids = await ctx.db.transaction((trx) =>
      publishMany(
        ctx,
        trx,
        Array.from({ length: 100 }, () => chargeEvent()),
      ),
    )
    dispatch()
    await until(async () => (await deliveries()).every(({ state }) => state === 'delivered'))
    for (const receiver of receivers) {
      expect(arrivedIds(receiver)).toEqual(ids)
    }
  })

  if (database.kind === 'postgres')
    describe('with two processes', () => {
      it('shares the deliveries between them, with exactly one success each', async () => {
        const { ctx, clock, addEndpoint, dispatch, deliveries, attempts } = await openEvents(database)
        const receivers = await Promise.all([openReceiver(), openReceiver()])
        for (const { url } of receivers) await addEndpoint({ url })
        await ctx.db.transaction((trx) =>
          publishMany(
            ctx,
            trx,
            Array.from({ length: 250 }, () => chargeEvent()),
          ),
        )
        const { connectionString } = ctx.db.client.config.connection as { connectionString: string }
        const second = await openDatabase(connectionString)
        const other = createContext(second, { clock })
        const takenBy = { first: 0, second: 0 }
        const count = (name: 'first' | 'second') => (_db: unknown, event: { payload: object }) => {
          takenBy[name]++
          return Promise.resolve(event.payload)
        }
        ctx.eventHooks.enrich['charge.created'] = count('first')
        other.eventHooks.enrich['charge.created'] = count('second')

        const running = [dispatch(ctx), dispatch(other)]
        onTestFinished(async () => {
          await Promise.all(running.map((dispatcher) => dispatcher.stop()))
          await other.outbound.close()
          await second.close()
        })
        await until(async () => (await deliveries()).every(({ state }) => state === 'delivered'))

        expect(await attempts()).toHaveLength(500)
        expect((await attempts()).every(({ n, outcome }) => n === 1 && outcome === 'success')).toBe(true)
        expect(takenBy.first + takenBy.second).toBe(500)
        expect(Math.min(takenBy.first, takenBy.second)).toBeGreaterThan(0)
        for (const { received } of receivers) {
          expect(new Set(received.map(({ headers }) => headers['webhook-id'])).size).toBe(250)
          expect(received).toHaveLength(250)
        }
      })
    })
})
