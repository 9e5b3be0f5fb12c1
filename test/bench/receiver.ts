import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** When the first byte of a delivery arrived, by the wall clock, and which event it was. */
export interface Arrival {
  at: number
  id: string | null
  /** Whether it was left without an answer. */
  hangs: boolean
}

/** A receiver in its own process: answers 204, or to `/hang` never. */
let arrivals: Arrival[] = []
const server = createServer((req, res) => {
  const id = (req.headers['webhook-id'] as string | undefined) ?? null
  const hangs = req.url === '/hang'
  arrivals.push({ at: performance.timeOrigin + performance.now(), id, hangs })
  if (!hangs) req.on('end', () => res.writeHead(204).end()).resume()
})
server.listen(0, '127.0.0.1', () => {
  process.send!({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
})
process.on('message', (message: 'count' | 'take') => {
  if (message === 'count') return process.send!(arrivals.length)
  process.send!(arrivals)
  arrivals = []
})
