import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A receiver in its own process: answers 204 and notes when the first byte of each delivery arrived. */
let arrivals: { id: string; at: number }[] = []
const server = createServer((req, res) => {
  arrivals.push({ id: String(req.headers['webhook-id']), at: performance.timeOrigin + performance.now() })
  req.resume().on('end', () => res.writeHead(204).end())
})
server.listen(0, '127.0.0.1', () => {
  process.send!({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
})
process.on('message', (message: 'count' | 'take') => {
  if (message === 'count') return process.send!(arrivals.length)
  process.send!(arrivals)
  arrivals = []
})
