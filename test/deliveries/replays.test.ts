import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createReplayWorker } from '../../core/src/deliveries/index.ts'
import { createEndpoint, type EventsContext } from '../../core/src/events/index.ts'
import { arrivedIds, createCaller, openEvents, openReceiver, until } from '../events/support.ts'
import { eachDatabase } from '../support/databases.ts'
import { anotherContext, performer, seedDelivery } from './support.ts'

const since = () => new Date(Date.now() - 3600_000).toISOString()

eachDatabase((database) => {
  async function open() {
    const events = await openEvents(database)
    const { id: endpointId } = await events.addEndpoint({ url: 'http://127.0.0.1:9/' })
    const perform = performer(events.ctx)
    const create = (body: object, caller = {}, id = endpointId) =>
      perform('createWebhookReplay', { caller, params: { id }, body: { since: since(), ...body } })
    const see = (id: string) => perform('getWebhookReplay', { params: { id } })
    const cancel = (id: string) => perform('cancelWebhookReplay', { params: { id } })
    const states = async () => {
      const rows = (await events.ctx.db('stoa_deliveries').orderBy('id')) as { state: string; cause: string }[]
      return rows.map(({ state, cause }) => (cause === 'replay' ? `${state} again` : state))
    }
    return { ...events, endpointId, perform, create, see, cancel, states, worker: createReplayWorker(events.ctx) }
  }
  const failed = { state: 'failed', lastError: 'status', lastStatus: 500 } as const
  const refusal = async (work: Promise<unknown>) => {
    const error = (await work.then(
      () => ({}),
      (thrown: unknown) => thrown,
    )) as { code?: string; invalidFields?: { field: string }[] }
    return [error.code, error.invalidFields?.[0]?.field]
  }

  it('recovers what failed since a time, and nothing else', async () => {
    const { ctx, endpointId, create, see, states, worker, addEndpoint, clock } = await open()
    const other = await addEndpoint({ url: 'http://127.0.0.1:9/' })
    await seedDelivery(ctx.db, { endpointId, ...failed })
    await new Promise((resolve) => setTimeout(resolve, 5))
    const begin = new Date().toISOString()
    await seedDelivery(ctx.db, { endpointId, ...failed, attempts: 3 })
    await seedDelivery(ctx.db, { endpointId })
    await seedDelivery(ctx.db, { endpointId, state: 'cancelled' })
    await seedDelivery(ctx.db, { endpointId, state: 'pending' })
    await seedDelivery(ctx.db, { endpointId, ...failed, type: 'charge.refunded' })
    await seedDelivery(ctx.db, { endpointId: other.id, ...failed })

    // Ids are made by the machine's clock, and this one stands still.
    clock.advance(60)
    const { id } = await create({ kind: 'failed', since: begin, types: ['charge.cre*'] })
    await worker.runDue()

    expect(await states()).toEqual(['failed', 'pending again', 'delivered', 'cancelled', 'pending', 'failed', 'failed'])
    expect(await see(id)).toMatchObject({ state: 'done', lookedAt: 2, queued: 1, finishedTime: expect.any(String) })
    const rows = (await ctx.db('stoa_deliveries').where({ cause: 'replay' })) as Record<string, unknown>[]
    expect(rows.map((row) => Number(row.base_attempt))).toEqual([3])
  })

  it('sends again everything in a range, or only what came to one end', async () => {
    const { ctx, endpointId, create, states, worker } = await open()
    for (const state of ['delivered', 'failed', 'cancelled', 'pending'] as const)
      await seedDelivery(ctx.db, { endpointId, state })
    await create({ kind: 'range', statuses: ['delivered'] })
    await worker.runDue()
    expect(await states()).toEqual(['pending again', 'failed', 'cancelled', 'pending'])
    await create({ kind: 'range' })
    await worker.runDue()
    expect(await states()).toEqual(['pending again', 'pending again', 'pending again', 'pending'])
  })

  it('gives a new endpoint what it would have got, and really sends it', async () => {
    const { ctx, create, see, worker, publish, addEndpoint, dispatch } = await open()
    const receiver = await openReceiver()
    const wanted = [await publish(), await publish()]
    await publish({ type: 'charge.refunded' })
    await publish({ environment: 'sandbox' })
    await publish({ test: true })
    await publish({ publisherId: 'org_other' })
    const { id: endpointId } = await addEndpoint({ url: receiver.url, events: ['charge.created'] })
    const got = await publish()

    const replay = await create({ kind: 'missing' }, {}, endpointId)
    await worker.runDue()
    expect(await see(replay.id)).toMatchObject({ state: 'done', queued: 2 })
    await create({ kind: 'missing' }, {}, endpointId)
    await worker.runDue()

    await ctx.db('stoa_deliveries').whereNot({ endpoint_id: endpointId }).update({ state: 'cancelled' })
    dispatch()
    await until(() => receiver.received.length >= 3)
    expect(arrivedIds(receiver)).toEqual([...wanted, got].sort())
  })

  it('counts only, on request', async () => {
    const { ctx, endpointId, create, see, states, worker, clock } = await open()
    for (let n = 0; n < 105; n++) await seedDelivery(ctx.db, { endpointId, ...failed })
    const { id } = await create({ kind: 'failed', dryRun: true, perSecond: 2 })
    // A pause after every page, for the others.
    while ((await worker.runDue()) > 0);
    expect(await see(id)).toMatchObject({ state: 'running', queued: 100 })
    clock.advance(0.05)
    while ((await worker.runDue()) > 0);
    expect(await see(id)).toMatchObject({ state: 'done', dryRun: true, queued: 105, lookedAt: 105 })
    expect(await states()).toEqual(Array(105).fill('failed'))
  })

  it('keeps to its pace', async () => {
    const { ctx, endpointId, create, see, worker, clock } = await open()
    for (let n = 0; n < 7; n++) await seedDelivery(ctx.db, { endpointId, ...failed })
    const { id } = await create({ kind: 'failed', perSecond: 2 })
    const queued: number[] = []
    for (let second = 0; second < 5; second++) {
      while ((await worker.runDue()) > 0);
      queued.push((await see(id)).queued)
      clock.advance(1)
    }
    expect(queued).toEqual([2, 4, 6, 7, 7])
    expect((await see(id)).state).toBe('done')
  })

  it('ends with what there was when it was asked for', async () => {
    const { ctx, endpointId, create, states, worker, clock } = await open()
    for (let n = 0; n < 2; n++) await seedDelivery(ctx.db, { endpointId })
    await create({ kind: 'range', perSecond: 1 })
    await worker.runDue()
    await seedDelivery(ctx.db, { endpointId })
    for (let n = 0; n < 5; n++) {
      clock.advance(1)
      await worker.runDue()
    }
    expect(await states()).toEqual(['pending again', 'pending again', 'delivered'])
  })

  it('queues no more when it is cancelled, or the endpoint is deleted', async () => {
    const { ctx, endpointId, create, see, cancel, states, worker, clock } = await open()
    for (let n = 0; n < 6; n++) await seedDelivery(ctx.db, { endpointId, ...failed })
    const first = await create({ kind: 'failed', perSecond: 1 })
    await worker.runDue()
    expect(await cancel(first.id)).toMatchObject({ state: 'cancelled', queued: 1 })
    expect(await refusal(cancel(first.id))).toEqual(['wrong_state', undefined])
    const second = await create({ kind: 'failed', perSecond: 1 })
    await worker.runDue()
    const now = clock.now().toISOString()
    await ctx.db('stoa_webhook_endpoints').where({ id: endpointId }).update({ status: 'DISABLED', deleted_time: now })
    clock.advance(10)
    await worker.runDue()
    expect((await see(second.id)).state).toBe('cancelled')
    expect((await states()).filter((state) => state === 'pending again')).toHaveLength(2)
  })

  it('refuses what cannot be, and a sixth at once', async () => {
    const { create, perform, endpointId, clock } = await open()
    const ago = (days: number) => new Date(clock.now().getTime() - days * 86_400_000).toISOString()
    expect(await refusal(create({ kind: 'failed', since: ago(91) }))).toEqual(['validation_failed', 'since'])
    expect(await refusal(create({ kind: 'failed', since: ago(1), until: ago(2) }))).toEqual([
      'validation_failed',
      'until',
    ])
    expect(await refusal(create({ kind: 'failed', since: ago(-1) }))).toEqual(['validation_failed', 'until'])
    expect(await refusal(create({ kind: 'failed', statuses: ['delivered'] }))).toEqual([
      'validation_failed',
      'statuses',
    ])
    const running = []
    for (let n = 0; n < 5; n++) running.push(await create({ kind: 'failed' }))
    expect(await refusal(create({ kind: 'failed' }))).toEqual(['limit_reached', undefined])
    const list = await perform('listWebhookReplays', { params: { id: endpointId } })
    expect(list.map(({ id }: { id: string }) => id)).toEqual(running.map(({ id }) => id).reverse())
  })

  it('lets twenty of an organization run at once, in each environment', async () => {
    const { create, addEndpoint } = await open()
    const add = async (caller = {}) => (await addEndpoint({ url: 'http://127.0.0.1:9/', caller })).id
    for (let n = 0; n < 4; n++) {
      const id = await add()
      for (let each = 0; each < 5; each++) await create({ kind: 'failed' }, {}, id)
    }
    expect(await refusal(create({ kind: 'failed' }))).toEqual(['limit_reached', undefined])
    const others = [{ environment: 'sandbox' as const }, { organizationId: 'org_other' }]
    for (const caller of others) await create({ kind: 'failed' }, caller, await add(caller))
  })

  it('is for those alone who see the endpoint', async () => {
    const { create, perform } = await open()
    const replay = await create({ kind: 'failed' })
    for (const caller of [
      { organizationId: 'org_other' },
      { environment: 'sandbox' as const },
      { onlyApplicationId: 'app_two' },
      { application: { applicationId: 'app_one', installationId: 'ins_1', rateLimit: null } },
    ]) {
      expect((await refusal(create({ kind: 'failed' }, caller)))[0]).toBe('not_found')
      for (const operation of ['getWebhookReplay', 'cancelWebhookReplay']) {
        expect((await refusal(perform(operation, { caller, params: { id: replay.id } })))[0]).toBe('not_found')
      }
    }
  })

  it('does the others when a page of one fails', async () => {
    const { ctx, endpointId, create, see, addEndpoint, complaints, worker, clock } = await open()
    const other = await addEndpoint({ url: 'http://127.0.0.1:9/' })
    const bad = await create({ kind: 'failed' })
    const good = await create({ kind: 'failed' }, {}, other.id)
    await seedDelivery(ctx.db, { endpointId, ...failed })
    await seedDelivery(ctx.db, { endpointId: other.id, ...failed })
    const filter = (await ctx.db('stoa_webhook_replays').where({ id: bad.id }).first()) as { filter: string }
    await ctx.db('stoa_webhook_replays').where({ id: bad.id }).update({ filter: 'not JSON' })

    await worker.runDue()

    expect((await see(good.id)).state).toBe('done')
    expect(complaints.map(({ message }) => message)).toEqual(['a page of a replay failed'])
    await ctx.db('stoa_webhook_replays').where({ id: bad.id }).update(filter)
    clock.advance(30)
    await worker.runDue()
    expect((await see(bad.id)).state).toBe('done')
  })

  it.each(['a successor has taken over', 'it was cancelled'])(
    'does nothing late: when %s since it was claimed',
    async (what) => {
      const { ctx, endpointId, create, see, cancel, states, worker, clock } = await open()
      for (let n = 0; n < 3; n++) await seedDelivery(ctx.db, { endpointId, ...failed })
      const { id } = await create({ kind: 'failed', perSecond: 1 })
      const slow = withPause(ctx)
      const running = createReplayWorker(slow.ctx).runDue()
      await slow.paused
      clock.advance(61)
      if (what === 'it was cancelled') await cancel(id)
      else await worker.runDue()
      const [queued, before] = [await states(), await see(id)]

      slow.resume()
      await running

      expect(await states()).toEqual(queued)
      expect(await see(id)).toEqual(before)
    },
  )

  it('goes on by itself once it is started', async () => {
    const { ctx, endpointId, create, see, worker } = await open()
    for (let n = 0; n < 3; n++) await seedDelivery(ctx.db, { endpointId, ...failed })
    const { id } = await create({ kind: 'failed' })
    worker.start()
    await until(async () => (await see(id)).state === 'done')
    await worker.stop()
  })

  it('queues each that matches exactly once, whatever is killed, interleaved or cancelled', async () => {
    const { ctx, url, create, see, cancel, clock } = await open()
    const second = await anotherContext(ctx, url)
    const workers = [createReplayWorker(ctx), createReplayWorker(second)]
    const property = fc.asyncProperty(
      fc.array(fc.constantFrom('delivered', 'failed', 'cancelled', 'pending', 'missing'), { maxLength: 12 }),
      fc.constantFrom('failed', 'range', 'missing'),
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.constantFrom('page', 'other page', 'both', 'kill page', 'kill claim', 'cancel'), { maxLength: 12 }),
      async (given, kind, perSecond, steps) => {
        const { id: endpointId } = await ctx.db.transaction((trx) =>
          createEndpoint(ctx, trx, createCaller(), { url: 'http://127.0.0.1:9/', events: ['*'] }),
        )
        await ctx.db('stoa_deliveries').delete()
        await ctx.db('stoa_events').delete()
        const matching = new Set<string>()
        for (const each of given) {
          const { id, eventId } = await seedDelivery(ctx.db, {
            endpointId,
            state: each === 'missing' ? 'failed' : each,
          })
          if (each === 'missing') await ctx.db('stoa_deliveries').where({ id }).delete()
          const fits = kind === 'range' ? ['delivered', 'failed', 'cancelled'].includes(each) : each === kind
          if (fits) matching.add(eventId)
        }
        const { id } = await create({ kind, perSecond }, {}, endpointId)
        const queued: string[] = []
        /** Notes what is queued, and fails it again, as a receiver would that is still down. */
        const drain = async () => {
          const rows = (await ctx.db('stoa_deliveries').where({ cause: 'replay', state: 'pending' })) as {
            id: string
            event_id: string
          }[]
          queued.push(...rows.map((row) => row.event_id))
          const ids = rows.map((row) => row.id)
          await ctx.db('stoa_deliveries').whereIn('id', ids).update({ state: 'failed', cause: 'event' })
        }
        const steady = async (which: string) => {
          if (which === 'page') await workers[0]!.runDue()
          if (which === 'other page') await workers[1]!.runDue()
          if (which === 'both') await Promise.all(workers.map((worker) => worker.runDue()))
          const death = which === 'kill page' ? 'page' : which === 'kill claim' ? 'claim' : null
          if (death) {
            const dying = createReplayWorker(withDeath(ctx, death))
            await dying.runDue().catch(() => undefined)
          }
          if (which === 'cancel') await cancel(id).catch(() => undefined)
          await drain()
          clock.advance(death ? 61 : 1)
        }
        for (const step of steps) await steady(step)
        for (let n = 0; n < given.length + 2; n++) await steady('page')

        const replay = await see(id)
        expect(replay.queued).toBe(queued.length)
        expect(new Set(queued).size).toBe(queued.length)
        for (const each of queued) expect(matching).toContain(each)
        if (replay.state !== 'cancelled') {
          expect(replay.state).toBe('done')
          expect(new Set(queued)).toEqual(matching)
        }
        await ctx
          .db('stoa_webhook_endpoints')
          .where({ id: endpointId })
          .update({ status: 'DISABLED', deleted_time: clock.now().toISOString() })
      },
    )
    await fc.assert(property, { numRuns: 30 })
  }, 120_000)
})

/** A process that claims, and then hangs before the transaction of its page. */
function withPause(ctx: EventsContext) {
  let resume!: () => void
  let pause!: () => void
  const gate = new Promise<void>((resolve) => (resume = resolve))
  const paused = new Promise<void>((resolve) => (pause = resolve))
  let count = 0
  const db = new Proxy(ctx.db, {
    get(target, name, receiver) {
      if (name !== 'transaction') return Reflect.get(target, name, receiver) as unknown
      return async (work: (trx: unknown) => Promise<unknown>) => {
        if (++count === 1) {
          pause()
          await gate
        }
        return target.transaction(work)
      }
    },
  })
  return { ctx: { ...ctx, db }, paused, resume }
}

/** A process that dies before the transaction of its page commits, or already before that of its claim. */
function withDeath(ctx: EventsContext, when: 'page' | 'claim'): EventsContext {
  let left = when === 'page' ? 1 : 0
  const db = new Proxy(ctx.db, {
    get(target, name, receiver) {
      if (name !== 'transaction') return Reflect.get(target, name, receiver) as unknown
      return (work: (trx: unknown) => Promise<unknown>) =>
        target.transaction(async (trx) => {
          const result = await work(trx)
          if (left-- <= 0) throw new Error('killed')
          return result
        })
    },
  })
  return { ...ctx, db }
}
