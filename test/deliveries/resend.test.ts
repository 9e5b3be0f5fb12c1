import { expect, it } from 'vitest'
import { arrivedIds, openEvents, openReceiver, until } from '../events/support.ts'
import { eachDatabase } from '../support/databases.ts'
import { performer, seedDelivery } from './support.ts'

eachDatabase((database) => {
  async function open() {
    const events = await openEvents(database, { retrySeconds: [100] })
    const receiver = await openReceiver()
    const { id: endpointId } = await events.addEndpoint({ url: receiver.url })
    const perform = performer(events.ctx)
    const row = async (id: string) =>
      (await events.ctx.db('stoa_deliveries').where({ id }).first()) as Record<string, unknown>
    const resend = (id: string) => perform('resendWebhookDelivery', { params: { id } })
    return { ...events, receiver, endpointId, perform, row, resend }
  }
  const refusal = async (work: Promise<unknown>) => {
    const error = (await work.then(
      () => ({}),
      (thrown: unknown) => thrown,
    )) as { status?: number; code?: string; message?: string }
    return [error.status, error.code, error.message]
  }

  it.each(['delivered', 'failed', 'cancelled', 'pending'] as const)(
    'sends what is %s once more, at once',
    async (state) => {
      const { ctx, endpointId, resend, dispatch, receiver, clock, perform } = await open()
      const later = new Date(clock.now().getTime() + 50_000).toISOString()
      const { id, eventId } = await seedDelivery(ctx.db, { endpointId, state, attempts: 2, lastError: 'status' })
      if (state === 'pending') await ctx.db('stoa_deliveries').where({ id }).update({ next_time: later })

      const answer = await resend(id)

      expect(answer).toMatchObject({ id, status: 'pending', cause: 'resend', completedTime: null, held: null })
      expect(answer.nextAttemptTime).toBe(clock.now().toISOString())
      dispatch()
      await until(async () => (await perform('getWebhookDelivery', { params: { id } })).status === 'delivered')
      expect(arrivedIds(receiver)).toEqual([eventId])
      const shown = await perform('getWebhookDelivery', { params: { id } })
      expect(shown.attempts.map(({ number, cause }: { number: number; cause: string }) => [number, cause])).toEqual([
        [1, 'event'],
        [2, 'event'],
        [3, 'resend'],
      ])
    },
  )

  it('begins the schedule of retries anew', async () => {
    const { ctx, endpointId, resend, dispatch, receiver, row } = await open()
    receiver.answer((response) => response.writeHead(500).end())
    const { id } = await seedDelivery(ctx.db, { endpointId, state: 'failed', attempts: 2, lastError: 'status' })
    await resend(id)
    dispatch()
    await until(async () => Number((await row(id)).attempt) === 3 && (await row(id)).lease_token === null)
    // The schedule has one retry: were it not begun anew, this would have been the end.
    expect(await row(id)).toMatchObject({ state: 'pending', cause: 'resend' })
  })

  it('refuses while it is being sent, and takes over a lease that has run out', async () => {
    const { ctx, endpointId, resend, clock, row } = await open()
    const leaseUntil = new Date(clock.now().getTime() + 60_000).toISOString()
    const { id } = await seedDelivery(ctx.db, { endpointId, state: 'pending', attempts: 1, leaseUntil })
    const before = await row(id)

    expect(await refusal(resend(id))).toEqual([409, 'wrong_state', expect.stringContaining('being sent')])
    expect(await row(id)).toEqual(before)
    clock.advance(61)
    await resend(id)
    expect(await row(id)).toMatchObject({ lease_token: null, state: 'pending', cause: 'resend' })
  })

  it('lets two resends at once queue it once', async () => {
    const { ctx, endpointId, resend, dispatch, receiver, row } = await open()
    const { id } = await seedDelivery(ctx.db, { endpointId })
    await Promise.all([resend(id), resend(id)])
    dispatch()
    await until(async () => (await row(id)).state === 'delivered')
    expect(receiver.received).toHaveLength(1)
  })

  it('says that it is held when the endpoint is disabled, and sends it when that is active', async () => {
    const { ctx, endpointId, resend, dispatch, receiver } = await open()
    const set = (status: string) => ctx.db('stoa_webhook_endpoints').where({ id: endpointId }).update({ status })
    const { id } = await seedDelivery(ctx.db, { endpointId, state: 'failed', lastError: 'status' })
    await set('DISABLED')
    expect(await resend(id)).toMatchObject({ status: 'held', held: { cause: 'owner' }, nextAttemptTime: null })
    await set('ACTIVE')
    dispatch()
    await until(() => receiver.received.length === 1)
  })

  it('refuses, in a sentence, when the endpoint was deleted', async () => {
    const { ctx, endpointId, resend, clock, row } = await open()
    const { id } = await seedDelivery(ctx.db, { endpointId })
    const now = clock.now().toISOString()
    await ctx.db('stoa_webhook_endpoints').where({ id: endpointId }).update({ deleted_time: now, status: 'DISABLED' })
    expect(await refusal(resend(id))).toEqual([409, 'wrong_state', expect.stringContaining('deleted')])
    expect(await row(id)).toMatchObject({ state: 'delivered' })
  })

  it('cancels what waits, and nothing else', async () => {
    const { ctx, endpointId, perform, resend, clock, row } = await open()
    const cancel = (id: string) => perform('cancelWebhookDelivery', { params: { id } })
    const leaseUntil = new Date(clock.now().getTime() + 60_000).toISOString()
    for (const lease of [null, leaseUntil]) {
      const { id } = await seedDelivery(ctx.db, { endpointId, state: 'pending', leaseUntil: lease })
      expect(await cancel(id)).toMatchObject({ status: 'cancelled', completedTime: clock.now().toISOString() })
      expect(await row(id)).toMatchObject({ lease_token: null, next_time: null })
      expect(await refusal(cancel(id))).toEqual([409, 'wrong_state', expect.stringContaining('nothing to cancel')])
      expect(await resend(id)).toMatchObject({ status: 'pending' })
    }
    const { id } = await seedDelivery(ctx.db, { endpointId, state: 'delivered' })
    expect((await refusal(cancel(id)))[0]).toBe(409)
  })

  it('keeps a late result out of what was cancelled meanwhile', async () => {
    const { ctx, dispatch, receiver, publish, perform, row, attempts } = await open()
    let answer!: () => void
    receiver.answer((response) => {
      answer = () => response.writeHead(204).end()
    })
    await publish()
    const dispatcher = dispatch()
    await until(() => receiver.received.length === 1)
    const [{ id }] = (await ctx.db('stoa_deliveries')) as [{ id: string }]
    await perform('cancelWebhookDelivery', { params: { id } })
    answer()
    await dispatcher.stop()
    expect(await row(id)).toMatchObject({ state: 'cancelled' })
    expect(await attempts()).toMatchObject([{ n: 1, outcome: 'success' }])
  })

  it('is for those alone who see the delivery', async () => {
    const { ctx, endpointId, perform } = await open()
    const { id } = await seedDelivery(ctx.db, { endpointId })
    for (const caller of [
      { organizationId: 'org_other' },
      { environment: 'sandbox' as const },
      { onlyApplicationId: 'app_two' },
      { application: { applicationId: 'app_one', installationId: 'ins_1', rateLimit: null } },
    ]) {
      for (const operation of ['resendWebhookDelivery', 'cancelWebhookDelivery']) {
        expect((await refusal(perform(operation, { caller, params: { id } })))[1]).toBe('not_found')
      }
    }
  })
})
