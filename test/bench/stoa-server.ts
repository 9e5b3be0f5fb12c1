import type { AddressInfo } from 'node:net'
import { createHost } from '@stoa/core'
import { seedDemoWorld } from '@stoa/core/testing'
import express from 'express'

/** The host as it runs in production, in its own process. Background work starts when it is told to. */
const [, , database = '', cold] = process.argv
const app = express()
// Listening first, because the pages lead to `baseUrl`.
const server = app.listen(0, '127.0.0.1')
await new Promise((resolve) => server.once('listening', resolve))
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
const host = await createHost({
  database,
  baseUrl: url,
  secret: 'a secret that only the bench knows, 32+',
  mode: 'production',
  tokens: { codeSeconds: 600, ...(cold && { cacheMilliseconds: 0 }) },
  rateLimit: { requests: 100_000_000, anonymousRequests: 100_000_000 },
  webhooks: { allowPrivateNetworks: ['127.0.0.0/8'], allowHttp: true },
})
app.use(host.router)
const world = await seedDemoWorld(host, { baseUrl: url })
process.on('message', () => {
  host.start()
  process.send!('started')
})
process.send!({ url, world })
process.on('SIGINT', () => process.exit(0))
