import { expect, it } from 'vitest'
import { readBacklog } from '../../core/src/deliveries/index.ts'
import { publish } from '../../core/src/events/index.ts'
import { createMetrics } from '../../core/src/metrics/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { openHost } from '../support/host.ts'
import { chargeEvent, openEvents, openReceiver, until, type OpenedEvents } from './support.ts'

/** The samples of one metric, by their labels. */
async function samples({ ctx }: Pick<OpenedEvents, 'ctx'>, name: string): Promise<Record<string, number>> {
  const lines = (await ctx.metrics.text()).split('\n').map((line) => /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line))
  return Object.fromEntries(lines.flatMap((parts) => (parts?.[1] === name ? [[parts[2] ?? '', Number(parts[3])]] : [])))
}

eachDatabase((database) => {
  it('counts tries by what came of them, and how long the first waited', async () => {
    const opened = await openEvents(database, { retrySeconds: [60] })
    const receiver = await openReceiver()
    receiver.answer((response, index) => void response.writeHead(index === 0 ? 503 : 204).end())
    await opened.addEndpoint({ url: receiver.url })
    await opened.publish()
    opened.clock.advance(4)
    opened.dispatch()
    await until(async () => (await opened.attempts()).length === 1)
    opened.clock.advance(80)
    await until(async () => (await opened.attempts()).length === 2)

    await expect
      .poll(() => samples(opened, 'stoa_webhook_attempts_total'))
      .toEqual({
        'outcome="failure",status_class="5xx",cause="event"': 1,
        'outcome="success",status_class="2xx",cause="event"': 1,
      })
    expect(await samples(opened, 'stoa_webhook_attempt_seconds_count')).toEqual({ '': 2 })
    expect(await samples(opened, 'stoa_webhook_first_attempt_seconds_count')).toEqual({ '': 1 })
    expect(await samples(opened, 'stoa_webhook_first_attempt_seconds_sum')).toEqual({ '': 4 })
    expect(await samples(opened, 'stoa_events_published_total')).toEqual({ '': 1 })
    expect(await samples(opened, 'stoa_webhook_in_flight')).toEqual({ '': 0 })
  })

  it('counts what was published only when it was committed', async () => {
    const opened = await openEvents(database)
    await opened.ctx.db
      .transaction(async (trx) => {
        await publish(opened.ctx, trx, chargeEvent())
        throw new Error('rolled back')
      })
      .catch(() => {})
    expect(await samples(opened, 'stoa_events_published_total')).toEqual({ '': 0 })
  })

  it('tells what waits and what is held, for how long, and for how many endpoints; asked once in five seconds', async () => {
    const opened = await openEvents(database)
    const { ctx, clock } = opened
    let asked = 0
    ctx.metrics.watchBacklog(() => {
      asked++
      return readBacklog(ctx)
    })
    await opened.addEndpoint({ url: 'http://127.0.0.1:1/a' })
    await opened.addEndpoint({ url: 'http://127.0.0.1:1/b', status: 'DISABLED' })
    const { id: deleted } = await opened.addEndpoint({ url: 'http://127.0.0.1:1/c' })
    await ctx.db('stoa_webhook_endpoints').where({ id: deleted }).update({ deleted_time: clock.now().toISOString() })
    await opened.publish()
    await opened.publish()
    clock.advance(30)
    const figures = async () => ({
      pending: await samples(opened, 'stoa_webhook_deliveries_pending'),
      held: await samples(opened, 'stoa_webhook_deliveries_held'),
      oldest: await samples(opened, 'stoa_webhook_oldest_pending_seconds'),
      endpoints: await samples(opened, 'stoa_webhook_endpoints'),
      breakers: await samples(opened, 'stoa_webhook_breakers_open'),
    })
    const before = {
      pending: { '': 2 },
      held: { '': 2 },
      oldest: { '': 30 },
      endpoints: { 'status="active"': 1, 'status="disabled"': 1 },
      breakers: { '': 0 },
    }
    expect(await figures()).toEqual(before)
    await ctx.db('stoa_webhook_endpoints').update({ breaker: 'open', status: 'DISABLED' })
    clock.advance(4)
    expect(await figures()).toEqual(before)
    expect(asked).toBe(1)
    clock.advance(1)
    expect(await figures()).toMatchObject({
      pending: { '': 0 },
      held: { '': 4 },
      oldest: { '': 0 },
      breakers: { '': 2 },
    })
    expect(asked).toBe(2)
  })

  it('is for operators, who scrape with an API key', async () => {
    const { call, world, host } = await openHost(database)
    await call('GET', '/health')
    const answer = await call('GET', '/metrics', { token: world.operator.apiKey })
    expect([answer.status, answer.headers.get('content-type')]).toEqual([
      200,
      'text/plain; version=0.0.4; charset=utf-8',
    ])
    expect(answer.body).toContain('stoa_http_requests_total{operation="getHealth",status_class="2xx"} 1\n')
    expect(answer.body).toMatch(/^process_cpu_seconds_total \S+$/m)
    expect(answer.body).toMatch(/^stoa_webhook_deliveries_pending \d+$/m)
    expect(answer.body, 'no id of anybody is a label').not.toMatch(/\b(org|app|whe|loc|usr|key)_[0-9a-f]{8}/)
    expect((await call('GET', '/metrics', { token: world.publisher.apiKey })).body.code).toBe('missing_permission')
    expect(await host.metrics()).toContain('operation="getMetrics",status_class="4xx"')
  })
})

it('tells of the process also when the database cannot be asked', async () => {
  const metrics = createMetrics({ clock: { now: () => new Date() } })
  metrics.watchBacklog(() => Promise.reject(new Error('gone')))
  expect(await metrics.text()).toMatch(/^stoa_webhook_deliveries_pending nan$/im)
})

it('two hosts in one process count for themselves', async () => {
  const clock = { now: () => new Date() }
  const [one, other] = [createMetrics({ clock }), createMetrics({ clock })]
  one.published(3)
  expect(await one.text()).toContain('stoa_events_published_total 3\n')
  expect(await other.text()).toContain('stoa_events_published_total 0\n')
})
