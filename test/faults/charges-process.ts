import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createHost } from '@stoa/core'
import { listenOn } from '@stoa/core/testing'
import { openDatabase } from '../../core/src/database/index.ts'
import { openDirectWallet } from '../wallet/direct.ts'
import { hostConfig } from '../wallet/host-config.ts'

/** Where the process listens: the host, and beside it a door to what the host has none for. */
export interface Listening {
  url: string
  books: string
}

/**
 * A host in a process of its own, to be killed. Waits for its database, so that it is there at once when its predecessor dies, and
 * tells its parent where it listens.
 */
process.once('message', (database: string) => void serve(database))
process.send!('ready')

async function serve(url: string): Promise<void> {
  // One connection for both: on SQLite, two in one process would wait for each other.
  const { knex } = await openDatabase(url)
  const host = await createHost({ ...hostConfig, database: knex, wallet: { batchSize: 64 } })
  host.start()
  const { books } = await openDirectWallet({ opened: { url: knex } })
  const server = createServer((request, response) => {
    response.setHeader('Content-Type', 'application/json')
    void answer(request).then(
      (body) => response.end(JSON.stringify(body)),
      (error: unknown) => {
        response.statusCode = 503
        response.end(JSON.stringify({ error: String(error) }))
      },
    )
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const listening: Listening = {
    url: (await listenOn(host)).url,
    books: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  }
  process.send!(listening)

  async function answer(request: IncomingMessage): Promise<object> {
    let text = ''
    for await (const chunk of request) text += String(chunk)
    const body = JSON.parse(text)
    if (request.url === '/refunds') {
      const { amount, replayed } = await books.refund(body.caller, body.chargeId, {
        refundId: body.refundId,
        amount: BigInt(body.amount),
      })
      return { amount: String(amount), replayed }
    }
    const { replayed } = await books.grant(body.owner, BigInt(body.amount), { reference: body.reference })
    return { replayed }
  }
}
