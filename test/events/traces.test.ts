import { context, trace } from '@opentelemetry/api'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type ReadableSpan,
} from '@opentelemetry/sdk-trace-base'
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest'
import { openDatabase } from '../../core/src/database/index.ts'
import { eachDatabase } from '../support/databases.ts'
import { createContext, openEvents, openReceiver, until } from './support.ts'

const exporter = new InMemorySpanExporter()

beforeEach(() => {
  exporter.reset()
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
})
afterEach(() => {
  trace.disable()
  context.disable()
})

const spans = (name: string) => exporter.getFinishedSpans().filter((span) => span.name === name)
const idsOf = (span: ReadableSpan | undefined) => span?.spanContext()

eachDatabase((database) => {
  it('shows every try below the publishing of its event, after a retry and after a restart too', async () => {
    const opened = await openEvents(database, { retrySeconds: [60] })
    const receiver = await openReceiver()
    receiver.answer((response, index) => void response.writeHead(index === 0 ? 503 : 204).end())
    await opened.addEndpoint({ url: `${receiver.url}?secret=path` })
    await opened.publish()
    const first = opened.dispatch()
    await until(() => spans('stoa.deliver').length === 1)
    await first.stop()

    const connection = await openDatabase(opened.url)
    const restarted = createContext(connection, { clock: opened.clock, webhooks: { retrySeconds: [60] } })
    onTestFinished(async () => {
      await restarted.outbound.close()
      await connection.close()
    })
    opened.clock.advance(80)
    const second = opened.dispatch(restarted)
    await until(() => spans('stoa.deliver').length === 2)
    await second.stop()

    const [published, ...more] = spans('stoa.publish charge.created')
    expect(more).toEqual([])
    const tries = spans('stoa.deliver')
    for (const each of tries) {
      expect(each.spanContext().traceId).toBe(idsOf(published)!.traceId)
      expect(each.parentSpanContext).toMatchObject({ spanId: idsOf(published)!.spanId, isRemote: true })
      expect(each.kind).toBe(2) // CLIENT
    }
    const shared = {
      'http.request.method': 'POST',
      'server.address': '127.0.0.1',
      'stoa.event.type': 'charge.created',
    }
    expect(tries.map(({ attributes }) => attributes)).toEqual([
      { ...shared, 'stoa.attempt': 1, 'http.response.status_code': 503, 'error.type': '503' },
      { ...shared, 'stoa.attempt': 2, 'http.response.status_code': 204 },
    ])
    expect(tries.map(({ status }) => status.code)).toEqual([2, 0])
    // A receiver is a third party: it is told nothing of our traces.
    for (const { headers } of receiver.received) expect(headers).not.toHaveProperty('traceparent')
  })

  it('stores nothing and tells nothing where no SDK is set up', async () => {
    trace.disable()
    const opened = await openEvents(database)
    await opened.publish()
    expect(await opened.ctx.db('stoa_events').select('trace_parent')).toEqual([{ trace_parent: null }])
  })

  it('begins a trace of its own for what was published without one', async () => {
    const opened = await openEvents(database)
    await opened.addEndpoint({ url: 'http://127.0.0.1:1/' })
    trace.disable()
    await opened.publish()
    trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
    opened.dispatch()
    await until(() => spans('stoa.deliver').length === 1)
    const [span] = spans('stoa.deliver')
    expect(span!.parentSpanContext).toBeUndefined()
    expect(span!.attributes).toMatchObject({ 'error.type': 'connect' })
  })
})
