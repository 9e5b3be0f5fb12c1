import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** When the first byte of a delivery arrived, by the wall clock; which event it was, and which charge it tells of. */
export interface Arrival {
  at: number
  id: string | null
  chargeId: string | null
}

/** A receiver in its own process: answers 204, and reads what it got only when it is asked, so as not to slow the sender. */
let arrivals: { at: number; id: string | null; chunks: Buffer[] }[] = []
const server = createServer((req, res) => {
  const chunks: Buffer[] = []
  const id = (req.headers['webhook-id'] as string | undefined) ?? null
  arrivals.push({ at: performance.timeOrigin + performance.now(), id, chunks })
  // One that hangs: it takes the request and never answers.
  if (req.url === '/hang') return
  req.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => res.writeHead(204).end())
})
server.listen(0, '127.0.0.1', () => {
  process.send!({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` })
})
process.on('message', (message: 'count' | 'take') => {
  if (message === 'count') return process.send!(arrivals.length)
  process.send!(
    arrivals.map(({ at, id, chunks }): Arrival => ({ at, id, chargeId: chargeOf(Buffer.concat(chunks).toString()) })),
  )
  arrivals = []
})

/** Null for the bodies of the bare measurement, which are no events. */
function chargeOf(body: string): string | null {
  if (!body.startsWith('{')) return null
  return (JSON.parse(body) as { data: { chargeId: string } }).data.chargeId
}
