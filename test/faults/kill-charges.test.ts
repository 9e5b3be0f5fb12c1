import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import { eachDatabase } from '../support/databases.ts'
import { call, type Answer } from '../support/host.ts'
import { openWorld } from '../wallet/world.ts'

const script = fileURLToPath(new URL('charges-process.ts', import.meta.url))
const clients = 16
const kills = 4

async function startHost(database: string): Promise<{ child: ChildProcess; url: string }> {
  const child = fork(script, [database], {
    execArgv: ['--conditions=@stoa/source', '--import', 'tsx'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [url] = (await once(child, 'message')) as [string]
  return { child, url }
}

const sorted = (ids: Iterable<string>) => [...ids].sort()

eachDatabase((database) => {
  it(
    'loses no charge that was acknowledged and makes none twice, however often the host is killed',
    { timeout: 240_000 },
    async () => {
      const world = await openWorld(database, { clock: { now: () => new Date() } })
      onTestFinished(world.close)
      await world.fund(world.locationId, 1_000_000)
      await world.stopHost()

      let host = await startHost(world.opened.url)
      let isRunning = true
      const charged = new Map<string, string>()
      const givenBack = new Set<string>()
      let unanswered = 0

      /** Sends it again until somebody answers, as a client that lost its connection does. */
      async function insist(method: string, path: string, body?: object): Promise<Answer> {
        for (;;) {
          try {
            return await call(host.url, method, path, { token: world.token, body })
          } catch {
            unanswered++
            await sleep(20)
          }
        }
      }

      async function client(name: number): Promise<void> {
        for (let n = 0; isRunning; n++) {
          const body = world.chargeBody({ eventId: `client-${name}-${n}` })
          const answer = await insist('POST', world.chargesPath, body)
          expect([200, 201], JSON.stringify(answer.body)).toContain(answer.status)
          charged.set(body.eventId, answer.body.chargeId)
          if (n % 5 !== 0) continue
          const back = await insist('DELETE', `${world.chargesPath}/${answer.body.chargeId}`)
          expect(back.status).toBe(200)
          givenBack.add(answer.body.chargeId)
        }
      }

      const working = Promise.all(Array.from({ length: clients }, (_, name) => client(name)))
      for (let kill = 0; kill < kills; kill++) {
        await sleep(150 + Math.random() * 700)
        const exit = once(host.child, 'exit')
        host.child.kill('SIGKILL')
        await exit
        host = await startHost(world.opened.url)
      }
      await sleep(200)
      isRunning = false
      await working

      expect(unanswered).toBeGreaterThan(0)
      expect(charged.size).toBeGreaterThan(clients)
      const rows = await world.db('stoa_charges').orderBy('id')
      const stored = rows.filter(({ seq }) => Number(seq) === 0)
      expect(Object.fromEntries(stored.map((row) => [row.event_id, row.id]))).toEqual(Object.fromEntries(charged))
      expect(stored).toHaveLength(charged.size)
      const refunds = rows.filter(({ seq }) => Number(seq) === 1)
      expect(sorted(refunds.map(({ id }) => id))).toEqual(sorted(givenBack))
      expect(await world.checkLedger()).toEqual([])
      const account = await world
        .db('stoa_ledger_accounts')
        .where({ kind: 'wallet', owner_id: world.locationId })
        .first()
      const paid = 500_000n * BigInt(charged.size - givenBack.size)
      expect(BigInt(account.balance)).toBe(1_000_000n * 1_000_000n - paid)

      const events = await world
        .db('stoa_events')
        .whereIn('type', ['charge.created', 'charge.refunded'])
        .select('type', 'payload')
      const told = (type: string) =>
        events.filter((event) => event.type === type).map(({ payload }) => JSON.parse(payload).data.chargeId as string)
      expect(sorted(told('charge.created'))).toEqual(sorted(charged.values()))
      expect(sorted(told('charge.refunded'))).toEqual(sorted(givenBack))
    },
  )
})
