import { startChild, type Child } from './child.ts'
import type { Order } from './deliveries-host.ts'
import { measureLoad, percentile, wait } from './load.ts'
import type { Arrival } from './receiver.ts'
import { count, ms, printTable, ratio } from './table.ts'

const backlog = 20_000
const endpoints = 10_000
const pending = 100_000
const attempts = 1_000_000

interface Sending {
  host: Child<string>
  receiver: Child<{ url: string }>
  ask: <Answer>(order: Order) => Promise<Answer>
}

/**
 * Publishing and delivering, without HTTP in front, so that nothing else is measured; the receiver is a process of its own on the
 * same machine. Beside each figure its ceiling: bare POSTs of the same size by the same client, bare rows in the same database.
 */
export async function benchDeliveries(label: string, urls: { flow: string; crowd: string; growth: string }) {
  console.log(`### Deliveries, ${label}\n`)
  await withSending(urls.flow, benchFlow)
  await withSending(urls.crowd, benchCrowd)
  await benchGrowth(urls.growth)
}

async function withSending(url: string, work: (sending: Sending) => Promise<void>): Promise<void> {
  const receiver = await startChild<{ url: string }>('./receiver.ts')
  const host = await startChild<string>('./deliveries-host.ts', [url])
  await work({ host, receiver, ask: (order) => host.ask(order) })
  await host.stop()
  await receiver.stop()
}

async function benchFlow({ receiver, ask }: Sending): Promise<void> {
  const bare = await measureLoad({
    url: receiver.ready.url,
    clients: 64,
    seconds: 3,
    expect: 204,
    request: () => ({
      method: 'POST',
      path: '/hook',
      headers: { 'content-type': 'application/json' },
      body: 'x'.repeat(600),
    }),
  })
  const inserts = await ask<number>({ do: 'bare inserts', count: backlog })
  await receiver.ask('take')
  await ask({ do: 'endpoints', urls: [`${receiver.ready.url}/hook`] })

  const published = await ask<number>({ do: 'publish', organization: 0, count: backlog })
  const started = performance.now()
  await ask({ do: 'start' })
  await untilArrived(receiver, backlog)
  const drained = backlog / ((performance.now() - started) / 1000)
  await receiver.ask('take')
  await wait(1)

  const single = await ask<[string, number, number][]>({ do: 'paced', organization: 0, count: 1000, perSecond: 100 })
  await untilArrived(receiver, 1000)
  const arrivedAt = new Map((await receiver.ask<Arrival[]>('take')).map(({ id, at }) => [id, at]))
  const fromBegin = single.map(([id, began]) => arrivedAt.get(id)! - began).sort((a, b) => a - b)
  const fromCommit = single.map(([id, , committed]) => arrivedAt.get(id)! - committed).sort((a, b) => a - b)

  const seconds = 8
  const total = await ask<number>({ do: 'steady', organization: 0, seconds, perSecond: 2000 })
  const delivered = await receiver.ask<number>('count')
  await untilArrived(receiver, total)

  printTable(
    ['what', 'figure', 'of its ceiling'],
    [
      ['bare POSTs (undici, 64 at once)', `${count(bare.perSecond)}/s`, ''],
      ['bare rows of the size of an event, 64 to a commit', `${count(inserts)}/s`, ''],
      ['published, 64 to a commit', `${count(published)}/s`, `${ratio(published, inserts)} of bare rows`],
      [
        `backlog of ${count(backlog)} delivered`,
        `${count(drained)}/s`,
        `${ratio(drained, bare.perSecond)} of bare POSTs`,
      ],
      [
        'published at 2,000/s: delivered meanwhile',
        `${count(delivered / seconds)}/s of ${count(total / seconds)}/s`,
        '',
      ],
      [
        '100/s: publish begun to first byte',
        `p50 ${ms(percentile(fromBegin, 0.5))} ms, p99 ${ms(percentile(fromBegin, 0.99))} ms`,
        '',
      ],
      [
        '100/s: committed to first byte',
        `p50 ${ms(percentile(fromCommit, 0.5))} ms, p99 ${ms(percentile(fromCommit, 0.99))} ms`,
        '',
      ],
    ],
  )
}

/** Many endpoints, of which one in a hundred takes requests and never answers: what the others notice of it. */
async function benchCrowd({ receiver, ask }: Sending): Promise<void> {
  const { url } = receiver.ready
  const organizations = await ask<number>({ do: 'endpoints', urls: Array<string>(endpoints).fill(`${url}/hook`) })
  await ask({ do: 'start' })
  // Each event goes to the 25 endpoints of its organization.
  const load = { do: 'spread', organizations, seconds: 20, perSecond: 20 } as const
  const measure = async () => {
    await receiver.ask('take')
    const published = new Map((await ask<[string, number][]>(load)).map(([id, began]) => [id, began]))
    await wait(2)
    const arrivals = (await receiver.ask<Arrival[]>('take')).filter(({ hangs }) => !hangs)
    const latencies = arrivals.map(({ id, at }) => at - published.get(id!)!).sort((a, b) => a - b)
    return { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99), arrived: latencies.length }
  }
  // Once to get acquainted: secrets are opened and connections made.
  await measure()
  const quiet = await measure()
  await ask({ do: 'hang', url: `${url}/hang`, every: 100 })
  const loud = await measure()
  printTable(
    [`${count(endpoints)} endpoints, 500 deliveries/s`, 'p50 ms', 'p99 ms', 'arrived'],
    [
      ['all answer', ms(quiet.p50), ms(quiet.p99), count(quiet.arrived)],
      ['1 % hang: the others', ms(loud.p50), ms(loud.p99), count(loud.arrived)],
      ['times as long', (loud.p50 / quiet.p50).toFixed(2), (loud.p99 / quiet.p99).toFixed(2), ''],
    ],
  )
}

/** What a process needs while very much waits, and what the search for work costs when very much is past. */
async function benchGrowth(url: string): Promise<void> {
  await withSending(url, async ({ receiver, ask }) => {
    await ask({ do: 'endpoints', urls: [`${receiver.ready.url}/hook`] })
    const drain = async () => {
      await receiver.ask('take')
      await ask({ do: 'publish', organization: 0, count: backlog })
      const started = performance.now()
      await ask({ do: 'start' })
      await untilArrived(receiver, backlog)
      const took = performance.now() - started
      await ask({ do: 'stop' })
      return took / backlog
    }
    await drain()
    await ask({ do: 'attempts', count: 1000 })
    const few = await drain()
    await ask({ do: 'attempts', count: attempts })
    const many = await drain()
    await ask({ do: 'publish', organization: 0, count: pending })
    printTable(
      ['past attempts besides', 'a delivery, from the search for it to its record: ms', 'times as long'],
      [
        [count(1000), few.toFixed(3), ''],
        [count(attempts), many.toFixed(3), (many / few).toFixed(2)],
      ],
    )
  })
  await withSending(url, async ({ host, receiver, ask }) => {
    await ask({ do: 'hang', url: `${receiver.ready.url}/hook`, every: 1 })
    const before = await ask<number>({ do: 'memory' })
    await host.ask({ do: 'start' })
    let most = 0
    for (let n = 0; n < 30; n++) {
      await wait(0.5)
      most = Math.max(most, await ask<number>({ do: 'memory' }))
    }
    const delivered = await receiver.ask<number>('count')
    printTable(
      ['memory of the process (resident)', 'MB'],
      [
        ['before it delivers', count(before / 1e6)],
        [`most in 15 s with ${count(pending)} pending (${count(delivered)} delivered meanwhile)`, count(most / 1e6)],
      ],
    )
  })
}

async function untilArrived(receiver: Child<unknown>, total: number): Promise<void> {
  while ((await receiver.ask<number>('count')) < total) await wait(0.02)
}
