import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished, vi } from 'vitest'
import { arrivedIds, openEvents, openReceiver, until, type OpenedEvents } from '../events/support.ts'
import { eachDatabase } from '../support/databases.ts'

// Each test starts a process, which is slow on a busy machine.
vi.setConfig({ testTimeout: 120_000 })

const script = fileURLToPath(new URL('events-process.ts', import.meta.url))
const leaseSeconds = 60
/** The clock of the test stands still, that of the process does not: what it made must be in the past. */
const headStart = 30

async function startProcess(
  url: string,
  count: number,
  then: 'idle' | 'send',
): Promise<{ child: ChildProcess; ids: string[] }> {
  const child = fork(script, [url, String(count), then], {
    execArgv: ['--conditions=@stoa/source', '--import', 'tsx'],
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [ids] = (await once(child, 'message')) as [string[]]
  return { child, ids }
}

async function kill(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit')
  child.kill('SIGKILL')
  await exit
}

async function allDelivered({ deliveries }: OpenedEvents): Promise<boolean> {
  return (await deliveries()).every(({ state }) => state === 'delivered')
}

eachDatabase((database) => {
  it('delivers what a process published and was killed before it could send', async () => {
    const opened = await openEvents(database)
    const receiver = await openReceiver()
    await opened.addEndpoint({ url: receiver.url })
    const { child, ids } = await startProcess(opened.url, 3, 'idle')
    await kill(child)
    expect(receiver.received).toEqual([])

    opened.clock.advance(headStart)
    opened.dispatch()
    await until(() => allDelivered(opened))

    expect(arrivedIds(receiver)).toEqual(ids)
  })

  it.each([1, 20, 60])(
    'loses nothing when a process is killed after %i have arrived, and repeats only what was under way',
    async (arrived) => {
      const opened = await openEvents(database)
      const receiver = await openReceiver()
      receiver.answer((response) => setTimeout(() => response.writeHead(204).end(), 5))
      await opened.addEndpoint({ url: receiver.url })
      const { child, ids } = await startProcess(opened.url, 150, 'send')
      await until(() => receiver.received.length >= arrived)
      await kill(child)
      const byTheKilled = receiver.received.length
      const recorded = (await opened.attempts()).length
      const known = new Set(receiver.received.map(({ headers }) => headers['webhook-id']))
      expect(known.size).toBe(byTheKilled)

      // Its leases: given back at once where there can be one process only, and to be waited for elsewhere.
      opened.clock.advance(database.kind === 'postgres' ? headStart + leaseSeconds : headStart)
      opened.dispatch()
      await until(() => allDelivered(opened))

      const received = receiver.received.map(({ headers }) => String(headers['webhook-id']))
      expect([...new Set(received)].sort()).toEqual(ids)
      expect(received.length - ids.length).toBe(byTheKilled - recorded)
      const attempts = await opened.attempts()
      expect(attempts).toHaveLength(ids.length)
      expect(attempts.every(({ outcome }) => outcome === 'success')).toBe(true)
    },
  )
})
