import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../core/src/config.ts'
import { deleteEndpoint, publish, publishMany, updateEndpoint } from '../../core/src/events/index.ts'
import { mintToken, type SecretBox } from '../../core/src/kernel/index.ts'
import { eachDatabase } from '../support/databases.ts'
import {
  arrivedIds,
  chargeEvent,
  createCaller,
  openEvents,
  openReceiver,
  until,
  type OpenedEvents,
  type Receiver,
} from './support.ts'

interface Row {
  state: string
  attempt: number
  next_time: string | Date | null
  lease_token: string | null
}

const rowsOf = async ({ deliveries }: OpenedEvents) => (await deliveries()) as unknown as Row[]
const someSecret = `whsec_${Buffer.alloc(32).toString('base64')}`
const setSecretBox = (ctx: OpenedEvents['ctx'], secretBox: SecretBox) => Object.assign(ctx, { secretBox })
const aLittle = () => new Promise((resolve) => setTimeout(resolve, 150))

/** Answers with what it was sent, after some text. */
function echo(receiver: Receiver, before = ''): void {
  receiver.answer((response, index) => response.writeHead(200).end(before + receiver.received[index]!.body))
}

it.each(['concurrency', 'perEndpoint'])('refuses a boundless webhooks.%s', (option) => {
  const secret = 'a secret of at least thirty-two characters'
  expect(() => parseConfig({ secret, webhooks: { [option]: 1025 } })).toThrow(option)
  expect(parseConfig({ secret, webhooks: { [option]: 1024 } }).webhooks).toMatchObject({ [option]: 1024 })
})

eachDatabase((database) => {
  it('records a failure when an event cannot be signed, and goes on with the others', async () => {
    const opened = await openEvents(database, { concurrency: 1, perEndpoint: 1 })
    const { ctx } = opened
    const receiver = await openReceiver()
    await opened.addEndpoint({ url: receiver.url })
    const unsignable = await opened.publish()
    const event = (await ctx.db('stoa_events').where({ id: unsignable }).first()) as object
    await ctx.db('stoa_events').insert({ ...event, id: 'evt.dotted' })
    await ctx.db('stoa_deliveries').update({ event_id: 'evt.dotted' })
    const good = await opened.publish()
    opened.dispatch()

    await until(async () => (await opened.attempts()).length === 2)

    expect(arrivedIds(receiver)).toEqual([good])
    expect(new Set((await opened.attempts()).map(({ error_code }) => error_code))).toEqual(
      new Set(['preparation', null]),
    )
    expect((await opened.deliveries()).map(({ state }) => state)).toEqual(['pending', 'delivered'])
  })

  it('survives a delivery that fails in the host, keeps its place free for the next, and tries it again', async () => {
    const opened = await openEvents(database, { concurrency: 1, perEndpoint: 1 })
    const receiver = await openReceiver()
    await opened.addEndpoint({ url: receiver.url })
    const { outbound } = opened.ctx
    let calls = 0
    opened.ctx.outbound = {
      ...outbound,
      send: (request) => (++calls === 1 ? Promise.reject(new Error('a defect')) : outbound.send(request)),
    }
    const ids = [await opened.publish(), await opened.publish()]
    opened.dispatch()

    await until(() => receiver.received.length === 1)
    expect(opened.complaints.some(({ message }) => /failed in the host/.test(message))).toBe(true)
    opened.clock.advance(61)
    await until(() => receiver.received.length === 2)
    expect(arrivedIds(receiver)).toEqual(ids)
  })

  it('stores no token that a receiver sends back, not even one that is cut off', async () => {
    const opened = await openEvents(database)
    const whole = await openReceiver()
    const cut = await openReceiver()
    const tokens = (['it', 'ak', 'cs'] as const).map((kind) => mintToken(kind))
    echo(whole)
    echo(cut, 'x'.repeat(4096 - '["'.length - 40))
    await opened.addEndpoint({ url: whole.url })
    await opened.addEndpoint({ url: cut.url })
    opened.ctx.eventHooks.enrich['charge.created'] = () => Promise.resolve(tokens)
    opened.dispatch()

    await opened.publish()
    await until(async () => (await opened.attempts()).length === 2)

    const bodies = (await opened.attempts()).map((each) => (each as unknown as { response_body: string }).response_body)
    expect(bodies.sort()[0]).toBe('["stoa_it_***","stoa_ak_***","stoa_cs_***"]')
    expect(bodies[1]).toMatch(/^x+\["stoa_it_\*\*\*$/)
  })

  it('sends to more endpoints than one statement can name', async () => {
    const opened = await openEvents(database, { concurrency: 1000 })
    const { ctx } = opened
    const receiver = await openReceiver()
    const { id } = await opened.addEndpoint({ url: receiver.url })
    const endpoint = (await ctx.db('stoa_webhook_endpoints').where({ id }).first()) as object
    // All with one secret, which is sealed for its own row: what is under test is not the secret.
    setSecretBox(ctx, { ...ctx.secretBox, open: () => Promise.resolve(someSecret) })
    await ctx.db.batchInsert(
      'stoa_webhook_endpoints',
      Array.from({ length: 649 }, (_, index) => ({ ...endpoint, id: `whe_${index}` })),
      50,
    )
    await opened.publish()
    opened.dispatch()

    await until(async () => {
      expect(opened.complaints).toEqual([])
      return receiver.received.length === 650
    })
    await until(async () => (await opened.deliveries()).every(({ state }) => state === 'delivered'))
  }, 30_000)

  it('delivers to a receiver that answers although more hang, on the same host, than may be asked at once', async () => {
    const opened = await openEvents(database, { concurrency: 40 })
    const receiver = await openReceiver()
    const { id } = await opened.addEndpoint({ url: receiver.url, applicationId: 'app_two' })
    opened.dispatch()
    // It is known to answer.
    await opened.publish({ applicationId: 'app_two' })
    await until(async () => (await opened.deliveries())[0]?.state === 'delivered')

    receiver.answer((response, index) => {
      const { url } = receiver.received[index]!
      if (!url.endsWith('hang')) response.writeHead(204).end()
    })
    const endpoint = (await opened.ctx.db('stoa_webhook_endpoints').where({ id }).first()) as object
    for (let n = 0; n < 60; n++) {
      const id = `whe_${n}`
      const sealed = await opened.ctx.secretBox.seal(someSecret, `webhook-endpoint:${id}`)
      const secrets = JSON.stringify([{ id: `whs_${n}`, version: 'v1', sealed, expiresTime: null }])
      await opened.ctx
        .db('stoa_webhook_endpoints')
        .insert({ ...endpoint, id, application_id: 'app_one', url: `${receiver.url}/hang`, secrets })
    }
    await opened.publish()
    await until(() => receiver.received.filter(({ url }) => url.endsWith('hang')).length === 20)
    const wanted = await opened.publish({ applicationId: 'app_two' })
    await until(() => receiver.received.some(({ headers }) => headers['webhook-id'] === wanted))
    await receiver.close()
  })

  it.each([429, 502, 503, 504])(
    'leaves a receiver that answers %i alone until the time it asks for',
    async (status) => {
      const opened = await openEvents(database, { retrySeconds: [1, 1, 1] })
      const receiver = await openReceiver()
      await opened.addEndpoint({ url: receiver.url })
      opened.dispatch()
      // Known well, so that several would be under way at once.
      await opened.publish()
      await until(async () => (await opened.deliveries()).every(({ state }) => state === 'delivered'))
      receiver.answer((response) => response.writeHead(status, { 'Retry-After': '600' }).end())
      await opened.ctx.db.transaction((trx) =>
        publishMany(
          opened.ctx,
          trx,
          Array.from({ length: 20 }, () => chargeEvent()),
        ),
      )
      await until(async () => (await rowsOf(opened)).some(({ attempt, lease_token }) => attempt === 1 && !lease_token))
      await aLittle()
      // The two that were under way together.
      const asked = receiver.received.length - 1
      expect(asked).toBeLessThanOrEqual(2)
      opened.clock.advance(590)
      await aLittle()
      expect(receiver.received.length - 1).toBe(asked)

      receiver.answer((response) => response.writeHead(204).end())
      opened.clock.advance(11)
      await until(async () => (await opened.deliveries()).every(({ state }) => state === 'delivered'))
      const attempts = await opened.attempts()
      expect(attempts).toHaveLength(1 + 20 + asked)
    },
  )

  it('asks a receiver that wants to be left alone again as soon as its endpoint is changed', async () => {
    const opened = await openEvents(database, { retrySeconds: [1] })
    const [busy, idle] = [await openReceiver(), await openReceiver()]
    busy.answer((response) => response.writeHead(503, { 'Retry-After': '600' }).end())
    const { id } = await opened.addEndpoint({ url: busy.url })
    opened.dispatch()
    await opened.publish()
    await until(async () => (await opened.attempts()).length === 1)
    const second = await opened.publish()
    await aLittle()
    expect(busy.received).toHaveLength(1)

    opened.clock.advance(1)
    await opened.ctx.db.transaction((trx) => updateEndpoint(opened.ctx, trx, createCaller(), id, { url: idle.url }))
    await until(() => idle.received.length === 1)
    expect(arrivedIds(idle)).toEqual([second])
  })

  it.each([
    ['cannot be opened', () => Promise.reject(new Error('the key is away'))],
    ['opens to something that cannot sign', () => Promise.resolve('no base64!')],
  ])('uses up no try while the secret of an endpoint %s', async (_what, open) => {
    const opened = await openEvents(database, { retrySeconds: [1] })
    const receiver = await openReceiver()
    await opened.addEndpoint({ url: receiver.url })
    const { secretBox } = opened.ctx
    let opens = 0
    setSecretBox(opened.ctx, { ...secretBox, open: () => (opens++, open()) })
    opened.dispatch()
    await opened.publish()
    for (const times of [1, 2, 3, 4]) {
      await until(() => opens === times)
      await until(async () => (await rowsOf(opened))[0]!.lease_token === null)
      await aLittle()
      expect(opens).toBe(times)
      const [row] = await rowsOf(opened)
      expect(row).toMatchObject({ state: 'pending', attempt: 0 })
      expect(new Date(row!.next_time!).getTime()).toBeGreaterThan(opened.clock.now().getTime() + 50_000)
      opened.clock.advance(61)
    }

    setSecretBox(opened.ctx, secretBox)
    opened.clock.advance(61)
    await until(async () => (await opened.deliveries())[0]?.state === 'delivered')
    expect(await opened.attempts()).toMatchObject([{ n: 1, outcome: 'success' }])
  })

  it('cancels what was left to an endpoint that had been deleted', async () => {
    const opened = await openEvents(database)
    const receiver = await openReceiver()
    const { id } = await opened.addEndpoint({ url: receiver.url })
    await opened.publish()
    await opened.ctx.db.transaction((trx) => deleteEndpoint(opened.ctx, trx, createCaller(), id))
    const late = { state: 'pending', next_time: opened.clock.now().toISOString(), completed_time: null }
    await opened.ctx.db('stoa_deliveries').update(late)

    opened.dispatch()
    await until(async () => (await opened.deliveries())[0]!.state === 'cancelled')
    expect((await rowsOf(opened))[0]).toMatchObject({ attempt: 0, next_time: null })
    expect(receiver.received).toEqual([])
  })

  if (database.kind === 'postgres')
    describe('with transactions that overlap', () => {
      it('leaves nothing waiting that was published while its receiver was deleted', async () => {
        const opened = await openEvents(database)
        const receiver = await openReceiver()
        const { id } = await opened.addEndpoint({ url: receiver.url })
        await opened.ctx.db.transaction(async (trx) => {
          await publish(opened.ctx, trx, chargeEvent())
          await opened.ctx.db.transaction((other) => deleteEndpoint(opened.ctx, other, createCaller(), id))
        })
        expect(await opened.deliveries()).toMatchObject([{ state: 'pending' }])

        opened.dispatch()
        await until(async () => (await opened.deliveries())[0]!.state === 'cancelled')
        expect(receiver.received).toEqual([])
      })
    })
})
