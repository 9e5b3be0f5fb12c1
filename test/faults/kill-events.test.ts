import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import { openDatabase, type Row } from '../../core/src/database/index.ts'
import { openEvents, openReceiver, until } from '../events/support.ts'
import { eachDatabase } from '../support/databases.ts'
import type { KillPoint, Orders, Told } from './events-process.ts'

/** Kills per database: a handful in the suite; STOA_KILLS=200 for those who want to know. */
const kills = Number(process.env.STOA_KILLS ?? 6)
const points: KillPoint[] = ['committed', 'claimed', 'sent', 'attempts-written', 'deliveries-written', 'any']
const longestRandomMilliseconds = 400
/** Longer than a lease: whatever a killed process had taken is due for the next. */
const leaseMilliseconds = 61_000

const script = fileURLToPath(new URL('events-process.ts', import.meta.url))

async function startProcess(): Promise<ChildProcess> {
  const child = fork(script, {
    execArgv: ['--conditions=@stoa/source', '--import', 'tsx'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child, 'message')
  return child
}

/** On a connection that is closed again: nobody else has the database open when the next process comes to it. */
async function read<T>(url: string, look: (db: Awaited<ReturnType<typeof openDatabase>>['knex']) => Promise<T>) {
  const { knex, close } = await openDatabase(url)
  try {
    return await look(knex)
  } finally {
    await close()
  }
}

eachDatabase((database) => {
  it(
    'delivers everything that was committed and nothing else, wherever in the life of a delivery processes are killed',
    { timeout: 120_000 + kills * 10_000 },
    async () => {
      const began = performance.now()
      const opened = await openEvents(database)
      const receivers = await Promise.all([openReceiver(), openReceiver()])
      const receiverOf = new Map<string, (typeof receivers)[number]>()
      for (const receiver of receivers) {
        receiver.answer((response) => setTimeout(() => response.writeHead(204).end(), 2))
        receiverOf.set((await opened.addEndpoint({ url: receiver.url })).id, receiver)
      }
      const { url } = opened
      await opened.ctx.db.destroy()
      const committed = new Set<string>()
      const doomed = new Set<string>()
      const idsOf = (receiver: (typeof receivers)[number], from = 0) =>
        receiver.received.slice(from).map(({ headers }) => String(headers['webhook-id']))

      /** Sent by the process that just died, and not recorded: what another must send again. */
      async function countInFlight(seen: Map<string, number>): Promise<number> {
        // What the dead one had put into its sockets.
        await sleep(20)
        const pending = await read(
          url,
          (db) => db('stoa_deliveries').whereRaw(`state = 'pending'`).select('event_id', 'endpoint_id') as never,
        )
        return (pending as { event_id: string; endpoint_id: string }[]).filter((row) =>
          idsOf(receiverOf.get(row.endpoint_id)!, seen.get(row.endpoint_id)).includes(row.event_id),
        ).length
      }

      let inFlight = 0
      let next = startProcess()
      for (let kill = 0; kill < kills; kill++) {
        const child = await next
        const exit = once(child, 'exit')
        // The next one is ready when this one dies.
        next = startProcess()
        child.on('message', (told: Told) => {
          for (const id of told.committed ?? []) committed.add(id)
          for (const id of told.doomed ?? []) doomed.add(id)
        })
        const seen = new Map([...receiverOf].map(([id, { received }]) => [id, received.length]))
        const point = points[kill % points.length]!
        const passage = 1 + Math.floor(Math.random() * 25)
        const orders: Orders = { url, name: `p${kill}`, point, passage, ahead: kill * leaseMilliseconds }
        child.send(orders)
        if (point === 'any') setTimeout(() => child.kill('SIGKILL'), Math.random() * longestRandomMilliseconds)
        expect((await exit)[1], point).toBe('SIGKILL')
        inFlight += await countInFlight(seen)
      }
      const last = await next
      last.send({ url, name: 'last', point: 'never', passage: 0, ahead: kills * leaseMilliseconds } satisfies Orders)
      const left = (db: Parameters<Parameters<typeof read>[1]>[0]) =>
        db('stoa_deliveries').whereNot({ state: 'delivered' }).first('id')
      await until(async () => {
        await sleep(100)
        return (await read(url, left)) === undefined
      })
      const exit = once(last, 'exit')
      last.kill('SIGKILL')
      await exit

      const { events, deliveries, attempts } = await read(url, async (db) => ({
        events: ((await db('stoa_events').orderBy('id').select('id')) as { id: string }[]).map(({ id }) => id),
        deliveries: (await db('stoa_deliveries').select('state')) as Row[],
        attempts: (await db('stoa_delivery_attempts').select('delivery_id', 'outcome')) as Row[],
      }))
      const received = receivers.map((receiver) => idsOf(receiver))
      const duplicates = received.reduce((sum, ids) => sum + ids.length - new Set(ids).size, 0)
      const lost = events.filter((id) => received.some((ids) => !ids.includes(id))).length
      if (process.env.STOA_KILLS) {
        const seconds = Math.round((performance.now() - began) / 1000)
        const figures = { kills, events: events.length, deliveries: deliveries.length, lost, duplicates, inFlight }
        process.stdout.write(`${database.kind}: ${JSON.stringify({ ...figures, rolledBack: doomed.size, seconds })}\n`)
      }

      expect([...committed].filter((id) => !events.includes(id))).toEqual([])
      expect(events.length).toBeGreaterThan(kills)
      expect(doomed.size).toBeGreaterThan(0)
      expect(events.filter((id) => doomed.has(id))).toEqual([])
      // To each receiver all of it, and nothing that was rolled back.
      for (const ids of received) expect([...new Set(ids)].sort()).toEqual(events)
      expect(duplicates).toBeLessThanOrEqual(inFlight)
      // One id for what is one event, however often it was sent.
      const idOf = new Map<string, string>()
      for (const { headers, body } of receivers.flatMap((receiver) => receiver.received)) {
        const { eventId } = (JSON.parse(body) as { data: { eventId: string } }).data
        const id = String(headers['webhook-id'])
        expect(idOf.get(eventId) ?? id).toBe(id)
        idOf.set(eventId, id)
      }
      expect(deliveries).toHaveLength(events.length * receivers.length)
      expect(attempts).toHaveLength(deliveries.length)
      expect(attempts.every(({ outcome }) => outcome === 'success')).toBe(true)
      expect(new Set(attempts.map((row) => row.delivery_id)).size).toBe(deliveries.length)
    },
  )
})
