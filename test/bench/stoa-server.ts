import { createHost } from '@stoa/core'
import { listenOn, seedDemoWorld } from '@stoa/core/testing'

/** The host as it runs in production, in its own process. Background work starts when it is told to. */
const [, , database = '', cold] = process.argv
const host = await createHost({
  database,
  secret: 'a secret that only the bench knows, 32+',
  mode: 'production',
  tokens: { codeSeconds: 600, ...(cold && { cacheMilliseconds: 0 }) },
  rateLimit: { requests: 100_000_000 },
  webhooks: { allowPrivateNetworks: ['127.0.0.0/8'], allowHttp: true },
})
const { url } = await listenOn(host)
const world = await seedDemoWorld(host, { baseUrl: url })
process.on('message', () => {
  host.start()
  process.send!('started')
})
process.send!({ url, world })
process.on('SIGINT', () => process.exit(0))
